"""SR-U-Net: a U-Net whose expanding path goes further than it came from (Chodounsky, R1)."""

from typing import ClassVar

import torch
from torch import nn

from superres.errors import ModelError
from superres.models.info import Generator, ModelInfo
from superres.models.interpolation import Interpolation
from superres.models.unet import Expand, UNet


class SRUNet(Generator):
    """The contracting path on the LR image, the expanding path one level further for each x2.

    R1's form takes 64x64 to 128x128: scale 2, four levels from 64 channels (34.6 million
    parameters; widths of Ronneberger et al., 2015). A small form has few channels and
    levels. Any size; exact tiles need multiples of 2^depth, which inference pads to.
    `skip="bicubic"` adds the bicubic image, so that an untrained network is bicubic: our variant
    for short trainings; R1 has no such skip.
    """

    paper: ClassVar[str] = "Chodounsky, 2021 (R1)"
    scales: ClassVar[tuple[int, ...]] = (2, 4, 8)

    def __init__(
        self,
        *,
        scale: int = 2,
        channels: int = 64,
        depth: int = 4,
        norm: bool = False,
        skip: str = "none",
    ) -> None:
        super().__init__()
        if scale not in self.scales:
            raise ModelError(f"scale {scale}: accepted by srunet: {self.scales}")
        if skip not in ("none", "bicubic"):
            raise ModelError(f"srunet skip '{skip}': accepted: 'none', 'bicubic'")
        self.trunk = UNet(channels=channels, depth=depth, norm=norm)
        further = (
            Expand(channels, channels, beside=0, norm=norm) for _ in range(scale.bit_length() - 1)
        )
        self.further = nn.Sequential(*further)
        self.tail = nn.Conv2d(channels, 3, 1)
        with torch.no_grad():
            self.tail.weight.mul_(0.1)  # He's features are larger than pixels
        self.skip = Interpolation(scale=scale, kernel="bicubic") if skip == "bicubic" else None
        if self.skip is not None:
            nn.init.zeros_(self.tail.weight)
            nn.init.zeros_(self.tail.bias) if self.tail.bias is not None else None
        options = {
            "scale": scale,
            "channels": channels,
            "depth": depth,
            "norm": norm,
            "skip": skip,
        }
        # Three convolutions at twice the LR size reach 1.5 LR pixels, those after them less.
        halo = self.trunk.reach + (2 if scale == 2 else 3)
        self.info = ModelInfo("srunet", options, scale=scale, halo=halo, multiple_of=2**depth)

    def forward(self, lr: torch.Tensor) -> torch.Tensor:
        """Super-resolve `lr (N, 3, h, w) in [0, 1]`; the result is not bounded."""
        sr: torch.Tensor = self.tail(self.further(self.trunk(lr)))
        return sr if self.skip is None else sr + self.skip(lr)
