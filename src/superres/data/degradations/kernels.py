"""Blur kernels, their weights multiples of 2**-20 that sum to exactly 1.

Such weights times grey levels are exact in float64, so a sum is the same in any order, on any
processor and device.
"""

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

UNIT: Final = 2.0**-20
_Floats = NDArray[np.float64]


def gaussian(sigma: float) -> _Floats:
    """Return (2r + 1,) weights, r = 4 sigma rounded: 13 for sigma 1.6, as the BD protocol."""
    radius = max(1, int(4 * sigma + 0.5))
    steps = np.arange(-radius, radius + 1)
    return _exact(np.exp(-0.5 * (steps / sigma) ** 2))


def bell(
    side: int,
    sigmas: tuple[float, float],
    angle: float,
    *,
    shape: str = "gaussian",
    beta: float = 1,
) -> _Floats:
    """Return an anisotropic (side, side) kernel turned by `angle` radians.

    `shape` "gaussian"; with `beta` "generalized" (exp(-d**beta / 2)) or "plateau"
    (1 / (1 + d**beta)) (Liu et al. 2020, used by Wang et al. 2021).
    """
    steps = np.arange(side) - side // 2
    y, x = np.meshgrid(steps, steps, indexing="ij")
    along, across = (
        math.cos(angle) * x + math.sin(angle) * y,
        math.cos(angle) * y - math.sin(angle) * x,
    )
    distance = (along / sigmas[0]) ** 2 + (across / sigmas[1]) ** 2
    if shape == "plateau":
        return _exact(1 / (1 + distance**beta))
    return _exact(np.exp(-0.5 * distance ** (beta if shape == "generalized" else 1)))


def sinc(cutoff: float, side: int) -> _Floats:
    """Return a circular low-pass (side, side) that rings, `cutoff` in radians per pixel.

    The ideal filter (cutoff / 2 pi r) J1(cutoff r), cut off at the sides (Wang et al. 2021).
    """
    steps = np.arange(side) - side // 2
    radius = np.hypot(steps[:, None], steps[None, :])
    radius[side // 2, side // 2] = 1.0
    weights = cutoff * _j1(cutoff * radius) / (2 * math.pi * radius)
    weights[side // 2, side // 2] = cutoff**2 / (4 * math.pi)
    return _exact(weights)


def _j1(x: _Floats) -> _Floats:
    """Bessel's J1 by its integral (1/pi) int cos(t - x sin t) dt over 0..pi, midpoint rule."""
    angles = (np.arange(200) + 0.5) * (math.pi / 200)
    return np.asarray(np.cos(angles - x[..., None] * np.sin(angles)).mean(axis=-1))


def _exact(weights: _Floats) -> _Floats:
    counts = np.round(weights / weights.sum() / UNIT)
    counts.flat[counts.size // 2] += 1 / UNIT - counts.sum()
    return np.asarray(counts * UNIT, np.float64)
