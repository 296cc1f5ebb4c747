"""What `superres frames` leaves beside its PNG files.

frames.csv      every kept frame, with the clip, moment and scene it is from
clips.csv       every video that gave frames, with what is particular about it
quarantine.csv  every video that gave none, with the reason
"""

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass, fields, replace
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from superres.data.manifest import QUARANTINE, write_csv
from superres.errors import DataError

FRAMES: Final = "frames.csv"
CLIPS: Final = "clips.csv"


@dataclass(frozen=True)
class FrameRow:
    """One extracted frame."""

    clip: str  # the video's, or VIDEO/<number of the first frame> of a group
    index: int  # of the frame in its video, from 0
    seconds: float  # since the start of the video
    file: str  # below data/frames, with forward slashes
    scene: int  # from 0; counts the cuts before this frame


Shot = tuple[FrameRow, NDArray[np.uint8]]  # a frame and its pixels, (H, W, 3) RGB


@dataclass(frozen=True)
class ClipRow:
    """One video as it is stored; its frames were turned upright and brought to 8 bits."""

    clip: str
    width: int  # of a frame, upright
    height: int
    fps: str  # average rate, a fraction as 30000/1001
    codec: str
    bit_depth: int
    rotation: int  # degrees counterclockwise that the frames were turned
    interlaced: bool  # two moments in one frame, line by line: left as they are
    streams: int  # of video in the file; the one marked as default was taken, else the first
    decoded: int  # frames, up to the last one wanted
    kept: int
    scenes: int  # among the kept frames
    uneven: bool  # the time between two frames varies by more than a tenth
    missing: str  # what a damaged or truncated file lacks; empty: nothing


@dataclass(frozen=True)
class Bad:
    """A file that was left out, and why."""

    path: str
    reason: str


def write_frames(
    folder: Path,
    rows: Sequence[FrameRow],
    quarantined: Sequence[Bad],
    clips: Sequence[ClipRow] = (),
) -> None:
    """Write frames.csv, clips.csv and quarantine.csv."""
    cells = ([*astuple(row)[:2], f"{row.seconds:.6f}", row.file, row.scene] for row in rows)
    write_csv(folder / FRAMES, [field.name for field in fields(FrameRow)], cells)
    facts = ([_cell(value) for value in astuple(clip)] for clip in clips)
    write_csv(folder / CLIPS, [field.name for field in fields(ClipRow)], facts)
    write_quarantine(folder, quarantined)


def write_quarantine(folder: Path, quarantined: Sequence[Bad]) -> None:
    """Write quarantine.csv, with its header alone when every file was good."""
    write_csv(folder / QUARANTINE, ["path", "reason"], (astuple(bad) for bad in quarantined))


def read_quarantine(folder: Path) -> list[Bad]:
    """Return what quarantine.csv lists."""
    return [Bad(path, reason) for path, reason in _cells(folder / QUARANTINE)]


def read_frames(folder: Path) -> tuple[list[FrameRow], list[Bad]]:
    """Return the extracted frames and the videos that were left out.

    Raises DataError when either file is missing or damaged.
    """
    try:
        rows = [
            FrameRow(clip, int(index), float(seconds), file, int(scene))
            for clip, index, seconds, file, scene in _cells(folder / FRAMES)
        ]
        return rows, read_quarantine(folder)
    except FileNotFoundError as error:
        raise DataError(f"{error.filename}: no such file. Run `superres frames` first.") from None
    except ValueError as error:
        raise DataError(f"{folder}: damaged ({error}). Run `superres frames` again.") from None


def read_clips(folder: Path) -> list[ClipRow]:
    """Return the facts of every video that gave frames; DataError as `read_frames`."""
    readers: Mapping[Any, Callable[[str], Any]] = {str: str, int: int, bool: _truth}
    kinds = [readers[field.type] for field in fields(ClipRow)]
    try:
        return [
            ClipRow(*(kind(cell) for kind, cell in zip(kinds, cells, strict=True)))
            for cells in _cells(folder / CLIPS)
        ]
    except FileNotFoundError as error:
        raise DataError(f"{error.filename}: no such file. Run `superres frames` again.") from None
    except ValueError as error:
        raise DataError(f"{folder}: damaged ({error}). Run `superres frames` again.") from None


def windows(
    rows: Sequence[FrameRow], length: int, stride: int | None = None
) -> list[tuple[FrameRow, ...]]:
    """Return runs of `length` neighbouring frames, each inside one scene of one clip.

    Neighbours are frames that were kept one after the other at the clip's own step (1, or n where
    every n-th was kept); a frame left out between two ends a run. Windows begin `stride` frames
    apart (default: `length`, so that none overlap), counted anew in each run.
    """
    starts = stride or length
    return [
        tuple(run[first : first + length])
        for run in _runs(rows)
        for first in range(0, len(run) - length + 1, starts)
    ]


def whole_groups(
    shots: Iterable[Shot], length: int, stride: int, step: int
) -> Iterator[list[Shot]]:
    """Yield the windows of `windows` while a video is read, each under a clip name of its own.

    `step`: how many frames of the video lie between two kept ones. No more than one group is held
    in memory, so `stride` is at least `length`.
    """
    group: list[Shot] = []
    before: FrameRow | None = None
    place = 0  # in the run of neighbouring frames
    for row, pixels in shots:
        if before is None or row.scene != before.scene or row.index - before.index != step:
            group, place = [], 0
        if place % stride < length:
            group.append((row, pixels))
        if len(group) == length:
            name = f"{row.clip}/{group[0][0].index:06d}"
            yield [(replace(one, clip=name), held) for one, held in group]
            group = []
        before, place = row, place + 1


def septuplets(rows: Sequence[FrameRow], stride: int = 7) -> list[tuple[FrameRow, ...]]:
    """Return windows of 7 frames, as Vimeo-90K has them, see `windows`."""
    return windows(rows, 7, stride)


def _runs(rows: Sequence[FrameRow]) -> Iterator[list[FrameRow]]:
    """Yield maximal runs of neighbouring frames of a scene, in order."""
    ordered = sorted(rows, key=lambda row: (row.clip, row.index))
    for _, group in groupby(ordered, key=lambda row: row.clip):
        frames = list(group)
        step = min((b.index - a.index for a, b in pairwise(frames)), default=1)
        run = frames[:1]
        for before, row in pairwise(frames):
            if row.scene != before.scene or row.index - before.index != step:
                yield run
                run = []
            run.append(row)
        yield run


def _cell(value: object) -> object:
    return int(value) if isinstance(value, bool) else value


def _truth(text: str) -> bool:
    return bool(int(text))


def _cells(path: Path) -> list[list[str]]:
    text = path.read_text(encoding="utf-8")
    return list(csv.reader(io.StringIO(text, newline="")))[1:]
