"""All files of one data set, from the web or from what was placed by hand, unpacked."""

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path

from superres.data.archives import DEFAULT_LIMITS, ArchiveLimits, NoRoomError, names_in, unpack
from superres.data.dataset import ARCHIVE_SUFFIXES, Dataset, Remote, RemoteFile
from superres.data.download import digests_of, download, is_expected
from superres.data.download_http import DEFAULT, Transfer
from superres.errors import DataError


@dataclass(frozen=True)
class Places:
    """Where unfinished downloads and files placed by hand are, and how to treat them."""

    downloads: Path
    manual: Path
    transfer: Transfer = DEFAULT
    limits: ArchiveLimits = DEFAULT_LIMITS
    keep_archives: bool = False

    def by_hand(self, dataset: Dataset) -> Path:
        """Return the folder somebody fills for a data set."""
        return self.manual / dataset.shelf

    def incoming(self, dataset: Dataset) -> Path:
        """Return the folder of a data set's downloads; it survives a kill."""
        return self.downloads / dataset.shelf

    def forget(self, dataset: Dataset) -> None:
        """Remove a data set's archives once data/raw is whole."""
        if not self.keep_archives:
            shutil.rmtree(self.incoming(dataset), ignore_errors=True)


class Picker:
    """Chooses the wanted files of archive after archive, until there are enough."""

    def __init__(self, dataset: Dataset) -> None:
        self.dataset = dataset
        protocol = dataset.protocol
        self._only = protocol.only if protocol else ("*",)
        limits = [dataset.selection.first]
        if protocol is not None and protocol.of is None:  # else the splits come first
            limits.append(protocol.first)
        self.left = min((limit for limit in limits if limit is not None), default=None)

    @property
    def is_full(self) -> bool:
        """Whether no further file is wanted."""
        return self.left == 0

    def pick(self, names: Sequence[str], prefix: str = "") -> list[str]:
        """Return the wanted ones among `names`, and the lists that tell the splits."""
        chosen = [name for name in sorted(names) if self.wants(prefix + name)][: self.left]
        if self.left is not None:
            self.left -= len(chosen)
        lists = [rule.names for rule in self.dataset.rules if rule.names is not None]
        return chosen + [
            name for name in names if any(fnmatchcase(name, pattern) for pattern in lists)
        ]

    def wants(self, name: str) -> bool:
        """Say whether a file is part of what is asked for, however many there are."""
        parts = name.split("/")
        classes = self.dataset.selection.classes
        return (
            name.lower().endswith(self.dataset.suffixes)
            and not any(part.startswith((".", "__MACOSX")) for part in parts)
            and (not classes or any(part in classes for part in parts[:-1]))
            and any(fnmatchcase(name, pattern) for pattern in self.dataset.take)
            and any(fnmatchcase(name, pattern) for pattern in self._only)
            and not any(fnmatchcase(name, pattern) for pattern in self.dataset.leave)
        )


def gather(dataset: Dataset, origin: Remote, staging: Path, places: Places) -> dict[str, str]:
    """Fill `staging` with the wanted files; return archive -> sha256 of what came.

    Raises DataError naming a wrong checksum or a refused archive.
    """
    by_hand = places.by_hand(dataset)
    picker = Picker(dataset)
    staging.mkdir(parents=True)
    came: dict[str, str] = {}
    for file in origin.files:
        placed = by_hand / file.file
        is_archive = file.file.lower().endswith(ARCHIVE_SUFFIXES)
        if (is_archive and picker.is_full) or not (placed.is_file() or file.urls):
            continue
        if placed.is_file():
            path = placed
            came[file.file] = _check_placed(file, placed)
        else:
            path = places.incoming(dataset) / file.file
            room = 0 if dataset.selection.first else dataset.unpacked or 0
            came[file.file] = download(file, path, places.transfer, room=room)
        try:
            _open_up(file, path, staging, picker, places.limits)
        except NoRoomError:
            raise
        except DataError:
            if path != placed and file.checksum is None:
                path.unlink()  # nobody vouches for it: the next run asks for it again
            raise
    return came


