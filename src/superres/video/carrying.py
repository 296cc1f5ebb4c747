"""What a new file takes over from its source: sound, subtitles, chapters, fonts, covers, tags."""

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

import av
from av.container import InputContainer, OutputContainer
from av.packet import Packet
from av.stream import AttachmentStream, Disposition, Stream

if TYPE_CHECKING:
    from av.container.core import Chapter

_log = logging.getLogger(__name__)

# Facts about the source's container that are not true of the new one.
_OLD_TAGS = {"major_brand", "minor_version", "compatible_brands", "encoder", "duration"}
_COVERS = {"mjpeg": ("jpg", "image/jpeg"), "png": ("png", "image/png")}
_OLD_STREAM_TAGS = ("DURATION", "NUMBER_OF_", "_STATISTICS_", "BPS", "encoder", "vendor_id")


@dataclass(frozen=True)
class Span:
    """The part of the source's time line that is taken, in seconds; it becomes 0 on."""

    begin: Fraction
    end: Fraction | None = None
    is_cut: bool = False


@dataclass(frozen=True)
class Copied:
    """A packet of sound or subtitles, due at `seconds`, for a stream of the new file."""

    seconds: float
    packet: "Packet[Stream]"
    stream: Stream


def carry_tags(source: InputContainer, container: OutputContainer, span: Span) -> None:
    """Take over tags, chapters (cut to the span) and, in Matroska, attached files."""
    tags = {key: value for key, value in source.metadata.items() if key not in _OLD_TAGS}
    container.metadata.update(tags)
    container.set_chapters(_chapters(source, span))
    if container.format.name == "matroska":
        for stream in source.streams:
            if isinstance(stream, AttachmentStream) and stream.name and stream.data:
                container.add_attachment(stream.name, stream.mimetype or "", stream.data)


def _chapters(source: InputContainer, span: Span) -> "list[Chapter]":
    kept: list[Chapter] = []
    for chapter in source.chapters():
        base = chapter["time_base"]
        if base is None:
            continue
        begin = max(chapter["start"] * base, span.begin)
        end = chapter["end"] * base if span.end is None else min(chapter["end"] * base, span.end)
        if end > begin:
            start, stop = (round((at - span.begin) / base) for at in (begin, end))
            kept.append({**chapter, "start": start, "end": stop})
    return kept


def copies(source: InputContainer, container: OutputContainer, span: Span) -> Iterator[Copied]:
    """Add the source's sound and subtitles to `container`; their packets come as iterated.

    What the container does not hold is left out with a warning.
    """
    targets: dict[int, Stream] = {}
    for stream in [*source.streams.audio, *source.streams.subtitles]:
        codec = stream.codec_context.codec if stream.codec_context else None
        if codec is None or not {codec.name, codec.canonical_name} & container.supported_codecs:
            _log.warning(
                "%s: %s stream %d (%s) does not fit into %s and is left out; .mkv holds more",
                source.name,
                stream.type,
                stream.index,
                codec.name if codec else "unknown",
                container.format.name,
            )
            continue
        target = container.add_stream_from_template(stream)
        target.metadata.update(
            {k: v for k, v in stream.metadata.items() if not k.startswith(_OLD_STREAM_TAGS)}
        )
        target.disposition = stream.disposition
        targets[stream.index] = target
    return _packets(source, targets, span)


def _packets(source: InputContainer, targets: Mapping[int, Stream], span: Span) -> Iterator[Copied]:
    if not targets:
        return
    if span.is_cut:
        source.seek(int(span.begin * av.time_base), backward=True)
    open_streams = set(targets)
    try:
        for packet in source.demux(*(source.streams[index] for index in targets)):
            at = packet.dts if packet.dts is not None else packet.pts
            if at is None or packet.time_base is None:
                continue  # the empty packet that ends a stream
            if span.is_cut and at * packet.time_base < span.begin:
                continue
            if span.end is not None and at * packet.time_base >= span.end:
                open_streams.discard(packet.stream_index)
                if not open_streams:
                    return
                continue
            shift = round(span.begin / packet.time_base)
            packet.dts = at - shift
            packet.pts = at - shift if packet.pts is None else packet.pts - shift
            seconds = float(packet.dts * packet.time_base)
            yield Copied(seconds, packet, targets[packet.stream_index])
    except av.error.FFmpegError as error:
        _log.warning("%s: damaged, sound may be missing: %s", source.name, error.strerror)


def covers(source: InputContainer, container: OutputContainer) -> list[Copied]:
    """Add the source's cover pictures to MP4 or Matroska; return what is due at the end.

    `source` is read from, so it must be a container of its own.
    """
    due = []
    for stream in source.streams.video:
        kind = stream.codec_context.name if stream.codec_context else ""
        if not stream.disposition & Disposition.attached_pic or kind not in _COVERS:
            continue
        packet = next(source.demux(source.streams[stream.index]), None)
        if packet is None or not packet.size:
            continue
        if container.format.name == "matroska":
            suffix, content_type = _COVERS[kind]
            container.add_attachment(f"cover.{suffix}", content_type, bytes(packet))
        elif container.format.name == "mp4":
            target = container.add_stream_from_template(stream, opaque=True)
            target.disposition = Disposition.attached_pic
            due.append(Copied(float("inf"), packet, target))
    return due
