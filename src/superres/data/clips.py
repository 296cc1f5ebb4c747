"""data/frames/frames.csv: every extracted frame, and the clip, moment and scene it is from."""

import csv
import io
from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import Final

from superres.data.manifest import QUARANTINE, write_csv
from superres.errors import DataError

FRAMES: Final = "frames.csv"


@dataclass(frozen=True)
class FrameRow:
    """One extracted frame."""

    clip: str
    index: int  # of the frame in its video, from 0
    seconds: float  # since the start of the video
    file: str  # below data/frames, with forward slashes
    scene: int  # from 0; counts the cuts before this frame


@dataclass(frozen=True)
class Bad:
    """A file that was left out, and why."""

    path: str
    reason: str


def write_frames(folder: Path, rows: Sequence[FrameRow], quarantined: Sequence[Bad]) -> None:
    """Write frames.csv and quarantine.csv."""
    cells = ([*astuple(row)[:2], f"{row.seconds:.6f}", row.file, row.scene] for row in rows)
    write_csv(folder / FRAMES, [field.name for field in fields(FrameRow)], cells)
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


def _cells(path: Path) -> list[list[str]]:
    text = path.read_text(encoding="utf-8")
    return list(csv.reader(io.StringIO(text, newline="")))[1:]
