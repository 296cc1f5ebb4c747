"""Which picture trains, which validates, which tests: decided by content, not by name or order."""

from collections.abc import Mapping
from typing import Final, Literal

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
