"""A real-time network of our own: wide in training, plain 3x3 convolutions when it is used.

Every convolution is trained as a sum of linear branches (Ding et al., 2021; ECBSR, Zhang et al.,
2021) and run as the one 3x3 kernel that they add up to. The sum is taken over the kernels, not over
the features (Hu et al., 2022), so training costs little more than the plain network, and zero
padding means the same in both forms.
"""

from typing import ClassVar

import torch
from torch import nn

from superres.errors import ModelError
from superres.models.branched import Layers, settled
from superres.models.info import Generator, ModelInfo
from superres.models.interpolation import Interpolation


class Fast(Generator):
    """`layers` convolutions of `channels` at LR size, one to the sub-pixels, a bicubic skip.

    `colour="luma"` makes one residual for all three channels: it moves the luma and leaves the
    chroma bicubic, as the published luma networks do, for a third of the last convolution.
    `deployed=True` is the plain form; `deployed()` turns a trained one into it.
    """

    paper: ClassVar[str] = "ours, after Zhang et al., 2021 and Hu et al., 2022"

    def __init__(
        self,
        *,
        scale: int = 4,
        channels: int = 16,
        layers: int = 8,
        expansion: int = 4,
        colour: str = "luma",
        deployed: bool = False,
    ) -> None:
        super().__init__()
        if colour not in ("luma", "rgb"):
            raise ModelError(f"fast colour '{colour}': accepted: 'luma', 'rgb'")
        self.last = (1 if colour == "luma" else 3) * scale**2
        make = Layers(expansion, deployed=deployed)
        steps: list[nn.Module] = []
        for inside in [3] + [channels] * (layers - 1):
            steps += [make.layer(inside, channels), nn.PReLU(channels)]
        steps += [make.layer(channels, self.last, zero=True)]
        self.body = nn.Sequential(*steps, nn.PixelShuffle(scale))
        self.skip = Interpolation(scale=scale, kernel="bicubic")
        options = {
            "scale": scale,
            "channels": channels,
            "layers": layers,
            "expansion": expansion,
            "colour": colour,
            "deployed": deployed,
        }
        self.info = ModelInfo("fast", options, scale=scale, halo=max(layers + 1, 2))

    def forward(self, lr: torch.Tensor) -> torch.Tensor:
        """Add detail to the bicubic image of `lr (N, 3, h, w) in [0, 1]`."""
        sr: torch.Tensor = self.skip(lr) + self.body(lr)
        return sr

    @torch.no_grad()
    def deployed(self) -> "Fast":
        """Return the plain network that computes the same."""
        return settled(self, Fast(**{**self.info.options, "deployed": True}))
