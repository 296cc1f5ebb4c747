"""Classic interpolation as a network without parameters: nearest to Lanczos.

One fixed convolution makes all `scale**2` phases of an LR pixel at once and pixel-shuffle lays
them out: the same sums as a loop over output pixels, exact for tiles, exportable, on any device.
"""

import math
from collections.abc import Callable

import torch
from torch.nn import functional as F

from superres.errors import ModelError
from superres.models.info import Generator, ModelInfo

REACH = {"nearest": 0, "bilinear": 1, "bicubic": 2, "lanczos": 3}  # LR pixels


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


KERNELS: dict[str, Callable[[float], float]] = {
    "nearest": lambda x: float(-0.5 <= x < 0.5),
    "bilinear": lambda x: max(0.0, 1 - abs(x)),
    "bicubic": _bicubic,
    "lanczos": lambda x: _lanczos(x) if abs(x) < 3 else 0.0,
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

    def __init__(self, *, scale: int = 4) -> None:
        super().__init__(scale=scale, kernel="nearest")


class Bilinear(Interpolation):
    """Linear interpolation between four neighbours."""

    def __init__(self, *, scale: int = 4) -> None:
        super().__init__(scale=scale, kernel="bilinear")


class Bicubic(Interpolation):
    """The baseline of every published table: cubic convolution, a = -0.5 (Keys, 1981)."""

    def __init__(self, *, scale: int = 4) -> None:
        super().__init__(scale=scale, kernel="bicubic")


class Lanczos(Interpolation):
    """Windowed sinc with three lobes (Duchon, 1979)."""

    def __init__(self, *, scale: int = 4) -> None:
        super().__init__(scale=scale, kernel="lanczos")
