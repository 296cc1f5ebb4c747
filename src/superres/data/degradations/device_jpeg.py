"""JPEG's loss in exact float64 tensor arithmetic: what is left after quantisation, no bytes.

Colour and cosine weights are rounded to 2**-14, so every sum of products is exact and the same
on all devices. 4:2:0, the tables of the standard's annex K scaled by quality as libjpeg does.
"""

from functools import lru_cache
from typing import Final

import torch
import torch.nn.functional as F

_UNIT: Final = 2.0**-14
_LUMINANCE: Final = """
16 11 10 16 24 40 51 61  12 12 14 19 26 58 60 55  14 13 16 24 40 57 69 56
14 17 22 29 51 87 80 62  18 22 37 56 68 109 103 77  24 35 55 64 81 104 113 92
49 64 78 87 103 121 120 101  72 92 95 98 112 100 103 99"""
_CHROMINANCE: Final = (
    """
17 18 24 47 99 99 99 99  18 21 26 66 99 99 99 99  24 26 56 99 99 99 99 99
47 66 99 99 99 99 99 99"""
    + " 99" * 32
)


def _exact(values: list[list[float]]) -> torch.Tensor:
    return torch.round(torch.tensor(values, dtype=torch.float64) / _UNIT) * _UNIT


_TO_YCC: Final = [
    [0.299, 0.587, 0.114],
    [-0.168736, -0.331264, 0.5],
    [0.5, -0.418688, -0.081312],
]
_TO_RGB: Final = [[1.0, 0.0, 1.402], [1.0, -0.344136, -0.714136], [1.0, 1.772, 0.0]]
LUMA: Final = tuple(round(weight / _UNIT) * _UNIT for weight in _TO_YCC[0])


def compressed(pixels: torch.Tensor, quality: int) -> torch.Tensor:
    """Return `pixels` (3, H, W), whole levels 0..255 in float64, after JPEG at `quality` 1..100."""
    height, width = pixels.shape[1:]
    padded = F.pad(pixels[None], (0, -width % 16, 0, -height % 16), mode="replicate")[0]
    ycc = torch.round(_mixed(_TO_YCC, padded))
    chroma = torch.round(F.avg_pool2d(ycc[1:], 2))
    luminance = _quantised(ycc[:1] - 128, _table(_LUMINANCE, quality)) + 128
    chroma = _quantised(chroma, _table(_CHROMINANCE, quality))
    luminance = torch.round(luminance).clamp(0, 255)
    chroma = torch.round(chroma).clamp(-128, 127)
    chroma = torch.round(_doubled(_doubled(chroma).transpose(1, 2)).transpose(1, 2))
    rgb = _mixed(_TO_RGB, torch.cat([luminance, chroma]))
    return torch.round(rgb).clamp(0, 255)[:, :height, :width].contiguous()


def _mixed(weights: list[list[float]], planes: torch.Tensor) -> torch.Tensor:
    matrix = _exact(weights).to(planes.device)
    return (matrix @ planes.flatten(1)).view_as(planes)


def _quantised(planes: torch.Tensor, table: torch.Tensor) -> torch.Tensor:
    """Cosine transform 8x8 blocks of (C, H, W), round to multiples of `table`, transform back."""
    channels, height, width = planes.shape
    blocks = planes.view(channels, height // 8, 8, width // 8, 8).transpose(2, 3)
    cosines, steps = _cosines().to(planes.device), table.to(planes.device)
    coefficients = cosines @ blocks @ cosines.T
    coefficients = torch.round(coefficients / steps) * steps
    blocks = cosines.T @ coefficients @ cosines
    return blocks.transpose(2, 3).reshape(channels, height, width)


def _doubled(planes: torch.Tensor) -> torch.Tensor:
    """Twice as many rows of (C, H, W), three quarters of the near and one of the far neighbour."""
    near, above, below = planes, planes[:, :1], planes[:, -1:]
    up = torch.cat([above, planes[:, :-1]], dim=1)
    down = torch.cat([planes[:, 1:], below], dim=1)
    return torch.stack([near * 0.75 + up * 0.25, near * 0.75 + down * 0.25], dim=2).flatten(1, 2)


@lru_cache(maxsize=1)
def _cosines() -> torch.Tensor:
    places = torch.arange(8, dtype=torch.float64)
    matrix = torch.cos(torch.pi / 8 * (places[None] + 0.5) * places[:, None]) / 2
    matrix[0] *= 0.5**0.5
    return torch.round(matrix / _UNIT) * _UNIT


@lru_cache(maxsize=256)
def _table(text: str, quality: int) -> torch.Tensor:
    share = 5000 // quality if quality < 50 else 200 - 2 * quality
    values = torch.tensor([int(word) for word in text.split()], dtype=torch.int64)
    scaled = torch.div(values * share + 50, 100, rounding_mode="floor").clamp(1, 255)
    return scaled.double().view(8, 8)
