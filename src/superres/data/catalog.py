"""What a data set is, and which one a source of params.yaml means; nothing is fetched here.

The entries are data: datasets.yaml beside this file. A source is a name of the catalog, a part
of one (`path: "catalog:imagenet?classes=n01440764&first=500"`), a folder or video of this
machine, or a web address with its sha256.
"""

import re
from pathlib import Path, PurePosixPath
from typing import Annotated, Final, Literal
from urllib.parse import parse_qs, unquote, urlsplit

from pydantic import Field

from superres.config import Source
from superres.config.schema import Frozen
from superres.data.catalog_file import read_entries
from superres.data.protocols import Protocol
from superres.data.sources import Kind
from superres.data.splits import Split
from superres.errors import DataError

IMAGE_SUFFIXES: Final = (".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")
VIDEO_SUFFIXES: Final = (".avi", ".m4v", ".mkv", ".mov", ".mp4", ".webm")
ARCHIVE_SUFFIXES: Final = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")

Bytes = Annotated[int, Field(ge=0)]


class Package(Frozen):
    """Files inside an installed Python package, found without importing it."""

    package: str
    folder: str


class Local(Frozen):
    """A folder or a file of this machine."""

    path: Path


class RemoteFile(Frozen):
    """A file or archive that is downloaded, or placed by hand where there are no `urls`."""

    file: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    urls: tuple[str, ...] = ()  # tried in this order
    size: Bytes | None = None
    checksum: Annotated[str | None, Field(pattern=r"^(sha256:[0-9a-f]{64}|md5:[0-9a-f]{32})$")] = (
        None  # as published; None: nobody publishes one
    )
    # auto: by suffix; nested: archives in the archive, one per class; stl10: raw pixels
    unpack: Literal["auto", "nested", "stl10"] = "auto"
    needed: bool = True


class Remote(Frozen):
    """Files on the web or placed by hand; without `files`, a folder filled by hand."""

    files: tuple[RemoteFile, ...] = ()
    at_least: int = 0  # of the files that are not `needed`


class Item(Frozen):
    """One file with a fixed place in the splits."""

    file: str
    sha256: str
    split: Split


class SplitRule(Frozen):
    """A split of its authors: `match` names files, `names` a text file that lists them."""

    match: str | None = None
    names: str | None = None
    split: Split | None = None  # None: each line of `names` ends with 0, 1 or 2


class Selection(Frozen):
    """The part of a data set that is wanted."""

    classes: tuple[str, ...] = ()  # top folders
    first: Annotated[int | None, Field(ge=1)] = None  # files, in the order of their names
    protocol: str | None = None  # the split of a report instead of the authors'


class Dataset(Frozen):
    """What `fetch` has to bring: `items` are all of it, or empty where the origin decides."""

    name: str
    entry: str = ""  # its name in the catalog, where `name` is another
    title: str = ""
    kind: Kind
    licence: str
    homepage: str
    holds: str = ""  # in words: how many pictures, how large
    origin: Package | Local | Remote
    unpacked: Bytes | None = None  # what it takes in data/raw, estimated
    place: str = ""  # how to get and place what cannot be downloaded
    items: tuple[Item, ...] = ()
    take: tuple[str, ...] = ("*",)  # patterns of members; * also stands for /
    leave: tuple[str, ...] = ()
    rules: tuple[SplitRule, ...] = ()
    sequences: bool = False  # every folder is a clip, its pictures the frames
    protocols: dict[str, Protocol] = Field(default_factory=dict)
    selection: Selection = Selection()
    split: Split | None = None  # every file goes there

    @property
    def suffixes(self) -> tuple[str, ...]:
        """File name endings this data set takes, in lower case."""
        return VIDEO_SUFFIXES if self.kind == "video" else IMAGE_SUFFIXES

    @property
    def shelf(self) -> str:
        """Folder name of what is downloaded or placed by hand."""
        return self.entry or self.name

    @property
    def protocol(self) -> Protocol | None:
        """The chosen protocol of a report."""
        name = self.selection.protocol
        return None if name is None else self.protocols[name]

    @property
    def is_automatic(self) -> bool:
        """Whether fetch gets all of it without anybody's help."""
        if not isinstance(self.origin, Remote):
            return True
        return bool(self.origin.files) and all(file.urls for file in self.origin.files)

    @property
    def size(self) -> int:
        """Known bytes of its archives, else of its files; 0 when unknown."""
        files = self.origin.files if isinstance(self.origin, Remote) else ()
        return sum(file.size or 0 for file in files) or self.unpacked or 0


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
    kind: Kind = "video" if _is_video(path) else "images"
    return Dataset(
        name=source.name,
        kind=source.kind or kind,
        licence="not stated",
        homepage=path.partition("#")[0] if is_web else "",
        origin=_remote(source.name, path) if is_web else Local(path=Path(path)),
    )


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
