"""A small plain network of our own: 3x3 convolutions at LR size, pixel-shuffle last, bicubic skip.

The family of ESPCN (Shi et al., 2016) and the compact networks that came after it: the cheapest
way to better than bicubic on a CPU.
"""

from typing import ClassVar

import torch
from torch import nn

from superres.models.info import Generator, ModelInfo
from superres.models.interpolation import Interpolation


class Compact(Generator):
    """`layers` convolutions of `channels`, then one to 3 * scale**2; starts as exact bicubic."""

    paper: ClassVar[str] = "ours, after Shi et al., 2016"

    def __init__(self, *, scale: int = 4, channels: int = 32, layers: int = 5) -> None:
        super().__init__()
        steps: list[nn.Module] = []
        for width in [3] + [channels] * (layers - 1):
            convolution = nn.Conv2d(width, channels, 3, padding=1)
            # The default start shrinks a plain stack's signal to nothing, and with ReLU the last
            # layer's features die in the first steps: He's start and PReLU keep both alive.
            nn.init.kaiming_normal_(convolution.weight, a=0.25)
            steps += [convolution, nn.PReLU(channels)]
        last = nn.Conv2d(channels, 3 * scale**2, 3, padding=1)
        nn.init.zeros_(last.weight)
        if last.bias is not None:
            nn.init.zeros_(last.bias)
        self.body = nn.Sequential(*steps, last, nn.PixelShuffle(scale))
        self.skip = Interpolation(scale=scale, kernel="bicubic")
        options = {"scale": scale, "channels": channels, "layers": layers}
        self.info = ModelInfo("compact", options, scale=scale, halo=max(layers + 1, 2))

    def forward(self, lr: torch.Tensor) -> torch.Tensor:
        """Add detail to the bicubic image of `lr (N, 3, h, w) in [0, 1]`."""
        sr: torch.Tensor = self.body(lr) + self.skip(lr)
        return sr
