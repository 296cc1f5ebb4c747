"""The splits the five reports used, as data and one function; see docs/data.md for the facts."""

import hashlib
from collections.abc import Callable, Mapping
from fnmatch import fnmatchcase
from typing import Annotated

from pydantic import Field

from superres.config.schema import Frozen
from superres.data.splits import Split

Count = Annotated[int, Field(ge=1)]


class Protocol(Frozen):
    """Which files of a data set a report took, and which of them trained; read from the top."""

    of: Split | None = None  # only this split of the authors
    only: tuple[str, ...] = ("*",)  # only files of these patterns; * also stands for /
    first: Count | None = None  # only so many, in the order of their names
    train_share: Annotated[float | None, Field(gt=0, lt=1)] = None  # of the clips; others: val
    train_first: Count | None = None  # so many train, the others of `of` validate
    split: Split | None = None  # all that is left goes there


def apply(
    protocol: Protocol, official: Mapping[str, Split], clip_of: Callable[[str], str]
) -> dict[str, Split]:
    """Return file -> split for the files the report took, given the authors' splits.

    `clip_of` names the clip a file belongs to: no clip has frames on both sides.
    """
    names = [
        name
        for name in sorted(official)
        if protocol.of in (None, official[name])
        and any(fnmatchcase(name, pattern) for pattern in protocol.only)
    ][: protocol.first]
    if protocol.train_share is not None:
        return _by_clip(names, clip_of, protocol.train_share)
    if protocol.train_first is not None:
        train = set(names[: protocol.train_first])
        return {name: "train" if name in train else "val" for name in names}
    return {name: protocol.split or official[name] for name in names}


def _by_clip(
    names: list[str], clip_of: Callable[[str], str], train_share: float
) -> dict[str, Split]:
    """Shuffle the clips by the hash of their names; the first `train_share` of them train."""
    clips = sorted({clip_of(name) for name in names}, key=_shuffled)
    train = set(clips[: int(len(clips) * train_share + 1e-9)])
    return {name: "train" if clip_of(name) in train else "val" for name in names}


def _shuffled(clip: str) -> str:
    return hashlib.sha256(clip.encode("utf-8")).hexdigest()
