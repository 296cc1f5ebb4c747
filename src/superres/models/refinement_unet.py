"""Refinement U-Net: bicubic first, then a U-Net that corrects the image (an idea of R1)."""

from typing import ClassVar

import torch
from torch import nn

from superres.models.info import Generator, ModelInfo
from superres.models.interpolation import Interpolation
from superres.models.unet import UNet


class RefinementUNet(Generator):
    """The bicubic image plus what a U-Net sees missing in it; untrained it is exact bicubic.

    Any scale and size; exact tiles need HR multiples of 2^depth, which inference pads to.
    """

    paper: ClassVar[str] = "idea of Chodounsky, 2021 (R1)"

    def __init__(
        self, *, scale: int = 2, channels: int = 64, depth: int = 4, norm: bool = False
    ) -> None:
        super().__init__()
        self.upscale = Interpolation(scale=scale, kernel="bicubic")
        self.trunk = UNet(channels=channels, depth=depth, norm=norm)
        self.tail = nn.Conv2d(channels, 3, 1)
        nn.init.zeros_(self.tail.weight)
        if self.tail.bias is not None:
            nn.init.zeros_(self.tail.bias)
        options = {"scale": scale, "channels": channels, "depth": depth, "norm": norm}
        # HR multiples of 2^depth are LR multiples of this: 2^depth without the twos in `scale`.
        twos = scale & -scale
        multiple_of = max(1, 2**depth // twos)
        halo = -(-self.trunk.reach // scale) + self.upscale.info.halo
        self.info = ModelInfo(
            "refinement_unet", options, scale=scale, halo=halo, multiple_of=multiple_of
        )

    def forward(self, lr: torch.Tensor) -> torch.Tensor:
        """Correct the bicubic image of `lr (N, 3, h, w) in [0, 1]`."""
        upscaled: torch.Tensor = self.upscale(lr)
        sr: torch.Tensor = upscaled + self.tail(self.trunk(upscaled))
        return sr
