"""Extract ordered frames of every fetched video, with their moments, scenes and peculiarities."""

import logging
import os
import shutil
from collections import deque
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
from superres.data.clips import Bad, ClipRow, FrameRow, Shot, whole_groups, write_frames
from superres.data.origins import is_right
from superres.data.scenes import CutFinder
from superres.data.sources import VERIFY, read_sources
from superres.errors import DataError, InputError

logger = logging.getLogger(__name__)

MIN_DEVIATION: Final = 2.0  # grey levels; a fade to black teaches nothing and tests nothing
AHEAD: Final = 4  # frames waiting to be compressed
UNEVEN: Final = 0.1  # of the usual time between two frames: more than a container's rounding


@dataclass(frozen=True)
class FramesReport:
    """What one extraction made."""

    frames: dict[str, int]  # by clip
    scenes: dict[str, int]  # by clip
    quarantined: tuple[Bad, ...]
    notes: dict[str, tuple[str, ...]]  # by clip: what a person should know of a video


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
    frames of a single colour are left out. With `clip_length` only whole groups of so many are
    kept, each a clip of its own, see `whole_groups`. A PNG is named after the frame's number in
    the video. A video that is none or gives no frame is listed in quarantine.csv with the reason;
    of a truncated one the whole frames are kept. Scenes are counted at hard cuts, see `CutFinder`.
    Rotation, interlacing, depth, further streams and missing ends are noted in clips.csv.

    Raises DataError when fetch has to run first; `target` then stays as it was.
    """
    rows: list[FrameRow] = []
    facts: list[ClipRow] = []
    bad: list[Bad] = []
    with replaced_folder(target) as folder:
        for clip in _clips(raw, {source.name: source for source in sources}):
            try:
                kept, fact = _extract_clip(clip, folder)
                rows += kept
                facts.append(fact)
            except InputError as error:
                shutil.rmtree(folder / clip.name)
                bad.append(Bad(clip.raw_name, str(error).removeprefix(f"{clip.video}: ")))
        write_frames(folder, rows, bad, facts)
    return FramesReport(
        frames={fact.clip: fact.kept for fact in facts},
        scenes={fact.clip: fact.scenes for fact in facts},
        quarantined=tuple(bad),
        notes={fact.clip: notes_of(fact) for fact in facts},
    )


def notes_of(clip: ClipRow) -> tuple[str, ...]:
    """Say what is particular about a video, in sentences for a person."""
    told = {
        f"{clip.streams} video streams in it, the default or first one was used": clip.streams > 1,
        "interlaced: moving edges are combed in its frames; deinterlace it first": clip.interlaced,
        f"{clip.bit_depth} bits per channel, converted to 8": clip.bit_depth > 8,
        f"turned upright by {clip.rotation} degrees": clip.rotation % 360 != 0,
        "variable frame rate: the moments are in frames.csv": clip.uneven,
        f"damaged or truncated: {clip.missing}": bool(clip.missing),
    }
    return tuple(sentence for sentence, is_so in told.items() if is_so)


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


def _extract_clip(clip: _Clip, folder: Path) -> tuple[list[FrameRow], ClipRow]:
    """Write the clip's frames below `folder`; InputError when there is none to keep."""
    (folder / clip.name).mkdir(parents=True)
    reading = _Reading(clip)
    rows = []
    waiting: deque[Future[None]] = deque()
    with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
        for row, pixels in reading.kept():
            waiting.append(pool.submit(_write_png, folder / row.file, pixels))
            rows.append(row)
            if len(waiting) > AHEAD:
                waiting.popleft().result()
        for write in waiting:
            write.result()
    if not rows:
        raise InputError(
            f"no frame to keep after skipping {clip.options.first}: the video is too short, its "
            f"frames show a single colour{_or_groups(clip.options)}",
            code="no_frames",
        )
    return rows, reading.facts(rows)


def _or_groups(options: Source) -> str:
    length = options.clip_length
    return f", or no scene has {length} neighbouring ones" if length else ""


class _Reading:
    """One pass over a clip, and what was seen on the way."""

    def __init__(self, clip: _Clip) -> None:
        self.clip = clip
        self.info = video.probe(clip.video)
        self.moments: list[float] = []
        self.is_whole = False

    def kept(self) -> Iterator[Shot]:
        """Decode up to the last frame needed and yield the kept ones, in whole groups if asked."""
        options, kept = self.clip.options, 0
        length = options.clip_length or 1
        shots = self._chosen()
        groups: Iterator[list[Shot]] = ([shot] for shot in shots)
        if options.clip_length is not None:
            groups = whole_groups(shots, length, options.clip_stride or length, options.every)
        for group in groups:
            yield from group
            kept += length
            if options.max_frames is not None and kept + length > options.max_frames:
                return

    def _chosen(self) -> Iterator[Shot]:
        cuts, name, options = CutFinder(), self.clip.name, self.clip.options
        scene = 0
        for frame in video.read(self.clip.video):
            self.moments.append(frame.seconds)
            scene += cuts.is_cut(frame.pixels)
            number = frame.index - options.first
            if number < 0 or number % options.every or _is_blank(frame.pixels):
                continue
            file = f"{name}/{frame.index:06d}.png"
            yield FrameRow(name, frame.index, frame.seconds, file, scene), frame.pixels
        self.is_whole = True

    def facts(self, rows: Sequence[FrameRow]) -> ClipRow:
        """Return the clip's row of clips.csv."""
        info, moments = self.info, self.moments
        gaps = np.diff(moments) if len(moments) > 2 else np.ones(1)
        last = moments[-1] if moments else 0.0
        told = video.shortness(info, len(moments), last) if self.is_whole else None
        return ClipRow(
            clip=self.clip.name,
            width=info.width,
            height=info.height,
            fps=str(info.fps),
            codec=info.codec,
            bit_depth=info.bit_depth,
            rotation=info.rotation,
            interlaced=info.is_interlaced,
            streams=info.streams,
            decoded=len(moments),
            kept=len(rows),
            scenes=len({row.scene for row in rows}),
            uneven=bool(gaps.max() - gaps.min() > UNEVEN * np.median(gaps)),
            missing=told or "",
        )


def _is_blank(pixels: NDArray[np.uint8]) -> bool:
    samples = pixels[::4, ::4].reshape(-1, 3)
    return float(samples.std(axis=0).max()) < MIN_DEVIATION


def _write_png(path: Path, pixels: NDArray[np.uint8]) -> None:
    path.write_bytes(images.encode(images.Picture(pixels), "PNG"))
