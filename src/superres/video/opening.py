"""Open a video file safely and choose its stream of pictures."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import av
from av.container import InputContainer
from av.video.stream import VideoStream

from superres.errors import InputError

# Real containers only: FFmpeg's playlist and script demuxers would open other files and hosts.
_FORMATS = (
    "mov,matroska,avi,mpegts,mpeg,mpegvideo,flv,asf,ogg,gif,h264,hevc,ivf,mxf,nut,yuv4mpegpipe"
)
_OPTIONS = {"format_whitelist": _FORMATS, "protocol_whitelist": "file"}


@dataclass(frozen=True)
class VideoLimits:
    """What is accepted: of one frame its pixels, of the file the rest; None is no limit."""

    max_bytes: int | None = None
    max_pixels: int = 50_000_000
    max_frames: int | None = None
    max_seconds: float | None = None


@contextmanager
def open_video(
    path: Path, limits: VideoLimits | None = None
) -> Iterator[tuple[InputContainer, VideoStream]]:
    """Open a video file with the stream of its pictures, see `pictures_of`.

    Raises InputError as `probe`.
    """
    limits = limits or VideoLimits()
    with _open(path, limits) as container:
        streams = pictures_of(container)
        if not streams or streams[0].codec_context is None:
            message = f"{path}: there is no video stream in it that can be decoded"
            raise InputError(message, code="no_video_stream")
        streams[0].thread_type = "AUTO"
        # A stream may change its size after the header was believed.
        streams[0].codec_context.options = {"max_pixels": str(limits.max_pixels)}
        yield container, streams[0]


def pictures_of(container: InputContainer) -> list[VideoStream]:
    """Return the video streams that are no covers, the one to use first.

    That is the first of those the file marks as default, or the first of all.
    """
    covers, default = av.stream.Disposition.attached_pic, av.stream.Disposition.default
    streams = [s for s in container.streams.video if not s.disposition & covers]
    return sorted(streams, key=lambda stream: not stream.disposition & default)


def _open(path: Path, limits: VideoLimits) -> AbstractContextManager[InputContainer]:
    try:
        size = path.stat().st_size
        if size == 0:
            raise InputError(f"{path}: the file is empty", code="empty", status=400)
        refuse_above(path, "too_many_bytes", size, limits.max_bytes, "bytes")
        return av.open(str(path.resolve()), container_options=_OPTIONS, metadata_errors="replace")
    except OSError as error:
        message = f"{path}: cannot be read: {error.strerror}"
        raise InputError(message, code="unreadable", status=400) from error
    except av.error.FFmpegError as error:
        message = f"{path}: the content is no video of a known type, or it is damaged"
        raise InputError(message, code="unsupported_type", status=415) from error


def refuse_above(
    path: Path, code: str, found: float | None, limit: float | None, unit: str
) -> None:
    """Raise InputError 413 `code` when what was found is above the limit; None is no limit."""
    if found is not None and limit is not None and found > limit:
        message = f"{path}: the video has {found:.10g} {unit}, at most {limit:.10g} are accepted"
        raise InputError(message, code=code, status=413)
