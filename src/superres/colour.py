"""BT.601 luma, which metrics and networks need where Pillow is not installed."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

# Of R, G and B in [0, 1], in levels of studio range: white has 219 above black, which has 16.
LUMA = (65.481, 128.553, 24.966)


def luma(rgb: NDArray[np.uint8] | NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """BT.601 luma in 16..235, not rounded, as MATLAB's rgb2ycbcr: (H, W, 3) in 0..255 -> (H, W)."""
    weights = np.array(LUMA) / 255
    red, green, blue = (rgb[..., channel] * weights[channel] for channel in range(3))
    return np.asarray(red + green + blue + 16, dtype=np.float64)
