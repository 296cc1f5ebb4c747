"""Which picture trains, which validates, which tests: decided by content, not by name or order."""

from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Final, Literal

from superres.errors import DataError

Split = Literal["train", "val", "test"]

SPLITS: Final[tuple[Split, ...]] = ("train", "val", "test")
TRAIN_SHARE: Final = 0.8
VAL_SHARE: Final = 0.1


def assign(digests: Mapping[str, str]) -> dict[str, Split]:
    """Return a split for each file, given file -> sha256 of its content.

    A file keeps its split when others are added or renamed, and equal files share one, since
    only the hash decides (80/10/10). Where chance leaves a split empty although there are
    enough different files, the file with the greatest hash of the fullest split moves there.
    """
    members: dict[Split, list[str]] = {split: [] for split in SPLITS}
    for digest in sorted(set(digests.values())):
        members[_by_hash(digest)].append(digest)
    wanted = SPLITS[: len(set(digests.values()))]
    for split in wanted:
        if not members[split]:
            givers = [name for name in SPLITS if len(members[name]) > (name in wanted)]
            fullest = max(givers, key=lambda name: len(members[name]))
            members[split].append(members[fullest].pop())
    split_of = {digest: split for split, all_of in members.items() for digest in all_of}
    return {file: split_of[digest] for file, digest in digests.items()}


def _by_hash(digest: str) -> Split:
    place = int(digest[:8], 16) / 2**32
    if place < TRAIN_SHARE:
        return "train"
    return "val" if place < TRAIN_SHARE + VAL_SHARE else "test"


def official(
    files: Iterable[str],
    matches: Sequence[tuple[str, Split]],
    listed: Mapping[str, Split],
) -> dict[str, Split]:
    """Return the authors' split of every file that has one.

    `matches` are (pattern, split), the first that fits decides, * also stands for /; `listed`
    maps what the authors' lists name, the end of a file's path or of its folder's, to a split.
    """
    found: dict[str, Split] = {}
    for file in files:
        by_list = (listed[end] for end in _endings(file) if end in listed)
        by_match = (split for pattern, split in matches if fnmatchcase(file, pattern))
        split = next(by_list, None) or next(by_match, None)
        if split is not None:
            found[file] = split
    return found


def read_list(text: str, split: Split | None) -> dict[str, Split]:
    """Read an authors' list: one name per line, or a name and 0, 1 or 2 where `split` is None.

    Raises DataError for a line that is neither.
    """
    found: dict[str, Split] = {}
    for line in filter(None, map(str.strip, text.splitlines())):
        name, _, number = (line, "", "") if split else line.rpartition(" ")
        place = split or {"0": SPLITS[0], "1": SPLITS[1], "2": SPLITS[2]}.get(number)
        if place is None:
            raise DataError(f"line '{line}' of a split list: expected a name and 0, 1 or 2.")
        found[name.strip()] = place
    return found


def _endings(file: str) -> list[str]:
    parts = file.split("/")
    tails = ["/".join(parts[start:]) for start in range(len(parts))]
    return tails + ["/".join(parts[start:-1]) for start in range(len(parts) - 1)]
