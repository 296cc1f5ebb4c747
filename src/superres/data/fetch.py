"""Bring every data set of params.yaml to data/raw: verified, whole, and never edited again."""

import hashlib
import logging
import shutil
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from superres.atomic import partial_name
from superres.config import Source
from superres.data.archives import DEFAULT_LIMITS, ArchiveLimits
from superres.data.catalog import resolve
from superres.data.dataset import Dataset, Remote
from superres.data.download_http import DEFAULT, Transfer
from superres.data.download_plan import require_all
from superres.data.download_sets import Places
from superres.data.listing import Wanted
from superres.data.one_at_a_time import only_one
from superres.data.origins import is_right, locate
from superres.data.sources import SOURCE_FILE, RawFile, RawSource, write_source
from superres.errors import DataError

logger = logging.getLogger(__name__)

CHUNK: Final = 1 << 20


@dataclass(frozen=True)
class FetchReport:
    """What one fetch did; file names are relative to data/raw."""

    sources: tuple[RawSource, ...]
    written: tuple[str, ...]
    removed: tuple[str, ...]
    bytes: int  # all that is now in data/raw

    @property
    def files(self) -> int:
        """How many files the data sets have together."""
        return sum(len(source.files) for source in self.sources)


@dataclass(frozen=True)
class FetchOptions:
    """How patient a download is, what an archive may hold, and which folders are used."""

    transfer: Transfer = DEFAULT
    limits: ArchiveLimits = DEFAULT_LIMITS
    downloads: Path | None = None  # unfinished downloads; None: `downloads` beside the target
    manual: Path | None = None  # files placed by hand; None: `manual` beside the target
    keep_archives: bool = False

    def places(self, target: Path) -> Places:
        """Return the folders that belong to `target`."""
        return Places(
            downloads=self.downloads or target.parent / "downloads",
            manual=self.manual or target.parent / "manual",
            transfer=self.transfer,
            limits=self.limits,
            keep_archives=self.keep_archives,
        )


def fetch(
    sources: Sequence[Source],
    target: Path = Path("data/raw"),
    options: FetchOptions = FetchOptions(),
) -> FetchReport:
    """Make `target` hold exactly the data sets of `sources`, each in a folder of its name.

    Files that are already right are left untouched, wrong or missing ones are replaced, files
    no longer listed are removed, and <name>/source.json says what is there. Running it again
    after a kill repairs what was left undone; a download goes on where it stopped.

    Raises DataError naming the file with expected and found sha256, the folder without any
    accepted file, what must be placed by hand, a disk that is too small (before anything
    starts), something in `target` that no fetch has put there, or another fetch at work on it.
    """
    datasets = [resolve(source) for source in sources]
    _refuse_strangers(target, {dataset.name for dataset in datasets})
    places = options.places(target)
    is_remote = any(isinstance(dataset.origin, Remote) for dataset in datasets)
    with ExitStack() as stack:
        # Two targets may share the downloads.
        for folder in (target, places.downloads) if is_remote else (target,):
            lock = folder.with_name(f".{folder.name}.lock")
            stack.enter_context(only_one(lock, f"fetches into {folder}"))
        return _fetch(sources, datasets, target, places)


def _fetch(
    sources: Sequence[Source], datasets: Sequence[Dataset], target: Path, places: Places
) -> FetchReport:
    names = {dataset.name for dataset in datasets}
    if any(isinstance(dataset.origin, Remote) for dataset in datasets):
        require_all(sources, target, places)
    listings: list[RawSource] = []
    written: list[str] = []
    removed = _remove_folders(target, names)
    for dataset in datasets:
        folder = target / dataset.name
        staging = partial_name(folder)
        try:
            wanted = locate(dataset, folder, staging, places)
            removed += _remove_unlisted(folder, wanted.listing)
            written += _bring(folder, wanted)
        finally:
            shutil.rmtree(staging, ignore_errors=True)
        listings.append(wanted.listing)
    for dataset in datasets:  # only now: two sources may be parts of one archive
        places.forget(dataset)
    size = sum(path.stat().st_size for path in target.rglob("*") if path.is_file())
    return FetchReport(tuple(listings), tuple(written), tuple(removed), size)


def _refuse_strangers(target: Path, names: set[str]) -> None:
    """Stop before deleting what somebody put into data/raw by hand."""
    strangers = [
        path.name
        for path in (sorted(target.iterdir()) if target.is_dir() else [])
        if path.name not in names
        and not path.name.startswith(".")  # leftovers, .gitignore, .DS_Store
        and not (path / SOURCE_FILE).is_file()
    ]
    if strangers:
        raise DataError(
            f"{target} belongs to fetch, but holds {', '.join(strangers[:5])}, which fetch has "
            "not put there. Move it elsewhere and name it in params.yaml as a source with a path."
        )


def _is_leftover(path: Path) -> bool:
    return path.name.startswith(".") and path.name.endswith(".partial")


def _remove_folders(target: Path, names: set[str]) -> list[str]:
    removed = []
    for path in sorted(target.iterdir()) if target.is_dir() else []:
        if _is_leftover(path) and path.is_dir():
            shutil.rmtree(path)
        elif path.name not in names and (path / SOURCE_FILE).is_file():
            shutil.rmtree(path)
            logger.info("removed %s: no longer among the sources", path)
            removed.append(path.name)
    return removed


def _remove_unlisted(folder: Path, listing: RawSource) -> list[str]:
    """Remove files the listing does not name, leftovers of a killed fetch among them."""
    listed = {folder / file.file for file in listing.files} | {folder / SOURCE_FILE}
    removed = []
    for path in sorted(folder.rglob("*"), reverse=True):
        if path.is_dir() and not path.is_symlink():
            if not any(path.iterdir()):
                path.rmdir()
        elif path not in listed:
            path.unlink()
            if not _is_leftover(path):
                logger.warning("removed %s: not part of data set '%s'", path, listing.name)
                removed.append(f"{folder.name}/{path.relative_to(folder).as_posix()}")
    return removed


def _bring(folder: Path, wanted: Wanted) -> list[str]:
    """Copy what is missing or wrong; return the names written."""
    folder.mkdir(parents=True, exist_ok=True)
    # The listing goes first: what a killed fetch leaves is then recognised as fetch's own.
    write_source(folder, wanted.listing)
    if wanted.is_in_place:
        return []
    written = []
    for file in wanted.listing.files:
        if not is_right(folder / file.file, file.sha256):
            if wanted.may_move:
                _move(wanted.paths[file.file], folder / file.file)
            else:
                _copy(folder, file, wanted)
            written.append(f"{folder.name}/{file.file}")
    return written


def _move(path: Path, place: Path) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    path.replace(place)


def _copy(folder: Path, file: RawFile, wanted: Wanted) -> None:
    origin = wanted.paths.get(file.file)
    label = f"{file.file} of data source '{wanted.listing.name}'"
    if origin is None or not origin.is_file():
        reason = wanted.missing or f"{origin} does not exist"
        raise DataError(f"{label}: {reason}.")
    path = folder / file.file
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = partial_name(path)
    digest = hashlib.sha256()
    with origin.open("rb") as source, temporary.open("wb") as out:
        while chunk := source.read(CHUNK):
            digest.update(chunk)
            out.write(chunk)
    if digest.hexdigest() != file.sha256:
        temporary.unlink()
        raise DataError(
            f"{label}: wrong checksum, expected sha256 {file.sha256}, "
            f"found {digest.hexdigest()} in {origin}."
        )
    temporary.replace(path)