def missing_files(origin: Remote, by_hand: Path) -> list[RemoteFile]:
    """Return the files that only a person can bring and that are not placed yet."""
    absent = [
        file for file in origin.files if not file.urls and not (by_hand / file.file).is_file()
    ]
    present = len(origin.files) - len(absent)
    return [file for file in absent if file.needed or present < origin.at_least]


def told_missing(dataset: Dataset, places: Places) -> str | None:
    """Return what somebody has to place where before fetch can go on; None when all is there."""
    origin, by_hand = dataset.origin, places.by_hand(dataset)
    if not isinstance(origin, Remote):
        return None
    if not origin.files:
        wanted = None if by_hand.is_dir() else f"Missing: the folder {by_hand}"
    else:
        some = "at least one of " if origin.at_least else ""
        names = "; ".join(map(_named, missing_files(origin, by_hand)))
        wanted = f"Missing in {by_hand}: {some}{names}" if names else None
    if wanted is None:
        return None
    return (
        f"data source '{dataset.name}' cannot be downloaded by a program: {dataset.place}. "
        f"Home page: {dataset.homepage}. {wanted}."
    )


def _named(file: RemoteFile) -> str:
    count = file.size or 0
    size = f"{count / 1e9:.2f} GB" if count >= 1e9 else f"{count / 1e6:.1f} MB"
    return (
        file.file + (f" ({size})" if count else "") + (f" {file.checksum}" if file.checksum else "")
    )


def _check_placed(file: RemoteFile, path: Path) -> str:
    found = digests_of(path)
    if not is_expected(file, path, found):
        kind, _, expected = (file.checksum or ":").partition(":")
        raise DataError(
            f"{path}: wrong checksum, expected {kind} {expected} ({file.size or '?'} bytes), "
            f"found {found.get(kind)} ({path.stat().st_size} bytes). Copy it again."
        )
    return found["sha256"]


def _open_up(
    file: RemoteFile, path: Path, staging: Path, picker: Picker, limits: ArchiveLimits
) -> None:
    if not file.file.lower().endswith(ARCHIVE_SUFFIXES):
        shutil.copyfile(path, staging / file.file)
    elif file.unpack == "auto":
        unpack(path, staging, picker.pick, limits)
    elif file.unpack == "nested":
        _open_nested(path, staging, picker, limits)
    else:
        _open_stl10(path, staging, picker, limits)


def _only(name: str, _: Sequence[str]) -> list[str]:
    return [name]


def _open_nested(path: Path, staging: Path, picker: Picker, limits: ArchiveLimits) -> None:
    """Unpack an archive of archives, one per class; only the wanted classes, one at a time."""
    classes = picker.dataset.selection.classes
    for inner, stem in _inner_archives(path, limits):
        if picker.is_full or (classes and stem not in classes):
            continue
        aside = staging / ".inner"
        unpack(path, aside, partial(_only, inner), limits)
        prefix = f"{stem}/"
        unpack(
            aside / inner,
            staging / stem,
            partial(picker.pick, prefix=prefix),
            limits,
        )
        shutil.rmtree(aside)


def _inner_archives(path: Path, limits: ArchiveLimits) -> Iterator[tuple[str, str]]:
    for name in names_in(path, limits):
        if name.lower().endswith(ARCHIVE_SUFFIXES):
            yield name, Path(name).name.partition(".")[0]


def _open_stl10(path: Path, staging: Path, picker: Picker, limits: ArchiveLimits) -> None:
    from superres.data.archives_stl10 import bin_to_pictures

    members = names_in(path, limits)
    for part in ("train", "test", "unlabeled"):
        name = next((one for one in members if one.endswith(f"{part}_X.bin")), None)
        if name is None or picker.is_full or not picker.wants(f"{part}/000000.bmp"):
            continue
        aside = staging / ".inner"
        unpack(path, aside, partial(_only, name), limits)
        written = bin_to_pictures(aside / name, staging / part, picker.left)
        if picker.left is not None:
            picker.left -= len(written)
        shutil.rmtree(aside)
