"""ESPCN: three convolutions at LR size and the first pixel-shuffle (Shi et al., 2016)."""

from typing import ClassVar

import torch
from torch import nn

from superres.errors import ModelError
from superres.models.info import Generator, ModelInfo
from superres.models.interpolation import Interpolation
from superres.models.luma import luma_of, with_luma


class ESPCN(Generator):
    """5x5, 3x3 and 3x3 convolutions with tanh between, 64 and 32 wide, then the sub-pixels.

    `colour="luma"` is the paper's form: luma is made, chroma is bicubic; x2, x3 and x4 have
    21,284, 22,729 and 24,752 parameters. `colour="rgb"` sees and makes all three channels.
    """

    paper: ClassVar[str] = "Shi et al., 2016"

    def __init__(
        self,
        *,
        scale: int = 4,
        channels: tuple[int, int] | list[int] = (64, 32),
        colour: str = "luma",
    ) -> None:
        super().__init__()
        if colour not in ("rgb", "luma"):
            raise ModelError(f"espcn colour '{colour}': accepted: 'luma', 'rgb'")
        planes = 1 if colour == "luma" else 3
        first, second = channels
        self.skip = Interpolation(scale=scale, kernel="bicubic") if colour == "luma" else None
        self.body = nn.Sequential(
            nn.Conv2d(planes, first, 5, padding=2),
            nn.Tanh(),
            nn.Conv2d(first, second, 3, padding=1),
            nn.Tanh(),
            nn.Conv2d(second, planes * scale**2, 3, padding=1),
            nn.PixelShuffle(scale),
        )
        options = {"scale": scale, "channels": list(channels), "colour": colour}
        self.info = ModelInfo("espcn", options, scale=scale, halo=4)

    def forward(self, lr: torch.Tensor) -> torch.Tensor:
        """Super-resolve `lr (N, 3, h, w) in [0, 1]`."""
        if self.skip is None:
            sr: torch.Tensor = self.body(lr)
            return sr
        return with_luma(self.skip(lr), self.body(luma_of(lr)))
