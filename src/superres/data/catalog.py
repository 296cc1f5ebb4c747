"""Where each data set is, its licence, its checksums and its splits; nothing is read here.

A new data set is one more entry of CATALOG: an origin (a folder of an installed package, a web
address with its sha256, a local path) and, where the split is fixed, its files. Files without
a fixed split are split by content (see `superres.data.splits`), or by train/val/test folders.
"""

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from superres.config import Source
from superres.data.sources import Kind
from superres.data.splits import Split
from superres.errors import DataError

IMAGE_SUFFIXES: Final = (".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")
VIDEO_SUFFIXES: Final = (".avi", ".m4v", ".mkv", ".mov", ".mp4", ".webm")
ARCHIVE_SUFFIXES: Final = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")


@dataclass(frozen=True)
class Package:
    """Files inside an installed Python package, found without importing it."""

    name: str
    folder: str


@dataclass(frozen=True)
class Local:
    """A folder or a file of this machine."""

    path: Path


@dataclass(frozen=True)
class Download:
    """A file or archive on the web; the address is not trusted, the sha256 is."""

    url: str
    sha256: str


@dataclass(frozen=True)
class Item:
    """One file with a fixed place in the splits."""

    file: str
    sha256: str
    split: Split


@dataclass(frozen=True)
class Dataset:
    """What `fetch` has to bring: `items` are all of it, or empty where the origin decides."""

    name: str
    kind: Kind
    licence: str
    homepage: str
    origin: Package | Local | Download
    items: tuple[Item, ...] = ()
    split: Split | None = None  # every file goes there

    @property
    def suffixes(self) -> tuple[str, ...]:
        """File name endings this data set takes, in lower case."""
        return VIDEO_SUFFIXES if self.kind == "video" else IMAGE_SUFFIXES


PHOTOGRAPHS: Final = Dataset(
    name="photographs",
    kind="images",
    licence="public domain or CC0 (astronaut, hubble: NASA; rocket: SpaceX; chelsea, coffee, "
    "retina: CC0); ihc: no known restrictions; motorcycle: Middlebury 2014 stereo set, "
    "no licence stated",
    homepage="https://scikit-image.org/docs/stable/api/skimage.data.html",
    origin=Package("skimage", "data"),
    items=(
        Item(
            "astronaut.png",
            "88431cd9653ccd539741b555fb0a46b61558b301d4110412b5bc28b5e3ea6cb5",
            "val",
        ),
        Item(
            "hubble_deep_field.jpg",
            "3a19c5dd8a927a9334bb1229a6d63711b1c0c767fb27e2286e7c84a3e2c2f5f4",
            "train",
        ),
        Item(
            "ihc.png",
            "f8dd1aa387ddd1f49d8ad13b50921b237df8e9b262606d258770687b0ef93cef",
            "train",
        ),
        # One scene seen by two cameras: both sides of a pair belong to one split.
        Item(
            "motorcycle_left.png",
            "db18e9c4157617403c3537a6ba355dfeafe9a7eabb6b9b94cb33f6525dd49179",
            "train",
        ),
        Item(
            "motorcycle_right.png",
            "5fc913ae870e42a4b662314bc904d1786bcad8e2f0b9b67dba5a229406357797",
            "train",
        ),
        Item(
            "retina.jpg",
            "38a07f36f27f095e818aea7b96d34202c05176d30253c66733f2e00379e9e0e6",
            "train",
        ),
        Item(
            "rocket.jpg",
            "c2dd0de7c538df8d111e479619b129464d0269d0ae5fd18ca91d33a7fdfea95c",
            "train",
        ),
        Item(
            "chelsea.png",
            "596aa1e7cb875eb79f437e310381d26b338a81c2da23439704a73c4651e8c4bb",
            "test",
        ),
        Item(
            "coffee.png",
            "cc02f8ca188b167c775a7101b5d767d1e71792cf762c33d6fa15a4599b5a8de7",
            "test",
        ),
    ),
)

WORLD_CLIP: Final = Dataset(
    name="world-clip",
    kind="video",
    licence="shipped inside gradio (Apache-2.0); terms of the footage itself not stated",
    homepage="https://github.com/gradio-app/gradio",
    origin=Package("gradio", "media_assets/videos"),
    items=(
        Item(
            "world.mp4",
            "71944d7430c461f0cd6e7fd10cee7eb72786352a3678fc7bc0ae3d410f72aece",
            "test",
        ),
    ),
)

CATALOG: Final[dict[str, Dataset]] = {entry.name: entry for entry in (PHOTOGRAPHS, WORLD_CLIP)}


def resolve(source: Source) -> Dataset:
    """Return the data set a source of params.yaml means: the catalog's, or that of its path.

    Raises DataError for an unknown name without a path, a web address without a checksum, or a
    kind that contradicts the catalog.
    """
    path = source.path
    dataset = _from_catalog(source) if path is None else _from_path(source, path)
    if source.split == "auto":
        return dataset
    forced = tuple(replace(item, split=source.split) for item in dataset.items)
    return replace(dataset, items=forced, split=source.split)


def _from_catalog(source: Source) -> Dataset:
    dataset = CATALOG.get(source.name)
    if dataset is None:
        raise DataError(
            f"data source '{source.name}': not in the catalog and no path given. "
            f"Known: {', '.join(sorted(CATALOG))}; or add `path:` with a folder of images, "
            "a video or https://...#sha256=... in params.yaml."
        )
    if source.kind not in (None, dataset.kind):
        raise DataError(
            f"data source '{source.name}': kind is '{source.kind}' in params.yaml, "
            f"but this data set holds '{dataset.kind}'. Leave `kind` out."
        )
    return dataset


def _from_path(source: Source, path: str) -> Dataset:
    if source.name in CATALOG:
        raise DataError(
            f"data source '{source.name}': the name belongs to the catalog, but a path is given "
            f"({path}). Choose another name for your own files."
        )
    is_web = path.startswith(("http://", "https://"))
    return Dataset(
        name=source.name,
        kind=source.kind or ("video" if _is_video(path) else "images"),
        licence="not stated",
        homepage=_download(source.name, path).url if is_web else "",
        origin=_download(source.name, path) if is_web else Local(Path(path)),
    )


def _is_video(path: str) -> bool:
    return urlsplit(path).path.lower().endswith(VIDEO_SUFFIXES)


def _download(name: str, address: str) -> Download:
    url, _, fragment = address.partition("#")
    match = re.fullmatch(r"sha256=([0-9a-fA-F]{64})", fragment)
    if match is None:
        raise DataError(
            f"data source '{name}': {url} carries no checksum. "
            "Accepted: the address followed by #sha256=<64 hexadecimal digits>."
        )
    return Download(url, match.group(1).lower())
