"""Find the files a data set consists of, and where they can be copied from."""

import hashlib
import importlib.util
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from superres.data.dataset import Dataset, Local, Package, Remote, Sides
from superres.data.download_sets import Places, gather
from superres.data.listing import Wanted, clip_of, listing, scan, with_splits
from superres.data.protocols import apply
from superres.data.sources import RawFile, read_source
from superres.data.splits import Split, official, read_list
from superres.errors import DataError


def locate(dataset: Dataset, folder: Path, staging: Path, places: Places) -> Wanted:
    """List a data set's files; a download is unpacked into `staging` unless `folder` is right.

    Raises DataError for a missing or empty folder, a download that fails or has another
    checksum, files that only a person can bring, or a source that overlaps fetch's folder.
    """
    if isinstance(dataset.origin, Package):
        return _packaged(dataset, dataset.origin)
    if isinstance(dataset.origin, Local):
        return _local(dataset, dataset.origin, folder)
    if not dataset.origin.files:
        return _placed(dataset, places.by_hand(dataset))
    return known(dataset, folder) or _downloaded(dataset, dataset.origin, folder, (staging, places))


def sha256_of(path: Path) -> str:
    """Return the hexadecimal sha256 of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def is_right(path: Path, sha256: str) -> bool:
    """Say whether the file is there with this content."""
    return path.is_file() and sha256_of(path) == sha256


def _packaged(dataset: Dataset, package: Package) -> Wanted:
    files = tuple(
        RawFile(item.file, item.sha256, item.split, clip_of(dataset, item.file, is_single=True))
        for item in dataset.items
    )
    listed = listing(dataset, files, describe(dataset))
    spec = importlib.util.find_spec(package.package)
    if spec is None or not spec.submodule_search_locations:
        cure = f"the Python package '{package.package}' that carries it is not installed"
        return Wanted(listed, {}, cure)
    inside = Path(spec.submodule_search_locations[0]) / package.folder
    return Wanted(listed, {item.file: inside / item.file for item in dataset.items})


def known(dataset: Dataset, folder: Path, *, checked: bool = True) -> Wanted | None:
    """Return the listing of an earlier download of the same files if it is still whole.

    Without `checked` the files only have to be there.
    """
    before = read_source(folder)
    if before is None or (before.origin, before.kind) != (describe(dataset), dataset.kind):
        return None
    for file in before.files:
        path = folder / file.file
        if not (is_right(path, file.sha256) if checked else path.is_file()):
            return None
    paths = {file.file: folder / file.file for file in before.files}
    digests = {file.file: file.sha256 for file in before.files}
    theirs: dict[str, Split] = {}
    if dataset.rules:
        theirs = {file.file: file.official or file.split for file in before.files}
    files = with_splits(dataset, digests, theirs=theirs)
    return Wanted(listing(dataset, files, before.origin, before.archives), paths, is_in_place=True)


def describe(dataset: Dataset) -> str:
    """Say where a download is from and which part of it; the same words mean the same files."""
    origin = dataset.origin
    if not isinstance(origin, Remote):
        return "local" if isinstance(origin, Local) else f"package {origin.package}"
    if not dataset.title:  # an address of params.yaml
        return f"{origin.files[0].urls[0]}#{(origin.files[0].checksum or '').replace(':', '=')}"
    asked = dataset.selection.model_dump(exclude_defaults=True)
    words = [f"catalog:{dataset.shelf}"]
    words += [f"{key} {value}" for key, value in asked.items()]
    words += [f"{file.file} {file.checksum or 'no published checksum'}" for file in origin.files]
    return ", ".join(words)


def _downloaded(
    dataset: Dataset, origin: Remote, folder: Path, where: tuple[Path, Places]
) -> Wanted:
    staging, places = where
    came = gather(dataset, origin, staging, places)
    _refuse_other(dataset, folder, came)
    paths = scan(dataset, staging)
    theirs = _official(dataset, list(paths), staging)
    paths = {file: path for file, path in paths.items() if not dataset.rules or file in theirs}
    if not paths:
        raise DataError(
            f"data source '{dataset.name}': nothing of what came is wanted; check the selection "
            "in params.yaml."
        )
    digests = {file: sha256_of(path) for file, path in paths.items()}
    files = with_splits(dataset, digests, theirs=theirs)
    # Only what nobody vouches for is remembered; the rest is in the origin.
    unsure = {one.file for one in origin.files if one.checksum is None}
    archives = {file: digest for file, digest in sorted(came.items()) if file in unsure}
    listed = listing(dataset, files, describe(dataset), archives)
    return Wanted(listed, paths, may_move=True)


def _refuse_other(dataset: Dataset, folder: Path, came: Mapping[str, str]) -> None:
    """What has no published checksum must stay what it was when it came first."""
    before = read_source(folder)
    for file, digest in came.items():
        expected = before.archives.get(file, digest) if before else digest
        if digest != expected:
            raise DataError(
                f"{file} of data source '{dataset.name}': wrong checksum, expected sha256 "
                f"{expected} as at the first download, found {digest}. To accept the new "
                f"version, delete {folder}."
            )


def _official(dataset: Dataset, files: Sequence[str], staging: Path) -> dict[str, Split]:
    """Return the split of every wanted file: the authors', or that of the chosen report."""
    matches = [
        (rule.match, rule.split)
        for rule in dataset.rules
        if rule.match is not None and rule.split is not None
    ]
    listed: dict[str, Split] = {}
    texts = [path for path in sorted(staging.rglob("*")) if path.is_file()]
    for rule in (rule for rule in dataset.rules if rule.names is not None):
        for path in texts:
            if fnmatchcase(path.relative_to(staging).as_posix(), rule.names or ""):
                listed |= read_list(path.read_text(encoding="utf-8"), rule.split)
    theirs = official(files, matches, listed)
    if dataset.protocol is None:
        return theirs
    return apply(dataset.protocol, theirs, lambda file: file.rpartition("/")[0])


def _placed(dataset: Dataset, path: Path) -> Wanted:
    """List a folder that a person has filled."""
    paths = scan(dataset, path)
    digests = {file: sha256_of(where) for file, where in paths.items()}
    files = with_splits(dataset, digests, theirs=_official(dataset, list(paths), path))
    return Wanted(listing(dataset, files, "placed by hand"), paths)


def _local(dataset: Dataset, origin: Local, folder: Path) -> Wanted:
    path = origin.path.expanduser()
    _refuse_overlap(dataset.name, path, folder.parent, ", which fetch fills,")
    paths = scan(dataset, path)
    if origin.lr is not None:
        lr = origin.lr.expanduser()
        _refuse_overlap(dataset.name, lr, folder.parent, ", which fetch fills,")
        _refuse_overlap(dataset.name, lr, path, ", the HR side,")
        side = (dataset.sides or Sides()).lr
        paths |= {f"{side}/{name}": file for name, file in scan(dataset, lr).items()}
    digests = {file: sha256_of(where) for file, where in paths.items()}
    files = with_splits(dataset, digests, is_single=path.is_file())
    return Wanted(listing(dataset, files, "local"), paths)


def _refuse_overlap(name: str, path: Path, other: Path, role: str) -> None:
    here, there = other.resolve(), path.resolve()
    if here == there or here in there.parents or there in here.parents:
        raise DataError(
            f"data source '{name}': its path {path} and {other}{role} lie inside each other. Keep "
            "the originals elsewhere."
        )
