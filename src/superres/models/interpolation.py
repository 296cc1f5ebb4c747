"""Classic interpolation as a network without parameters: nearest to spline.

One fixed convolution makes all `scale**2` phases of an LR pixel at once and pixel-shuffle lays
them out: the same sums as a loop over output pixels, exact for tiles, exportable, on any device.
"""

import math
from collections.abc import Callable
from typing import ClassVar

import torch
from torch.nn import functional as F

from superres.errors import ModelError
from superres.models.info import Generator, ModelInfo

REACH = {"nearest": 0, "bilinear": 1, "bicubic": 2, "lanczos": 3, "spline": 8}  # LR pixels


def _bicubic(x: float) -> float:
    """Cubic convolution with a = -0.5, as MATLAB (Keys, 1981)."""
    x = abs(x)
    if x < 1:
        return 1.5 * x**3 - 2.5 * x**2 + 1
    return -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2 if x < 2 else 0.0


def _lanczos(x: float) -> float:
    """Return the windowed sinc with three lobes (Duchon, 1979)."""
    if x == 0:
        return 1.0
    return 3 * math.sin(math.pi * x) * math.sin(math.pi * x / 3) / (math.pi * x) ** 2


def _spline(x: float) -> float:
    """Return the cardinal cubic spline: B-spline and its prefilter as one kernel (Unser, 1999).

    The prefilter is the inverse of (1, 4, 1) / 6, which is sqrt(3) * pole^|k|: it never ends, but
    beyond eight pixels all weights together are less than a hundredth of a grey level.
    """
    pole = math.sqrt(3) - 2
    near = range(math.ceil(x - 2), math.floor(x + 2) + 1)
    return math.sqrt(3) * sum(pole ** abs(k) * _b_spline(x - k) for k in near)


def _b_spline(x: float) -> float:
    x = abs(x)
    return 2 / 3 - x**2 + x**3 / 2 if x < 1 else max(0.0, 2 - x) ** 3 / 6


KERNELS: dict[str, Callable[[float], float]] = {
    "nearest": lambda x: float(-0.5 <= x < 0.5),
    "bilinear": lambda x: max(0.0, 1 - abs(x)),
    "bicubic": _bicubic,
    "lanczos": lambda x: _lanczos(x) if abs(x) < 3 else 0.0,
    "spline": _spline,
}


def phase_weights(kernel: str, scale: int) -> torch.Tensor:
    """Return the weights `(scale, 2 * reach + 1)` of each output phase over its LR neighbours."""
    reach = REACH[kernel]
    weights = torch.zeros(scale, 2 * reach + 1, dtype=torch.float64)
    for phase in range(scale):
        centre = (phase + 0.5) / scale - 0.5  # position of the output pixel, in LR pixels
        for tap in range(-reach, reach + 1):
            weights[phase, tap + reach] = KERNELS[kernel](centre - tap)
    return weights / weights.sum(dim=1, keepdim=True)


class Interpolation(Generator):
    """Upsample by an integer factor; edges are replicated. No parameters."""

    weight: torch.Tensor

    def __init__(self, *, scale: int = 4, kernel: str = "bicubic") -> None:
        super().__init__()
        if kernel not in KERNELS:
            raise ModelError(f"interpolation kernel '{kernel}': accepted: {sorted(KERNELS)}")
        self.scale = scale
        self.reach = REACH[kernel]
        self.info = ModelInfo(kernel, {"scale": scale}, scale=scale, halo=self.reach)
        rows = phase_weights(kernel, scale)
        weight = torch.einsum("iy,jx->ijyx", rows, rows).flatten(0, 1).unsqueeze(1)
        self.register_buffer("weight", weight.float().repeat(3, 1, 1, 1), persistent=False)

    def forward(self, lr: torch.Tensor) -> torch.Tensor:
        """Interpolate `lr (N, 3, h, w) -> (N, 3, s*h, s*w)`; may overshoot [0, 1] at edges."""
        padded = F.pad(lr, [self.reach] * 4, mode="replicate")
        return F.pixel_shuffle(F.conv2d(padded, self.weight.to(lr.dtype), groups=3), self.scale)


class Nearest(Interpolation):
    """Pixel repetition."""

    paper: ClassVar[str] = "baseline of R3, R4"

    def __init__(self, *, scale: int = 4) -> None:
        super().__init__(scale=scale, kernel="nearest")


class Bilinear(Interpolation):
    """Linear interpolation between four neighbours."""

    paper: ClassVar[str] = "baseline of R4"

    def __init__(self, *, scale: int = 4) -> None:
        super().__init__(scale=scale, kernel="bilinear")


class Bicubic(Interpolation):
    """The baseline of every published table: cubic convolution, a = -0.5 (Keys, 1981)."""

    paper: ClassVar[str] = "Keys, 1981; R3, R4"

    def __init__(self, *, scale: int = 4) -> None:
        super().__init__(scale=scale, kernel="bicubic")


class Lanczos(Interpolation):
    """Windowed sinc with three lobes (Duchon, 1979)."""

    paper: ClassVar[str] = "Duchon, 1979"

    def __init__(self, *, scale: int = 4) -> None:
        super().__init__(scale=scale, kernel="lanczos")


class Spline(Interpolation):
    """Bicubic spline: through every LR pixel, with a continuous second derivative (R4).

    As scipy.ndimage.zoom of order 3 makes it with grid_mode=True and mode="nearest".
    """

    paper: ClassVar[str] = "Unser, 1999; R4"

    def __init__(self, *, scale: int = 4) -> None:
        super().__init__(scale=scale, kernel="spline")
