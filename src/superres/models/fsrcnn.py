"""FSRCNN: shrink, map and expand at LR size, a transposed convolution last (Dong et al., 2016)."""

from typing import ClassVar

import torch
from torch import nn

from superres.errors import ModelError
from superres.models.info import Generator, ModelInfo
from superres.models.interpolation import Interpolation
from superres.models.luma import luma_of, with_luma


class FSRCNN(Generator):
    """FSRCNN(d, s, m): `channels` d = 56, `shrunk` s = 12, `layers` m = 4; PReLU after each.

    `colour="luma"` is the paper's form of 12,464 weights (biases and slopes not counted): luma is
    made, chroma is bicubic. `colour="rgb"` sees and makes all three channels.
    """

    paper: ClassVar[str] = "Dong et al., 2016"

    def __init__(
        self,
        *,
        scale: int = 4,
        channels: int = 56,
        shrunk: int = 12,
        layers: int = 4,
        colour: str = "luma",
    ) -> None:
        super().__init__()
        if colour not in ("rgb", "luma"):
            raise ModelError(f"fsrcnn colour '{colour}': accepted: 'luma', 'rgb'")
        planes = 1 if colour == "luma" else 3
        self.skip = Interpolation(scale=scale, kernel="bicubic") if colour == "luma" else None
        sizes = [(planes, channels, 5), (channels, shrunk, 1)]
        sizes += [(shrunk, shrunk, 3)] * layers + [(shrunk, channels, 1)]
        steps: list[nn.Module] = []
        for inside, outside, kernel in sizes:
            convolution = nn.Conv2d(inside, outside, kernel, padding=kernel // 2)
            nn.init.kaiming_normal_(convolution.weight, a=0.25)
            steps += [convolution, nn.PReLU(outside)]
        self.body = nn.Sequential(*steps)
        self.up = nn.ConvTranspose2d(
            channels, planes, 9, stride=scale, padding=4, output_padding=scale - 1
        )
        nn.init.normal_(self.up.weight, std=0.001)
        options = {
            "scale": scale,
            "channels": channels,
            "shrunk": shrunk,
            "layers": layers,
            "colour": colour,
        }
        # The transposed 9x9 kernel spans four HR pixels to each side of an LR pixel's first one.
        halo = max(2 + layers + (3 + scale) // scale, 2)
        self.info = ModelInfo("fsrcnn", options, scale=scale, halo=halo)

    def forward(self, lr: torch.Tensor) -> torch.Tensor:
        """Super-resolve `lr (N, 3, h, w) in [0, 1]`."""
        if self.skip is None:
            sr: torch.Tensor = self.up(self.body(lr))
            return sr
        return with_luma(self.skip(lr), self.up(self.body(luma_of(lr))))
