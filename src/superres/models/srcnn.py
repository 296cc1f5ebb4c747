"""SRCNN: bicubic first, then three convolutions (Dong et al., 2014 and 2016; report R4)."""

import math
from typing import ClassVar

import torch
from torch import nn

from superres.errors import ModelError
from superres.models.info import Generator, ModelInfo
from superres.models.interpolation import Interpolation
from superres.models.luma import luma_of, with_luma


class SRCNN(Generator):
    """Patch extraction, non-linear mapping, reconstruction on the bicubic image.

    `colour="luma"` is the paper's form: the network sees luma, chroma stays bicubic, and 9-1-5
    has 8,032 weights (9-5-5: 57,184). `colour="rgb"` sees and makes all three channels (R4).
    """

    paper: ClassVar[str] = "Dong et al., 2014, 2016; R4"

    def __init__(
        self,
        *,
        scale: int = 4,
        kernels: tuple[int, int, int] | list[int] = (9, 1, 5),
        channels: tuple[int, int] | list[int] = (64, 32),
        colour: str = "rgb",
    ) -> None:
        super().__init__()
        if colour not in ("rgb", "luma"):
            raise ModelError(f"srcnn colour '{colour}': accepted: 'rgb', 'luma'")
        self.luma = colour == "luma"
        planes = 1 if self.luma else 3
        first, second = channels
        self.upscale = Interpolation(scale=scale, kernel="bicubic")
        self.body = nn.Sequential(
            nn.Conv2d(planes, first, kernels[0], padding="same"),
            nn.ReLU(inplace=True),
            nn.Conv2d(first, second, kernels[1], padding="same"),
            nn.ReLU(inplace=True),
            nn.Conv2d(second, planes, kernels[2], padding="same"),
        )
        reach = sum(kernel // 2 for kernel in kernels)  # HR pixels
        options = {
            "scale": scale,
            "kernels": list(kernels),
            "channels": list(channels),
            "colour": colour,
        }
        halo = math.ceil(reach / scale) + self.upscale.info.halo
        self.info = ModelInfo("srcnn", options, scale=scale, halo=halo)

    def forward(self, lr: torch.Tensor) -> torch.Tensor:
        """Sharpen the bicubic image of `lr (N, 3, h, w) in [0, 1]`."""
        upscaled: torch.Tensor = self.upscale(lr)
        if not self.luma:
            sharpened: torch.Tensor = self.body(upscaled)
            return sharpened
        return with_luma(upscaled, self.body(luma_of(upscaled)))
