"""A video file -> its frames, decoded one at a time, from the start or from where one left off."""

import logging
import zlib
from collections import deque
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from numpy.typing import NDArray

from superres.errors import InputError
from superres.video.colours import to_rgb
from superres.video.facts import VideoInfo, decode, probe, shortness
from superres.video.opening import VideoLimits, open_video, refuse_above

_log = logging.getLogger(__name__)

_SEEK_MARGIN = 1  # seconds: key frames are filed under the time they are decoded, not shown
_TINY = 1e-6  # seconds


@dataclass(frozen=True)
class Frame:
    """One decoded frame: `pixels` RGB (H, W, 3), upright, uint8 (or uint16 where asked for).

    `index` counts from 0 in the order shown; it is shown at `seconds` = `pts` * `time_base`, for
    `duration` * `time_base` where the file says so, else 0. `checksum` is of the pixels of the
    source, see `checksum_of`, if a `Position` may be taken.
    """

    pixels: NDArray[Any]
    index: int
    seconds: float
    pts: int
    time_base: Fraction
    duration: int = 0
    checksum: int | None = None


@dataclass(frozen=True)
class Position:
    """The last frame that is done, enough to find it again and be sure that it is the same."""

    index: int
    pts: int
    checksum: int


@dataclass(frozen=True)
class Part:
    """What to read: from `start` for `duration` seconds, `after` a position; 16 bits if `deep`.

    `lead`: the last so many frames up to that position are given once more, before the others.
    """

    start: float = 0.0
    duration: float | None = None
    after: Position | None = None
    deep: bool = False
    lead: int = 0

    @property
    def again(self) -> int:
        """Frames that are given once more: not more than there were."""
        return 0 if self.after is None else min(self.lead, self.after.index + 1)


@dataclass(frozen=True)
class _Moment:
    """A decoded frame and its time; `is_stated` when the file says it, not a guess."""

    frame: VideoFrame
    pts: int
    time_base: Fraction
    is_stated: bool

    @property
    def seconds(self) -> float:
        return float(self.pts * self.time_base)


def checksum_of(pixels: NDArray[Any]) -> int:
    """Return a short number that differs for other pixels."""
    return zlib.crc32(np.ascontiguousarray(pixels).data)


def read(
    path: Path, limits: VideoLimits | None = None, part: Part | None = None
) -> Generator[Frame]:
    """Check the file as `probe` does, at once, and return its frames, decoded as they are taken.

    A damaged or truncated file gives the frames that can be decoded and a logged warning.

    Raises InputError as `probe`; while iterating also 413 too_many_frames or too_many_seconds
    for a file that does not say its length.
    """
    limits = limits or VideoLimits()
    info = probe(path, limits)
    return _frames(path, info, limits, part or Part())


def frame_at(path: Path, seconds: float, *, deep: bool = False) -> Frame:
    """Return the frame that is shown `seconds` after the start.

    Raises InputError as `probe`, and for a time after the end.
    """
    info = probe(path)
    if info.seconds is not None and seconds > info.seconds + _TINY:
        message = f"{path}: no frame at {seconds:g} s, the video is {info.seconds:.2f} s long"
        raise InputError(message, code="no_frames")
    at = float(info.start) + seconds
    found: _Moment | None = None
    moments = _moments(path, info, VideoLimits(), near=at)
    for moment in moments:
        if found is not None and moment.seconds > at + _TINY:
            break
        found = moment
    moments.close()
    assert found is not None  # probe decoded a frame
    return _frame(found, 0, deep=deep)


def _frames(path: Path, info: VideoInfo, limits: VideoLimits, part: Part) -> Generator[Frame]:
    begin = float(info.start) + part.start
    end = None if part.duration is None else begin + part.duration
    moments = _from(path, info, limits, begin if part.start else None)
    index, seconds = 0, 0.0
    if part.after is not None:
        moments = _after(path, info, limits, part, moments)
        index = part.after.index + 1 - part.again
    for moment in moments:
        seconds = moment.seconds
        if end is not None and seconds >= end - _TINY:
            moments.close()
            return
        refuse_above(path, "too_many_frames", index + 1, limits.max_frames, "frames")
        refuse_above(path, "too_many_seconds", seconds, limits.max_seconds, "seconds")
        yield _frame(moment, index, deep=part.deep)
        index += 1
    if not part.start and (told := shortness(info, index, seconds)):
        _log.warning("%s: %s", path, told)


def _frame(moment: _Moment, index: int, *, deep: bool) -> Frame:
    pixels = to_rgb(moment.frame, deep=deep)
    duration = moment.frame.duration or 0
    return Frame(pixels, index, moment.seconds, moment.pts, moment.time_base, duration)


def _from(
    path: Path, info: VideoInfo, limits: VideoLimits, begin: float | None
) -> Generator[_Moment]:
    """Yield the moments from `begin` on, or all of them."""
    for moment in _moments(path, info, limits, near=begin):
        if begin is None or moment.seconds >= begin - _TINY:
            yield moment


def _after(
    path: Path,
    info: VideoInfo,
    limits: VideoLimits,
    part: Part,
    whole: Generator[_Moment],
) -> Generator[_Moment]:
    """Yield the moments after `part.after`, found by its time if the pixels are the same there.

    Those to give again come first. Where too few are found, or none, as with a file that gives no
    times, they are counted from the start in `whole`.
    """
    position, again = part.after, part.again
    assert position is not None
    with open_video(path, limits) as (_, stream):
        time_base = stream.time_base or 1 / info.fps
    near = float(position.pts * time_base - 2 * again / info.fps)
    moments = _moments(path, info, limits, near=near)
    recent: deque[_Moment] = deque(maxlen=again)
    for moment in moments:
        recent.append(moment)
        if moment.pts < position.pts:
            continue
        same = checksum_of(to_rgb(moment.frame, deep=part.deep)) == position.checksum
        if moment.pts == position.pts and same and len(recent) == again:
            yield from recent
            yield from moments
            return
        break
    moments.close()
    _log.warning("%s: frame %d is not found by its time, so all are read", path, position.index)
    for count, moment in enumerate(whole):
        if count > position.index - again:
            yield moment


def _moments(
    path: Path, info: VideoInfo, limits: VideoLimits, near: float | None = None
) -> Generator[_Moment]:
    """Yield decoded frames with times that grow, from a key frame at or before `near` seconds.

    From the start when `near` is None or the file cannot be searched.
    """
    if near is not None:
        with open_video(path, limits) as (container, stream):
            if _sought(container, stream, near - _SEEK_MARGIN):
                timed = _timed(path, container, stream, info)
                first = next(timed, None)
                if first is not None and first.is_stated and first.seconds <= near + _TINY:
                    yield first
                    yield from timed
                    return
    with open_video(path, limits) as (container, stream):
        yield from _timed(path, container, stream, info)


def _sought(container: InputContainer, stream: VideoStream, seconds: float) -> bool:
    if stream.time_base is None:
        return False
    try:
        container.seek(int(Fraction(seconds) / stream.time_base), stream=stream, backward=True)
    except av.error.FFmpegError:
        return False
    return True


def _timed(
    path: Path, container: InputContainer, stream: VideoStream, info: VideoInfo
) -> Iterator[_Moment]:
    last: int | None = None
    for decoded in decode(path, container, stream):
        time_base = decoded.time_base or stream.time_base or 1 / info.fps
        pts, is_stated = decoded.pts, decoded.pts is not None
        if pts is None or (last is not None and pts <= last):
            pts = 0 if last is None else last + max(1, round(1 / info.fps / time_base))
        last = pts
        yield _Moment(decoded, pts, time_base, is_stated)
