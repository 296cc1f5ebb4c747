"""Which data set a source of params.yaml means; nothing is fetched here.

The entries are data: datasets.yaml beside this file. A source is a name of the catalog, a part
of one (`path: "catalog:imagenet?classes=n01440764&first=500"`), a folder or video of this
machine, or a web address with its sha256.
"""

import re
from pathlib import Path, PurePosixPath
from typing import Final
from urllib.parse import parse_qs, unquote, urlsplit

from superres.config import Source
from superres.data.catalog_file import read_entries
from superres.data.dataset import (
    VIDEO_SUFFIXES,
    Dataset,
    Local,
    Package,
    Remote,
    RemoteFile,
    Selection,
    Sides,
)
from superres.data.sources import Kind
from superres.errors import DataError

CATALOG: Final[dict[str, Dataset]] = read_entries(
    Path(__file__).with_name("datasets.yaml"), Dataset
)


def resolve(source: Source) -> Dataset:
    """Return the data set a source of params.yaml means: the catalog's, or that of its path.

    Raises DataError for an unknown name without a path, a web address without a checksum, or a
    kind that contradicts the catalog.
    """
    path = source.path
    if path is None:
        dataset = _from_catalog(source, source.name)
    elif path.startswith("catalog:"):
        dataset = _part_of_catalog(source, path)
    else:
        dataset = _from_path(source, path)
    if source.clip_length is not None and dataset.kind != "video":
        raise DataError(
            f"data source '{source.name}': clip_length cuts videos, this one holds {dataset.kind}."
        )
    if source.split == "auto":
        return dataset
    forced = tuple(item.model_copy(update={"split": source.split}) for item in dataset.items)
    return dataset.model_copy(update={"items": forced, "split": source.split})


def _from_catalog(source: Source, name: str) -> Dataset:
    dataset = CATALOG.get(name)
    if dataset is None:
        raise DataError(
            f"data source '{source.name}': '{name}' is not in the catalog and no path given. "
            f"Known: {', '.join(sorted(CATALOG))}; or add `path:` with a folder of images, "
            "a video or https://...#sha256=... in params.yaml."
        )
    if source.kind not in (None, dataset.kind):
        raise DataError(
            f"data source '{source.name}': kind is '{source.kind}' in params.yaml, "
            f"but this data set holds '{dataset.kind}'. Leave `kind` out."
        )
    return dataset


def _part_of_catalog(source: Source, path: str) -> Dataset:
    """Read `catalog:NAME?classes=a,b&first=N&protocol=r3`."""
    address = urlsplit(path)
    dataset = _from_catalog(source, address.path)
    if isinstance(dataset.origin, Package) or (
        source.name in CATALOG and source.name != dataset.name
    ):
        raise DataError(f"data source '{source.name}': no part of '{dataset.name}' can be taken.")
    asked = {key: values[-1] for key, values in parse_qs(address.query).items()}
    unknown = sorted(asked.keys() - {"classes", "first", "protocol"})
    first, protocol = asked.get("first"), asked.get("protocol")
    if unknown or (first is not None and not re.fullmatch(r"[1-9][0-9]*", first)):
        raise DataError(
            f"data source '{source.name}': {path} is not understood. Accepted: "
            "catalog:NAME?classes=A,B&first=NUMBER&protocol=NAME, each part optional."
        )
    if protocol is not None and protocol not in dataset.protocols:
        known = ", ".join(sorted(dataset.protocols)) or "none"
        raise DataError(
            f"data source '{source.name}': no protocol '{protocol}' for '{dataset.name}'. "
            f"Known: {known}."
        )
    selection = Selection(
        classes=tuple(filter(None, asked.get("classes", "").split(","))),
        first=int(first) if first else None,
        protocol=protocol,
    )
    return dataset.model_copy(
        update={"name": source.name, "entry": dataset.name, "selection": selection}
    )


def _from_path(source: Source, path: str) -> Dataset:
    if source.name in CATALOG:
        raise DataError(
            f"data source '{source.name}': the name belongs to the catalog, but a path is given "
            f"({path}). Choose another name for your own files."
        )
    is_web = path.startswith(("http://", "https://"))
    is_video = source.kind == "video" or (source.kind is None and _is_video(path))
    kind: Kind = "video" if is_video else "images"
    return Dataset(
        name=source.name,
        kind=kind,
        licence="not stated",
        homepage=path.partition("#")[0] if is_web else "",
        origin=_remote(source.name, path) if is_web else _local(source, path, kind),
        sequences=source.kind == "frames",
        sides=Sides() if source.lr else None,
    )


def _local(source: Source, path: str, kind: Kind) -> Local:
    if source.lr and (kind == "video" or not Path(path).expanduser().is_dir()):
        raise DataError(
            f"data source '{source.name}': `lr` goes with a folder of pictures in `path` (frames "
            f"of videos: a folder for each clip and kind: frames), found {path}."
        )
    return Local(path=Path(path), lr=Path(source.lr) if source.lr else None)


def _is_video(path: str) -> bool:
    return urlsplit(path).path.lower().endswith(VIDEO_SUFFIXES)


def _remote(name: str, address: str) -> Remote:
    url, _, fragment = address.partition("#")
    match = re.fullmatch(r"sha256=([0-9a-fA-F]{64})", fragment)
    if match is None:
        raise DataError(
            f"data source '{name}': {url} carries no checksum. "
            "Accepted: the address followed by #sha256=<64 hexadecimal digits>."
        )
    last = PurePosixPath(unquote(urlsplit(url).path)).name
    file = re.sub(r"[^A-Za-z0-9._-]", "_", last).lstrip("._-") or name
    found = RemoteFile(file=file, urls=(url,), checksum=f"sha256:{match.group(1).lower()}")
    return Remote(files=(found,))
