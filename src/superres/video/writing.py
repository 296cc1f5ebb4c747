"""Frames -> an H.264 file that browsers play, with the source's sound and subtitles."""

import contextlib
import itertools
import logging
import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.container import InputContainer, OutputContainer
from av.packet import Packet
from av.stream import Stream
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange
from av.video.stream import VideoStream

from superres.errors import InputError
from superres.video.opening import open_video
from superres.video.reading import CONVERSION, Frame, colour_matrix, probe

_log = logging.getLogger(__name__)

# Suffix -> FFmpeg's name of the container.
SUFFIXES: Mapping[str, str] = {".mp4": "mp4", ".m4v": "mp4", ".mov": "mov", ".mkv": "matroska"}
# Facts about the source's container that are not true of the new one.
_OLD_TAGS = {"major_brand", "minor_version", "compatible_brands", "encoder", "duration"}
_DEFAULT_RATE = 30


@dataclass(frozen=True)
class _Copied:
    """A packet of sound or subtitles, due at `seconds`, for a stream of the new file."""

    seconds: float
    packet: "Packet[Stream]"
    stream: Stream


def write(
    dst: Path,
    frames: Iterable[Frame],
    *,
    source: Path | None = None,
    crf: int = 18,
    preset: str = "veryfast",
    metadata: Mapping[str, str] | None = None,
) -> int:
    """Encode `frames` as they come (H.264, yuv420p) and return their number.

    Each frame keeps its timestamp, so variable rates survive. An odd side gets one more row or
    column, a copy of the last. From `source` come, packet by packet as they are, sound and
    subtitles as far as the container of `dst` (.mp4, .m4v, .mov, .mkv) holds them, else with a
    warning without; also its tags, chapters and shape of pixels. `metadata` is added to the tags.
    `dst` appears whole at the end or not at all.

    Raises InputError for another suffix, no frame at all, or a frame of another size than the
    first.
    """
    if dst.suffix.lower() not in SUFFIXES:
        known = ", ".join(SUFFIXES)
        message = f"{dst}: suffix {dst.suffix!r} is no container to write; accepted: {known}"
        raise InputError(message, code="unsupported_type", status=415)
    iterator = iter(frames)
    first = next(iterator, None)
    if first is None:
        raise InputError(f"{dst}: there is no frame to write", code="no_frames")
    temporary = dst.with_name(f".{dst.name}.{uuid.uuid4().hex}.partial")
    try:
        with contextlib.ExitStack() as stack:
            container = stack.enter_context(_created(temporary, SUFFIXES[dst.suffix.lower()]))
            stream = _video_stream(container, first, {"crf": str(crf), "preset": preset})
            copied: Iterator[_Copied] = iter(())
            offset = Fraction(0)
            if source:
                given, pictures = stack.enter_context(open_video(source))
                turned = probe(source).rotation % 180 != 0
                _carry_facts(given, pictures, container, stream, turned=turned)
                offset = _offset(given)
                copied = _copies(given, container, offset)
            container.metadata.update(metadata or {})
            encodable = _encodable(dst, itertools.chain([first], iterator), offset)
            count = _mux(container, stream, encodable, copied)
        temporary.replace(dst)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    return count


@contextlib.contextmanager
def _created(path: Path, format_name: str) -> Iterator[OutputContainer]:
    options = {"movflags": "faststart"} if format_name != "matroska" else {}
    container = av.open(str(path.resolve()), "w", format=format_name, container_options=options)
    try:
        yield container
    except BaseException:
        with contextlib.suppress(av.error.FFmpegError):  # the first error is the one to report
            container.close()
        raise
    container.close()


def _video_stream(container: OutputContainer, first: Frame, options: dict[str, str]) -> VideoStream:
    stream = container.add_stream("libx264", rate=_DEFAULT_RATE, options=options)
    height, width = first.pixels.shape[:2]
    stream.width, stream.height = width + width % 2, height + height % 2
    stream.pix_fmt = "yuv420p"
    stream.time_base = first.time_base
    stream.codec_context.time_base = first.time_base
    stream.codec_context.colorspace = colour_matrix(height)
    stream.codec_context.color_range = ColorRange.MPEG
    return stream


