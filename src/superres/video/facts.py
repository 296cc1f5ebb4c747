"""Facts of a video file, taken from its header and its first frame."""

import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from superres.errors import InputError
from superres.video.colours import HDR_TRANSFERS, bits_of
from superres.video.opening import VideoLimits, open_video, pictures_of, refuse_above

_log = logging.getLogger(__name__)

# Matroska's duration of one stream; that of the container may be the sound's.
_DURATION_TAG = re.compile(r"(\d+):(\d+):(\d+\.?\d*)$")
_DEFAULT_FPS = Fraction(25)
_MOST_FPS = 300


@dataclass(frozen=True)
class VideoInfo:
    """Facts of a video as it is shown: `width` and `height` after rotation.

    `fps` is the average rate; `frames` and `seconds` are what the container says, None where it
    says nothing. `rotation` is the number of degrees counterclockwise that the stored frames are
    turned for display. `bit_depth` is the file's; `is_interlaced` says that a frame holds two
    moments, line by line, which are not separated; `streams` counts the video streams, of which
    the one marked as default is used, else the first. `start`: seconds at which the file begins,
    for a recording that was cut out of a broadcast; else 0. `is_hdr`: PQ or HLG.
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
    start: Fraction = Fraction(0)
    is_hdr: bool = False

    @property
    def expected_frames(self) -> int | None:
        """The number of frames: as stated, else what length and rate make, if known."""
        if self.frames is None and self.seconds is not None:
            return max(1, round(self.seconds * self.fps))
        return self.frames


def probe(path: Path, limits: VideoLimits | None = None) -> VideoInfo:
    """Return the facts of a video; its first frame is decoded to be sure that it is one.

    Raises InputError: 400 empty or unreadable, 413 too_many_bytes, _pixels, _frames or _seconds,
    415 unsupported_type, 422 no_video_stream or corrupt_video.
    """
    limits = limits or VideoLimits()
    with open_video(path, limits) as (container, stream):
        width, height = stream.width, stream.height
        refuse_above(path, "too_many_pixels", width * height, limits.max_pixels, "pixels a frame")
        frame = next(decode(path, container, stream), None)
        if frame is None:
            message = f"{path}: no frame can be decoded; the file is damaged or truncated"
            raise InputError(message, code="corrupt_video")
        rotation = frame.rotation
        if rotation % 180:
            width, height = height, width
        info = VideoInfo(
            width=width,
            height=height,
            fps=rate_of(stream) or _DEFAULT_FPS,
            frames=stream.frames or None,
            seconds=_seconds(container, stream),
            has_audio=bool(container.streams.audio),
            rotation=rotation,
            codec=stream.codec_context.name,
            bit_depth=bits_of(frame),
            is_interlaced=frame.interlaced_frame,
            streams=len(pictures_of(container)),
            start=start_of(container),
            is_hdr=int(stream.codec_context.color_trc) in HDR_TRANSFERS,
        )
    refuse_above(path, "too_many_frames", info.frames, limits.max_frames, "frames")
    refuse_above(path, "too_many_seconds", info.seconds, limits.max_seconds, "seconds")
    return info


def decode(path: Path, container: InputContainer, stream: VideoStream) -> Iterator[VideoFrame]:
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


def rate_of(stream: VideoStream) -> Fraction | None:
    """Return the average frames a second, or a guess where the file states a clock's rate."""
    rates = [rate for rate in (stream.average_rate, stream.guessed_rate) if rate]
    likely = [rate for rate in rates if rate <= _MOST_FPS]
    return next(iter([*likely, *rates]), None)


def start_of(container: InputContainer) -> Fraction:
    """Return the seconds at which a file begins: a broadcast recording need not start at zero."""
    return Fraction(max(container.start_time or 0, 0), av.time_base)


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
