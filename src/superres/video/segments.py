"""One run of frames, encoded by an encoder of its own into a file that plays by itself."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
from av.codec.codec import UnknownCodecError
from av.container import OutputContainer
from av.packet import Packet
from av.video.stream import VideoStream

from superres.errors import InputError
from superres.video.codecs import Codec
from superres.video.colours import Colours, colours_for, from_rgb
from superres.video.facts import VideoInfo, rate_of
from superres.video.opening import open_video
from superres.video.options import VideoOptions
from superres.video.reading import Frame

DEFAULT_RATE = Fraction(30)
_MOST_BETWEEN_KEYS = 250
_MOST_RATE = Fraction(240)  # SVT-AV1 takes no more
_RATE_LIMIT = 1 << 16  # MPEG-4's and AV1's headers hold no longer numbers
# libx265 4.1 leaves the decoding times of a run shorter than its reordering unset: any number.
_SHORT_RUN = 17
PART_FORMAT = "mp4"  # keeps every timestamp exactly, and plays


@dataclass(frozen=True)
class Look:
    """How the pictures of a film are stored; the same for all of its segments.

    `width` and `height` of the frames given, before odd sides are made even; `pixel_shape` is
    the sample aspect ratio.
    """

    width: int
    height: int
    pix_fmt: str
    time_base: Fraction
    rate: Fraction
    colours: Colours
    pixel_shape: Fraction | None = None


def look_of(frame: Frame, codec: Codec, source: Path | None, info: VideoInfo | None) -> Look:
    """Return the look for frames like `frame`: rate, colours and pixel shape are the source's."""
    height, width = frame.pixels.shape[:2]
    is_deep = codec.deep and frame.pixels.dtype.itemsize == 2
    pix_fmt = "yuv420p10le" if is_deep else "yuv420p"
    if source is None or info is None:
        colours = colours_for(height)
        return Look(width, height, pix_fmt, frame.time_base, DEFAULT_RATE, colours)
    with open_video(source) as (_, stream):
        shape = stream.sample_aspect_ratio
        if shape and info.rotation % 180:
            shape = 1 / shape
        rate = min(rate_of(stream) or DEFAULT_RATE, _MOST_RATE)
        colours = colours_for(height, stream.codec_context)
    rate = rate.limit_denominator(_RATE_LIMIT)
    return Look(width, height, pix_fmt, frame.time_base, rate, colours, shape or None)


class Segment:
    """An open segment: frames are added, then it is closed; its first frame has time 0."""

    def __init__(self, path: Path, look: Look, codec: Codec, options: VideoOptions) -> None:
        self.path = path
        self.frames = 0
        self.first_pts = 0
        self._look = look
        self._durations: dict[int, int] = {}
        self._redates = codec.name == "h265"
        self._held: list[Packet[VideoStream]] = []
        self._closing = contextlib.ExitStack()
        self._container = self._closing.enter_context(created(path, PART_FORMAT))
        try:
            self._stream = _video_stream(self._container, look, codec, options)
            self._stream.codec_context.open()
        except (av.error.FFmpegError, UnknownCodecError) as error:
            self._closing.close()
            raise InputError(
                f"{path.parent}: the encoder of {codec.name} is not there or refuses pictures of "
                f"{look.width}x{look.height} ({error}); use another codec or preset",
                code="cannot_encode",
            ) from error

    def add(self, frame: Frame, pts: int) -> None:
        """Encode a frame to be shown at `pts` in the look's time base."""
        if not self.frames:
            self.first_pts = pts
        picture = from_rgb(frame.pixels, self._look.colours, self._look.pix_fmt)
        picture.pts, picture.time_base = pts - self.first_pts, self._look.time_base
        usual = max(1, round(1 / self._look.rate / self._look.time_base))
        self._durations[picture.pts] = frame.duration or usual
        self.frames += 1
        self._put(self._stream.encode(picture))

    def close(self) -> None:
        """Encode what is held back and end the file."""
        self._put(self._stream.encode(None))
        if self._held:
            _redate(self._held)
            self._redates = False
            self._put([])
        self._closing.close()

    def abandon(self) -> None:
        """End without a usable file."""
        with contextlib.suppress(av.error.FFmpegError):
            self._closing.close()
        self.path.unlink(missing_ok=True)

    def _put(self, packets: "list[Packet[VideoStream]]") -> None:
        self._held += packets
        if self._redates and self.frames < _SHORT_RUN:
            return  # the run may end here, and its times must be written then
        for packet in self._held:
            if packet.pts is not None:
                packet.duration = self._durations.pop(packet.pts, 0)
            self._container.mux(packet)
        self._held = []


def _redate(packets: "list[Packet[VideoStream]]") -> None:
    """Decode in the order given: rising times, none after its picture is shown."""
    shown = [packet.pts or 0 for packet in packets]
    rising = sorted(shown)
    ahead = max(after - own for after, own in zip(rising, shown, strict=True))
    for packet, moment in zip(packets, rising, strict=True):
        packet.dts = moment - ahead


def _video_stream(
    container: OutputContainer, look: Look, codec: Codec, options: VideoOptions
) -> VideoStream:
    stream = container.add_stream(codec.encoder, rate=look.rate, options=codec.options(options))
    assert isinstance(stream, VideoStream)
    stream.width, stream.height = look.width + look.width % 2, look.height + look.height % 2
    stream.pix_fmt = look.pix_fmt
    stream.time_base = look.time_base
    context = stream.codec_context
    context.time_base, context.framerate = look.time_base, look.rate
    context.bit_rate = 0
    context.gop_size = min(options.segment, _MOST_BETWEEN_KEYS)
    context.colorspace = look.colours.matrix
    context.color_range = look.colours.range
    context.color_primaries = look.colours.primaries
    context.color_trc = look.colours.transfer
    if look.pixel_shape:
        context.sample_aspect_ratio = look.pixel_shape
    return stream


@contextlib.contextmanager
def created(
    path: Path, format_name: str, options: dict[str, str] | None = None
) -> Iterator[OutputContainer]:
    """Open a file to write; it is ended properly also when the block fails."""
    container = av.open(str(path.resolve()), "w", format=format_name, container_options=options)
    try:
        yield container
    except BaseException:
        with contextlib.suppress(av.error.FFmpegError):  # the first error is the one to report
            container.close()
        raise
    container.close()
