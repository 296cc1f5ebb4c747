"""Find the files a data set consists of, where they can be copied from, and their splits."""

import hashlib
import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from superres.data.catalog import IMAGE_SUFFIXES, VIDEO_SUFFIXES, Dataset, Download, Local, Package
from superres.data.download import download
from superres.data.sources import RawFile, RawSource, read_source
from superres.data.splits import SPLITS, Split, assign
from superres.errors import DataError


@dataclass(frozen=True)
class Wanted:
    """What data/raw/<name> must hold, and where each file can be copied from."""

    listing: RawSource
    paths: Mapping[str, Path]
    missing: str = ""  # why there may be no path


def locate(dataset: Dataset, folder: Path, staging: Path) -> Wanted:
    """List a data set's files; a download is unpacked into `staging` unless `folder` is right.

    Raises DataError for a missing or empty folder, a download that fails or has another
    checksum, or a source that overlaps the folder fetch writes to.
    """
    if isinstance(dataset.origin, Package):
        return _packaged(dataset, dataset.origin)
    if isinstance(dataset.origin, Local):
        path = dataset.origin.path.expanduser()
        _refuse_overlap(dataset.name, path, folder.parent)
        return _listed(dataset, path, "local")
    origin = f"{dataset.origin.url}#sha256={dataset.origin.sha256}"
    return _known(dataset, folder, origin) or _downloaded(dataset, dataset.origin, staging)


def sha256_of(path: Path) -> str:
    """Return the hexadecimal sha256 of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def is_right(path: Path, sha256: str) -> bool:
    """Say whether the file is there with this content."""
    return path.is_file() and sha256_of(path) == sha256


def _packaged(dataset: Dataset, package: Package) -> Wanted:
    files = tuple(
        RawFile(item.file, item.sha256, item.split, _clip(dataset, item.file, is_single=True))
        for item in dataset.items
    )
    listing = _listing(dataset, files, f"package {package.name}")
    spec = importlib.util.find_spec(package.name)
    if spec is None or not spec.submodule_search_locations:
        cure = f"the Python package '{package.name}' that carries it is not installed"
        return Wanted(listing, {}, cure)
    inside = Path(spec.submodule_search_locations[0]) / package.folder
    return Wanted(listing, {item.file: inside / item.file for item in dataset.items})


def _known(dataset: Dataset, folder: Path, origin: str) -> Wanted | None:
    """Return the listing of an earlier download of the same address if it is still whole."""
    known = read_source(folder)
    if known is None or (known.origin, known.kind) != (origin, dataset.kind):
        return None
    if not all(is_right(folder / file.file, file.sha256) for file in known.files):
        return None
    paths = {file.file: folder / file.file for file in known.files}
    digests = {file.file: file.sha256 for file in known.files}
    return Wanted(_listing(dataset, _split(dataset, digests), origin), paths)


def _downloaded(dataset: Dataset, origin: Download, staging: Path) -> Wanted:
    folder = download(dataset, origin, staging)
    return _listed(dataset, folder, f"{origin.url}#sha256={origin.sha256}")


def _listed(dataset: Dataset, path: Path, origin: str) -> Wanted:
    paths = _scan(dataset, path)
    digests = {file: sha256_of(where) for file, where in paths.items()}
    is_single = path.is_file()
    return Wanted(_listing(dataset, _split(dataset, digests, is_single=is_single), origin), paths)


def _listing(dataset: Dataset, files: tuple[RawFile, ...], origin: str) -> RawSource:
    return RawSource(dataset.name, dataset.kind, dataset.licence, dataset.homepage, origin, files)


def _refuse_overlap(name: str, path: Path, target: Path) -> None:
    here, there = target.resolve(), path.resolve()
    if here == there or here in there.parents or there in here.parents:
        raise DataError(
            f"data source '{name}': its path {path} and {target}, which fetch fills, lie inside "
            "each other. Keep the originals elsewhere."
        )


def _scan(dataset: Dataset, path: Path) -> dict[str, Path]:
    """Return name below data/raw/<name> -> path for every accepted file, sorted by name."""
    accepted = ", ".join(dataset.suffixes)
    if path.is_file():
        found = {path.name: path}
    elif path.is_dir():
        found = {
            file.relative_to(path).as_posix(): file
            for file in sorted(path.rglob("*"))
            if file.is_file() and not _is_hidden(file.relative_to(path))
        }
    else:
        raise DataError(
            f"data source '{dataset.name}': {path} does not exist. "
            f"Accepted: a folder with files ending in {accepted}, or one such file."
        )
    taken = {name: file for name, file in found.items() if _has_suffix(name, dataset.suffixes)}
    if not taken:
        raise DataError(
            f"data source '{dataset.name}': {path} holds no file that is accepted as "
            f"{dataset.kind}, {len(found)} other files were found. Accepted: {accepted}."
            + _kind_hint(dataset, found)
        )
    return taken


def _kind_hint(dataset: Dataset, found: Mapping[str, Path]) -> str:
    other, suffixes = (
        ("images", IMAGE_SUFFIXES) if dataset.kind == "video" else ("video", VIDEO_SUFFIXES)
    )
    is_other = any(_has_suffix(name, suffixes) for name in found)
    return f" For these files say `kind: {other}` in params.yaml." if is_other else ""


def _has_suffix(name: str, suffixes: tuple[str, ...]) -> bool:
    return name.lower().endswith(suffixes)


def _is_hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def _split(
    dataset: Dataset, digests: Mapping[str, str], *, is_single: bool = False
) -> tuple[RawFile, ...]:
    """Give each file its split: the forced one, else that of its folder, else by content."""
    splits: Mapping[str, Split] = _by_folder(dataset, digests) or assign(digests)
    if dataset.split is not None:
        splits = dict.fromkeys(digests, dataset.split)
    return tuple(
        RawFile(file, digest, splits[file], _clip(dataset, file, is_single=is_single))
        for file, digest in sorted(digests.items())
    )


def _by_folder(dataset: Dataset, digests: Mapping[str, str]) -> dict[str, Split]:
    """Return the splits named by top folders train/val/test; nothing where there are none."""
    splits: dict[str, Split] = {
        file: split for file in digests for split in SPLITS if file.startswith(f"{split}/")
    }
    outside = sorted(digests.keys() - splits.keys())
    if splits and outside and dataset.split is None:
        raise DataError(
            f"data source '{dataset.name}' has train/val/test folders, but also files outside "
            f"them: {', '.join(outside[:5])}. Move these into one of the folders."
        )
    return splits


def _clip(dataset: Dataset, file: str, *, is_single: bool) -> str | None:
    """Return the clip a video is: the data set's name, below it the file's when it is a folder."""
    if dataset.kind != "video":
        return None
    return dataset.name if is_single else f"{dataset.name}/{file}"
