"""Extract ordered frames of every fetched video, with their moments and scenes."""

import logging
import os
import shutil
from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from superres import images, video
from superres.atomic import replaced_folder
from superres.config import Source
from superres.data.clips import Bad, FrameRow, write_frames
from superres.data.origins import is_right
from superres.data.scenes import CutFinder
from superres.data.sources import VERIFY, read_sources
from superres.errors import DataError, InputError

logger = logging.getLogger(__name__)

MIN_DEVIATION: Final = 2.0  # grey levels; a fade to black teaches nothing and tests nothing
AHEAD: Final = 4  # frames waiting to be compressed


@dataclass(frozen=True)
class FramesReport:
    """What one extraction made."""

    frames: dict[str, int]  # by clip
    scenes: dict[str, int]  # by clip
    quarantined: tuple[Bad, ...]


@dataclass(frozen=True)
class _Clip:
    """A fetched video and which of its frames are wanted."""

    name: str
    video: Path
    raw_name: str
    options: Source


def extract(raw: Path, target: Path, sources: Sequence[Source]) -> FramesReport:
    """Replace `target` by PNG frames of every video in `raw`, and frames.csv.

    Of each clip `first` frames are skipped, then every `every`-th is kept, at most `max_frames`;
    frames of a single colour are left out. A PNG is named after the frame's number in the video.
    A video that is none or gives no frame is listed in quarantine.csv with the reason; of a
    truncated one the whole frames are kept. Scenes are counted at hard cuts, see `CutFinder`.

    Raises DataError when fetch has to run first; `target` then stays as it was.
    """
    rows: list[FrameRow] = []
    bad: list[Bad] = []
    with replaced_folder(target) as folder:
        for clip in _clips(raw, {source.name: source for source in sources}):
            try:
                rows += _extract_clip(clip, folder)
            except InputError as error:
                shutil.rmtree(folder / clip.name)
                bad.append(Bad(clip.raw_name, str(error).removeprefix(f"{clip.video}: ")))
        write_frames(folder, rows, bad)
    return FramesReport(
        frames=dict(Counter(row.clip for row in rows)),
        scenes={
            clip: len({row.scene for row in rows if row.clip == clip}) for clip in _names(rows)
        },
        quarantined=tuple(bad),
    )


def _names(rows: Sequence[FrameRow]) -> list[str]:
    return list(dict.fromkeys(row.clip for row in rows))


def _clips(raw: Path, wanted: Mapping[str, Source]) -> Iterator[_Clip]:
    for source in read_sources(raw):
        if source.name not in wanted:
            raise DataError(
                f"{raw / source.name} is no source of params.yaml. Run `superres fetch` first."
            )
        for file in source.files if source.kind == "video" else ():
            path = raw / source.name / file.file
            if not is_right(path, file.sha256):
                raise DataError(f"{path}: not the content that was fetched. {VERIFY}")
            name = file.clip or source.name
            yield _Clip(name, path, f"{source.name}/{file.file}", wanted[source.name])


def _extract_clip(clip: _Clip, folder: Path) -> list[FrameRow]:
    """Write the clip's frames below `folder`; InputError when there is none to keep."""
    (folder / clip.name).mkdir(parents=True)
    rows = []
    waiting: deque[Future[None]] = deque()
    with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
        for row, pixels in _chosen(clip):
            waiting.append(pool.submit(_write_png, folder / row.file, pixels))
            rows.append(row)
            if len(waiting) > AHEAD:
                waiting.popleft().result()
        for write in waiting:
            write.result()
    if not rows:
        raise InputError(
            f"no frame to keep after skipping {clip.options.first}: the video is too short, or "
            "its frames show a single colour",
            code="no_frames",
        )
    return rows


def _chosen(clip: _Clip) -> Iterator[tuple[FrameRow, NDArray[np.uint8]]]:
    """Decode up to the last frame needed and yield the kept ones."""
    cuts = CutFinder()
    options = clip.options
    scene = kept = 0
    for frame in video.read(clip.video):
        scene += cuts.is_cut(frame.pixels)
        number = frame.index - options.first
        if number < 0 or number % options.every or _is_blank(frame.pixels):
            continue
        file = f"{clip.name}/{frame.index:06d}.png"
        yield FrameRow(clip.name, frame.index, frame.seconds, file, scene), frame.pixels
        kept += 1
        if kept == options.max_frames:
            return


def _is_blank(pixels: NDArray[np.uint8]) -> bool:
    samples = pixels[::4, ::4].reshape(-1, 3)
    return float(samples.std(axis=0).max()) < MIN_DEVIATION


def _write_png(path: Path, pixels: NDArray[np.uint8]) -> None:
    path.write_bytes(images.encode(images.Picture(pixels), "PNG"))
