"""Networks' floats -> integer levels: clamped, then rounded half up, once."""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

BLOCK = 1 << 17  # values converted together: they stay in the processor's cache


@dataclass(frozen=True)
class Crop:
    """A core within the result of its tile, in SR pixels."""

    top: int
    left: int
    height: int
    width: int


def to_levels(sr: Floats, dtype: "np.dtype[Any]") -> NDArray[Any]:
    """(1, 3, h, w) nominally in [0, 1] -> (h, w, 3) uint8 or uint16; `sr` may be overwritten."""
    planes = sr[0].transpose(1, 2, 0)
    height, width, _ = planes.shape
    levels = np.empty((height, width, 3), dtype)
    block = max(1, BLOCK // (3 * width))
    scratch = np.empty((min(block, height), width, 3), np.float32)
    for top in range(0, height, block):
        part = planes[top : top + block]
        room = scratch[: len(part)]
        np.multiply(part, np.float32(np.iinfo(dtype).max), out=room)
        put_levels(room, levels[top : top + block])
    return levels


def put_levels(scaled: Floats, out: NDArray[Any]) -> None:
    """Clamp and round `scaled`, levels as floats, into `out`; `scaled` is overwritten."""
    scaled += np.float32(0.5)
    if out.dtype == np.uint8:
        # A truncating cast made of OpenCV's fast rounding one: floor first, then it is exact.
        np.clip(scaled, 0, 255.5, out=scaled)
        np.floor(scaled, out=scaled)
        cv2.convertScaleAbs(scaled, out)
    else:
        np.clip(scaled, 0, np.iinfo(out.dtype).max, out=scaled)
        out[...] = scaled.astype(out.dtype)
