"""YCbCr <-> RGB: matrix, range and depth, in one place so that a frame keeps its colours."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Colorspace, Interpolation
from numpy.typing import NDArray

UNSPECIFIED = 2
HDR_TRANSFERS = (16, 18)  # PQ and HLG
_HD_HEIGHT = 720
# Chroma is interpolated over the full width and sums are not cut short: a frame keeps its colours.
CONVERSION = Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT
# BT.709, FCC, BT.470BG, SMPTE 170M and 240M, BT.2020: what the conversion knows.
_MATRICES = {1, 4, 5, 6, 7, 9}


@dataclass(frozen=True)
class Colours:
    """How RGB is stored as YCbCr, in the numbers of ITU-T H.273 (2 is "not stated")."""

    matrix: int
    is_full_range: bool = False
    primaries: int = UNSPECIFIED
    transfer: int = UNSPECIFIED

    @property
    def range(self) -> ColorRange:
        """FFmpeg's name: MPEG 16..235, JPEG 0..255."""
        return ColorRange.JPEG if self.is_full_range else ColorRange.MPEG


def colour_matrix(height: int) -> Colorspace:
    """Return what players assume of a file that does not say: BT.709 from 720 rows, else 601."""
    return Colorspace.ITU709 if height >= _HD_HEIGHT else Colorspace.ITU601


def colours_for(height: int, source: VideoCodecContext | None = None) -> Colours:
    """Return the source's colours for a file of `height` rows, what it leaves open filled in.

    A matrix that the source does not state is what players assume of the new size, and stated.
    """
    assumed = int(colour_matrix(height))
    if source is None:
        return Colours(assumed)
    return Colours(
        matrix=int(source.colorspace) if int(source.colorspace) in _MATRICES else assumed,
        is_full_range=int(source.color_range) == int(ColorRange.JPEG),
        primaries=int(source.color_primaries),
        transfer=int(source.color_trc),
    )


def bits_of(frame: VideoFrame) -> int:
    """Return the bits of one sample of a decoded frame."""
    return max((part.bits for part in frame.format.components), default=8)


def to_rgb(frame: VideoFrame, *, deep: bool = False) -> NDArray[Any]:
    """Return RGB (H, W, 3), upright: uint8, or uint16 if `deep` and the file has more bits."""
    matrix = colour_matrix(frame.height) if frame.colorspace == UNSPECIFIED else None
    name, kind = ("rgb48le", np.uint16) if deep and bits_of(frame) > 8 else ("rgb24", np.uint8)
    rgb = frame.reformat(format=name, src_colorspace=matrix, interpolation=CONVERSION)
    pixels: NDArray[Any] = rgb.to_ndarray().astype(kind, copy=False)
    if frame.rotation % 360:
        pixels = np.ascontiguousarray(np.rot90(pixels, round(frame.rotation / 90)))
    return pixels


def from_rgb(pixels: NDArray[Any], colours: Colours, pix_fmt: str) -> VideoFrame:
    """Return RGB (H, W, 3) uint8 or uint16 as a picture to encode, odd sides made even.

    An odd side gets a copy of its last row or column.
    """
    height, width = pixels.shape[:2]
    if height % 2 or width % 2:
        pixels = np.pad(pixels, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    name = "rgb48le" if pixels.dtype == np.uint16 else "rgb24"
    # Not from_ndarray: its copy takes as long as the conversion.
    return VideoFrame.from_numpy_buffer(np.ascontiguousarray(pixels), name).reformat(
        format=pix_fmt,
        dst_colorspace=colours.matrix,
        dst_color_range=colours.range,
        interpolation=CONVERSION,
    )
