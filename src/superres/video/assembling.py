"""Finished segments and the source's sound -> the file that was asked for."""

import contextlib
import itertools
import logging
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from fractions import Fraction
from pathlib import Path

import av
from av.container import OutputContainer
from av.packet import Packet
from av.video.stream import VideoStream

from superres.video.carrying import Copied, Span, carry_tags, copies, covers
from superres.video.codecs import Codec, container_of
from superres.video.opening import open_video
from superres.video.parts import Done
from superres.video.segments import created

_log = logging.getLogger(__name__)

_UNSHAPED = ("vp9", "av1")  # say nothing of it themselves, and PyAV cannot tell Matroska's writer
_MOVIE_TIMESCALE = 90_000  # of MP4's edit lists; its default of 1000 would round a late start


def assemble(
    dst: Path,
    folder: Path,
    segments: Sequence[Done],
    codec: Codec,
    *,
    source: Path | None,
    span: Span,
    metadata: Mapping[str, str],
) -> None:
    """Write `segments` of `folder` as one film with what `source` has besides pictures.

    The pictures are not encoded again. `dst` appears whole or not at all.
    """
    format_name = container_of(dst)
    options = {}
    if format_name in ("mp4", "mov"):
        options = {"movflags": "faststart", "movie_timescale": str(_MOVIE_TIMESCALE)}
    temporary = dst.with_name(f".{dst.name}.{uuid.uuid4().hex}.partial")
    try:
        with contextlib.ExitStack() as stack:
            container = stack.enter_context(created(temporary, format_name, options))
            stream = _stream_like(container, folder / segments[0].name, codec, dst)
            stream.codec_context.framerate = segments[0].rate
            copied: Iterator[Copied] = iter(())
            if source is not None:
                given, _ = stack.enter_context(open_video(source))
                carry_tags(given, container, span)
                copied = copies(given, container, span)
                again, _ = stack.enter_context(open_video(source))
                copied = itertools.chain(copied, covers(again, container))
            container.metadata.update(metadata)
            _mux(container, _pictures(folder, segments, stream), copied)
        temporary.replace(dst)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _stream_like(container: OutputContainer, first: Path, codec: Codec, dst: Path) -> VideoStream:
    format_name = container.format.name
    with av.open(str(first)) as part:
        template = part.streams.video[0]
        # Opaque: the encoder is not looked up by the decoder's name, which AV1's has not.
        stream = container.add_stream_from_template(template, opaque=True)
        stream.time_base = template.time_base
        shape = template.sample_aspect_ratio
        if shape:
            stream.codec_context.sample_aspect_ratio = shape
    if shape not in (None, 1) and codec.name in _UNSHAPED and format_name not in ("mp4", "mov"):
        _log.warning(
            "%s: pixels of shape %s cannot be stated for %s here; use .mp4 or h264",
            dst,
            shape,
            codec.name,
        )
    if codec.tag and format_name in ("mp4", "mov"):
        stream.codec_context.codec_tag = codec.tag
    return stream


def _pictures(
    folder: Path, segments: Sequence[Done], stream: VideoStream
) -> "Iterator[Packet[VideoStream]]":
    """Yield the encoded pictures of all segments with their times in the whole film."""
    last: int | None = None
    for done in segments:
        base = done.time_base
        with av.open(str(folder / done.name)) as part:
            for packet in part.demux(part.streams.video[0]):
                if packet.pts is None or packet.time_base is None:
                    continue
                pts = round(packet.pts * packet.time_base / base) + done.first_pts
                early = packet.pts if packet.dts is None else packet.dts
                # A segment's encoder does not know the times before it; its first decoding
                # times may fall among those, and a file wants them in order.
                dts = round(early * packet.time_base / base) + done.first_pts
                dts = dts if last is None else max(dts, last + 1)
                last = dts
                duration = round((packet.duration or 0) * packet.time_base / base)
                packet.time_base = base
                packet.pts, packet.dts, packet.duration = pts, dts, duration
                packet.stream = stream
                yield packet


def _mux(
    container: OutputContainer,
    pictures: "Iterable[Packet[VideoStream]]",
    copied: Iterator[Copied],
) -> None:
    """Write the pictures with the copied packets between them in order of time."""
    waiting = next(copied, None)
    for picture in pictures:
        seconds = float((picture.dts or 0) * (picture.time_base or Fraction(1)))
        while waiting is not None and waiting.seconds <= seconds:
            _put(container, waiting)
            waiting = next(copied, None)
        container.mux(picture)
    while waiting is not None:
        _put(container, waiting)
        waiting = next(copied, None)


def _put(container: OutputContainer, copied: Copied) -> None:
    copied.packet.stream = copied.stream
    container.mux(copied.packet)
