"""The parts that generators share."""

import math

import torch
from torch import nn

from superres.errors import ModelError


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions around PReLU, added to the input (Ledig et al., 2017)."""

    def __init__(self, channels: int, *, norm: bool) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1),
            nn.BatchNorm2d(channels) if norm else nn.Identity(),
            nn.PReLU(),
            nn.Conv2d(channels, channels, 3, padding=1),
            nn.BatchNorm2d(channels) if norm else nn.Identity(),
        )

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Refine `features (N, C, h, w)`."""
        refined: torch.Tensor = features + self.body(features)
        return refined


def pixel_shuffle_steps(channels: int, scale: int) -> nn.Sequential:
    """Return x2 sub-pixel convolutions up to `scale` (Shi et al., 2016)."""
    steps: list[nn.Module] = []
    for factor in _doublings(scale):
        convolution = nn.Conv2d(channels, channels * factor**2, 3, padding=1)
        steps += [convolution, nn.PixelShuffle(factor), nn.PReLU()]
    return nn.Sequential(*steps)


def resize_conv_steps(channels: int, scale: int) -> nn.Sequential:
    """Return x2 nearest resizes, each with a convolution: no checkerboard (Odena et al., 2016)."""
    steps: list[nn.Module] = []
    for factor in _doublings(scale):
        convolution = nn.Conv2d(channels, channels, 3, padding=1)
        steps += [nn.Upsample(scale_factor=factor, mode="nearest"), convolution, nn.PReLU()]
    return nn.Sequential(*steps)


UPSAMPLERS = {"pixel_shuffle": pixel_shuffle_steps, "resize_conv": resize_conv_steps}


def upsampling(name: str, channels: int, scale: int) -> nn.Sequential:
    """Build an upsampler by name, `(N, C, h, w) -> (N, C, s*h, s*w)`."""
    if name not in UPSAMPLERS:
        raise ModelError(f"upsampler '{name}': accepted: {sorted(UPSAMPLERS)}")
    return UPSAMPLERS[name](channels, scale)


def _doublings(scale: int) -> list[int]:
    if scale < 2 or scale & (scale - 1):
        raise ModelError(f"scale {scale}: this network doubles, so accepted: 2, 4, 8")
    return [2] * round(math.log2(scale))


def icnr(convolution: nn.Conv2d, factor: int = 2) -> None:
    """Start a sub-pixel convolution as nearest resize, without a grid (Aitken et al., 2017)."""
    weight = convolution.weight
    coarse = torch.empty(weight.shape[0] // factor**2, *weight.shape[1:])
    nn.init.kaiming_normal_(coarse)
    with torch.no_grad():
        weight.copy_(coarse.repeat_interleave(factor**2, dim=0))
        if convolution.bias is not None:
            convolution.bias.zero_()
