"""Frames -> what is left of them after H.264, without a file."""

from collections.abc import Iterable, Iterator
from fractions import Fraction

import av
import numpy as np
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange
from numpy.typing import NDArray

from superres.video.colours import CONVERSION, colour_matrix

_RATE = 25
# With AVX-512 x264 makes other films now and then on a busy machine (docs/decisions.md).
_PLAIN = {"x264-params": "asm=0"}


def recompressed(
    frames: Iterable[NDArray[np.uint8]], crf: int, preset: str = "medium"
) -> Iterator[NDArray[np.uint8]]:
    """Yield `frames`, RGB uint8 (H, W, 3) of one size, encoded as one film and decoded again.

    libx264, yuv420p, constant rate factor `crf` (0 the best, 51 the worst). One thread, so that
    the same frames give the same bytes on any number of cores. An odd side is padded with a copy
    of its last line and cut again.
    """
    encoder: VideoCodecContext | None = None
    decoder = av.CodecContext.create("h264", "r")
    assert isinstance(decoder, VideoCodecContext)
    decoder.thread_count = 1
    height = width = 0
    for number, pixels in enumerate(frames):
        if encoder is None:
            height, width = pixels.shape[:2]
            encoder = _encoder(height, width, {"crf": str(crf), "preset": preset})
        for packet in encoder.encode(_picture(pixels, number)):
            yield from (_pixels(frame, height, width) for frame in decoder.decode(packet))
    for packet in encoder.encode(None) if encoder else ():
        yield from (_pixels(frame, height, width) for frame in decoder.decode(packet))
    if encoder is not None:
        yield from (_pixels(frame, height, width) for frame in decoder.decode(None))


def _encoder(height: int, width: int, options: dict[str, str]) -> VideoCodecContext:
    encoder = av.CodecContext.create("libx264", "w")
    assert isinstance(encoder, VideoCodecContext)
    encoder.width, encoder.height = width + width % 2, height + height % 2
    encoder.pix_fmt = "yuv420p"
    encoder.framerate, encoder.time_base = Fraction(_RATE), Fraction(1, _RATE)
    encoder.colorspace = colour_matrix(height)
    encoder.color_range = ColorRange.MPEG
    encoder.thread_count = 1
    encoder.options = {**options, **_PLAIN}
    return encoder


def _picture(pixels: NDArray[np.uint8], number: int) -> VideoFrame:
    height, width = pixels.shape[:2]
    even = np.pad(pixels, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    picture = VideoFrame.from_ndarray(np.ascontiguousarray(even), "rgb24").reformat(
        format="yuv420p",
        dst_colorspace=colour_matrix(height),
        dst_color_range=ColorRange.MPEG,
        interpolation=CONVERSION,
    )
    picture.pts, picture.time_base = number, Fraction(1, _RATE)
    return picture


def _pixels(frame: VideoFrame, height: int, width: int) -> NDArray[np.uint8]:
    rgb = frame.reformat(
        format="rgb24", src_colorspace=colour_matrix(height), interpolation=CONVERSION
    )
    return np.ascontiguousarray(rgb.to_ndarray()[:height, :width], np.uint8)
