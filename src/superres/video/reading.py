"""A video file -> its facts and its frames, decoded one at a time."""

import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.reformatter import Colorspace, Interpolation
from av.video.stream import VideoStream
from numpy.typing import NDArray

from superres.errors import InputError
from superres.video.opening import VideoLimits, open_video, pictures_of, refuse_above

_log = logging.getLogger(__name__)

UNSPECIFIED = 2
_HD_HEIGHT = 720
# Matroska's duration of one stream; that of the container may be the sound's.
_DURATION_TAG = re.compile(r"(\d+):(\d+):(\d+\.?\d*)$")
_DEFAULT_FPS = Fraction(25)
# Chroma is interpolated over the full width and sums are not cut short: a frame keeps its colours.
CONVERSION = Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT


@dataclass(frozen=True)
class VideoInfo:
    """Facts of a video as it is shown: `width` and `height` after rotation.

    `fps` is the average rate; `frames` and `seconds` are what the container says, None where it
    says nothing. `rotation` is the number of degrees counterclockwise that the stored frames are
    turned for display. `bit_depth` is the file's (frames come with 8); `is_interlaced` says that
    a frame holds two moments, line by line, which are not separated; `streams` counts the video
    streams, of which the one marked as default is used, else the first.
    """

    width: int
    height: int
    fps: Fraction
    frames: int | None
    seconds: float | None
    has_audio: bool
    rotation: int
    codec: str = ""
    bit_depth: int = 8
    is_interlaced: bool = False
    streams: int = 1


@dataclass(frozen=True)
class Frame:
    """One decoded frame: `pixels` RGB uint8 (H, W, 3), upright.

    `index` counts from 0 in the order shown; it is shown at `seconds` = `pts` * `time_base`.
    """

    pixels: NDArray[np.uint8]
    index: int
    seconds: float
    pts: int
    time_base: Fraction


def probe(path: Path, limits: VideoLimits | None = None) -> VideoInfo:
    """Return the facts of a video; its first frame is decoded to be sure that it is one.

    Raises InputError: 400 empty or unreadable, 413 too_many_bytes, _pixels, _frames or _seconds,
    415 unsupported_type, 422 no_video_stream or corrupt_video.
    """
    limits = limits or VideoLimits()
    with open_video(path, limits) as (container, stream):
        width, height = stream.width, stream.height
        refuse_above(path, "too_many_pixels", width * height, limits.max_pixels, "pixels a frame")
        frame = next(_decode(path, container, stream), None)
        if frame is None:
            message = f"{path}: no frame can be decoded; the file is damaged or truncated"
            raise InputError(message, code="corrupt_video")
        rotation = frame.rotation
        if rotation % 180:
            width, height = height, width
        info = VideoInfo(
            width=width,
            height=height,
            fps=stream.average_rate or stream.guessed_rate or _DEFAULT_FPS,
            frames=stream.frames or None,
            seconds=_seconds(container, stream),
            has_audio=bool(container.streams.audio),
            rotation=rotation,
            codec=stream.codec_context.name,
            bit_depth=max((part.bits for part in frame.format.components), default=8),
            is_interlaced=frame.interlaced_frame,
            streams=len(pictures_of(container)),
        )
    refuse_above(path, "too_many_frames", info.frames, limits.max_frames, "frames")
    refuse_above(path, "too_many_seconds", info.seconds, limits.max_seconds, "seconds")
    return info


def read(path: Path, limits: VideoLimits | None = None) -> Iterator[Frame]:
    """Check the file as `probe` does, at once, and return its frames, decoded as they are taken.

    A damaged or truncated file gives the frames that can be decoded and a logged warning.

    Raises InputError as `probe`; while iterating also 413 too_many_frames or too_many_seconds
    for a file that does not say its length.
    """
    limits = limits or VideoLimits()
    info = probe(path, limits)
    return _frames(path, info, limits)


def _frames(path: Path, info: VideoInfo, limits: VideoLimits) -> Iterator[Frame]:
    with open_video(path, limits) as (container, stream):
        index, seconds, last = 0, 0.0, None
        for decoded in _decode(path, container, stream):
            time_base = decoded.time_base or stream.time_base or 1 / info.fps
            pts = decoded.pts
            if pts is None or (last is not None and pts <= last):
                pts = 0 if last is None else last + max(1, round(1 / info.fps / time_base))
            last = pts
            seconds = float(pts * time_base)
            refuse_above(path, "too_many_frames", index + 1, limits.max_frames, "frames")
            refuse_above(path, "too_many_seconds", seconds, limits.max_seconds, "seconds")
            yield Frame(_pixels(decoded), index, seconds, pts, time_base)
            index += 1
    if told := shortness(info, index, seconds):
        _log.warning("%s: %s", path, told)


def _decode(path: Path, container: InputContainer, stream: VideoStream) -> Iterator[VideoFrame]:
    """Yield what can be decoded; damage is logged once and skipped, as players do."""
    warned = False
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets, None)
            if packet is None:
                return
            frames = packet.decode()
        except av.error.FFmpegError as error:
            if not warned:
                _log.warning("%s: damaged, frames may be missing: %s", path, error.strerror)
            warned = True
            continue
        yield from frames


def _pixels(frame: VideoFrame) -> NDArray[np.uint8]:
    matrix = colour_matrix(frame.height) if frame.colorspace == UNSPECIFIED else None
    rgb = frame.reformat(format="rgb24", src_colorspace=matrix, interpolation=CONVERSION)
    pixels = rgb.to_ndarray().astype(np.uint8, copy=False)
    if frame.rotation % 360:
        pixels = np.ascontiguousarray(np.rot90(pixels, round(frame.rotation / 90)))
    return pixels


def colour_matrix(height: int) -> Colorspace:
    """Return what players assume of a file that does not say: BT.709 from 720 rows, else 601."""
    return Colorspace.ITU709 if height >= _HD_HEIGHT else Colorspace.ITU601


def _seconds(container: InputContainer, stream: VideoStream) -> float | None:
    if stream.duration is not None and stream.time_base is not None:
        return float(stream.duration * stream.time_base)
    if tag := _DURATION_TAG.match(stream.metadata.get("DURATION", "")):
        return int(tag[1]) * 3600 + int(tag[2]) * 60 + float(tag[3])
    if container.duration is not None:
        return container.duration / av.time_base
    return None


def shortness(info: VideoInfo, frames: int, seconds: float) -> str | None:
    """Say what is missing of a video of which `frames` were decoded, the last at `seconds`."""
    if info.frames is not None and frames < info.frames:
        return f"only {frames} of {info.frames} frames could be decoded"
    if info.frames is None and info.seconds is not None and seconds + 1 < info.seconds:
        return f"ends after {seconds:.2f} of {info.seconds:.2f} seconds"
    return None
