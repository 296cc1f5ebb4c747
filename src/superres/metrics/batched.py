"""PSNR and SSIM of batches in torch, on the CPU or a GPU, equal to `fidelity` picture by picture.

Everything is computed in float64: SSIM subtracts squares of means from means of squares, and in
float32 (let alone TF32) that moves the fourth decimal.
"""

from typing import NamedTuple

import torch
from torch.nn import functional as F

from superres.colour import LUMA
from superres.errors import InputError
from superres.metrics import fidelity
from superres.metrics.fidelity import Channel


class Scores(NamedTuple):
    """Figures `(N,)` of a batch, float64: `psnr` in dB, `ssim` up to 1, `mse` on [0, 1]."""

    psnr: torch.Tensor
    ssim: torch.Tensor
    mse: torch.Tensor


def score(sr: torch.Tensor, hr: torch.Tensor, *, border: int, channel: Channel = "y") -> Scores:
    """Compare `(N, 3, H, W)` in [0, 1] as `fidelity.score` compares the files they would make.

    Both are clamped and rounded to 255 levels first; `border` pixels are shaved off each side.
    Raises InputError for different shapes or pictures too small for SSIM.
    """
    _require_same_shape(sr, hr)
    sr, hr = (_shaved(quantised(planes), border) for planes in (sr, hr))
    if channel == "y":
        sr, hr = luma(sr), luma(hr)
    return Scores(psnr(sr, hr), ssim(sr, hr), mse(sr, hr) / 255.0**2)


def quantised(planes: torch.Tensor) -> torch.Tensor:
    """Return `(N, C, H, W)` in [0, 1] as whole levels 0..255 in float64, rounded half up."""
    return planes.detach().float().clamp(0, 1).mul(255).add(0.5).floor().double()


def luma(rgb: torch.Tensor) -> torch.Tensor:
    """BT.601 luma, not rounded: `(N, 3, H, W)` in 0..255 -> `(N, 1, H, W)` in 16..235."""
    weights = torch.tensor(LUMA, dtype=torch.float64, device=rgb.device) / 255
    return (rgb.double() * weights.view(1, 3, 1, 1)).sum(dim=1, keepdim=True) + 16


def mse(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Mean squared error `(N,)` of `(N, C, H, W)`, in squared units of the values."""
    _require_same_shape(a, b)
    return (a.double() - b.double()).square().flatten(1).mean(dim=1)


def psnr(a: torch.Tensor, b: torch.Tensor, peak: float = 255.0) -> torch.Tensor:
    """Peak signal-to-noise ratio `(N,)` in dB; infinite where the pictures are equal."""
    return 10 * torch.log10(peak**2 / mse(a, b))


def ssim(a: torch.Tensor, b: torch.Tensor, peak: float = 255.0) -> torch.Tensor:
    """Mean structural similarity `(N,)` of `(N, C, H, W)` (Wang et al. 2004), as MATLAB's.

    Raises InputError for a side below 11 pixels or different shapes.
    """
    _require_same_shape(a, b)
    weights = torch.tensor(fidelity.window(), dtype=torch.float64, device=a.device)
    if min(a.shape[-2:]) < len(weights):
        raise InputError(
            f"SSIM needs at least {len(weights)}x{len(weights)} pixels, "
            f"got {a.shape[-1]}x{a.shape[-2]}",
            code="too_small",
        )
    x, y = (planes.double().flatten(0, 1).unsqueeze(1) for planes in (a, b))
    means = [_blur(planes, weights) for planes in (x, y, x * y, x * x + y * y)]
    product, squares = means[0] * means[1], means[0].square() + means[1].square()
    c1, c2 = (0.01 * peak) ** 2, (0.03 * peak) ** 2
    similarity = (2 * product + c1) * (2 * (means[2] - product) + c2)
    similarity /= (squares + c1) * (means[3] - squares + c2)
    return similarity.view(*a.shape[:2], -1).mean(dim=(1, 2))


def _blur(planes: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Gaussian-weighted mean of every window inside (N, 1, H, W)."""
    rows = F.conv2d(planes, weights.view(1, 1, -1, 1))
    return F.conv2d(rows, weights.view(1, 1, 1, -1))


def _shaved(planes: torch.Tensor, border: int) -> torch.Tensor:
    height, width = planes.shape[-2:]
    if min(height, width) <= 2 * border:
        raise InputError(
            f"a picture of {width}x{height} has nothing left after a shave of {border} pixels",
            code="too_small",
        )
    return planes[..., border : height - border, border : width - border]


def _require_same_shape(a: torch.Tensor, b: torch.Tensor) -> None:
    if a.shape != b.shape or a.ndim != 4:
        raise InputError(
            "batches of one shape (N, C, H, W) can be compared, "
            f"got {tuple(a.shape)} and {tuple(b.shape)}"
        )