def _carry_facts(
    source: InputContainer,
    pictures: VideoStream,
    container: OutputContainer,
    stream: VideoStream,
    *,
    turned: bool,
) -> None:
    """Take over from the source what is not pixels: rate, colours, shape of pixels, tags."""
    stream.codec_context.framerate = pictures.average_rate or Fraction(_DEFAULT_RATE)
    stream.codec_context.color_primaries = pictures.codec_context.color_primaries
    stream.codec_context.color_trc = pictures.codec_context.color_trc
    shape = pictures.sample_aspect_ratio
    if shape:
        stream.codec_context.sample_aspect_ratio = 1 / shape if turned else shape
    tags = {key: value for key, value in source.metadata.items() if key not in _OLD_TAGS}
    container.metadata.update(tags)
    container.set_chapters(source.chapters())


def _offset(source: InputContainer) -> Fraction:
    """Seconds cut from the front: a broadcast recording need not start at zero."""
    return Fraction(max(source.start_time or 0, 0), av.time_base)


def _copies(
    source: InputContainer, container: OutputContainer, offset: Fraction
) -> Iterator[_Copied]:
    """Add the source's sound and subtitles to `container`; their packets come as iterated."""
    targets: dict[int, Stream] = {}
    wanted = [*source.streams.audio, *source.streams.subtitles]
    for stream in wanted:
        codec = stream.codec_context.codec if stream.codec_context else None
        if codec is None or not {codec.name, codec.canonical_name} & container.supported_codecs:
            name = codec.name if codec else "unknown"
            _log.warning(
                "%s: %s stream %d (%s) does not fit into %s and is left out; .mkv holds more",
                source.name,
                stream.type,
                stream.index,
                name,
                container.format.name,
            )
            continue
        targets[stream.index] = container.add_stream_from_template(stream)
        targets[stream.index].metadata.update(stream.metadata)
    return _packets(source, targets, offset)


def _packets(
    source: InputContainer, targets: Mapping[int, Stream], offset: Fraction
) -> Iterator[_Copied]:
    if not targets:
        return
    try:
        for packet in source.demux(*(source.streams[index] for index in targets)):
            at = packet.dts if packet.dts is not None else packet.pts
            if at is None or packet.time_base is None:
                continue  # the empty packet that ends a stream
            shift = round(offset / packet.time_base)
            packet.dts = at - shift
            packet.pts = at - shift if packet.pts is None else packet.pts - shift
            seconds = float(packet.dts * packet.time_base)
            yield _Copied(seconds, packet, targets[packet.stream_index])
    except av.error.FFmpegError as error:
        _log.warning("%s: damaged, sound may be missing: %s", source.name, error.strerror)


def _encodable(dst: Path, frames: Iterable[Frame], offset: Fraction) -> Iterator[VideoFrame]:
    """Turn frames into what the encoder takes, their timestamps in order."""
    size, time_base, last = None, Fraction(1), None
    for frame in frames:
        if size is None:
            size, time_base = frame.pixels.shape, frame.time_base
        if frame.pixels.shape != size:
            message = f"{dst}: frame {frame.index} is {frame.pixels.shape}, the first was {size}"
            raise InputError(message, code="size_changes")
        pts = round((frame.pts * frame.time_base - offset) / time_base)
        pts = pts if last is None else max(pts, last + 1)
        last = pts
        height, width = size[:2]
        padding = ((0, height % 2), (0, width % 2), (0, 0))
        even = (
            np.pad(frame.pixels, padding, mode="edge") if height % 2 or width % 2 else frame.pixels
        )
        picture = VideoFrame.from_ndarray(np.ascontiguousarray(even), "rgb24").reformat(
            format="yuv420p",
            dst_colorspace=colour_matrix(height),
            dst_color_range=ColorRange.MPEG,
            interpolation=CONVERSION,
        )
        picture.pts, picture.time_base = pts, time_base
        yield picture


def _mux(
    container: OutputContainer,
    stream: VideoStream,
    pictures: Iterator[VideoFrame],
    copied: Iterator[_Copied],
) -> int:
    """Encode the pictures, with the copied packets between them in order of time."""
    count = 0
    waiting = next(copied, None)
    for picture in pictures:
        while waiting is not None and waiting.seconds <= picture.time:
            _put(container, waiting)
            waiting = next(copied, None)
        container.mux(stream.encode(picture))
        count += 1
    container.mux(stream.encode(None))
    while waiting is not None:
        _put(container, waiting)
        waiting = next(copied, None)
    return count


def _put(container: OutputContainer, copied: _Copied) -> None:
    copied.packet.stream = copied.stream
    container.mux(copied.packet)
