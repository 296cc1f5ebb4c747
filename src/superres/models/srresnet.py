"""SRResNet, the generator of SRGAN (Ledig et al., 2017; reports R1 to R4)."""

from typing import ClassVar

import torch
from torch import nn

from superres.errors import ModelError
from superres.models.blocks import ResidualBlock, icnr, upsampling
from superres.models.info import Generator, ModelInfo
from superres.models.interpolation import Interpolation


class SRResNet(Generator):
    """Residual blocks at LR size, then sub-pixel or resize convolutions.

    16 blocks of 64 channels at x4 have 1,549,462 parameters (the paper's 1.5 million).
    `skip="bicubic"` adds the bicubic image, so that an untrained network is bicubic: our
    variant for short trainings; the paper has no such skip. `output="tanh"` ends in
    (tanh + 1) / 2 as R5 does, which keeps every value in [0, 1].
    """

    paper: ClassVar[str] = "Ledig et al., 2017; R1 to R4"
    scales: ClassVar[tuple[int, ...]] = (2, 4, 8)

    def __init__(
        self,
        *,
        scale: int = 4,
        blocks: int = 16,
        channels: int = 64,
        upsampler: str = "pixel_shuffle",
        norm: bool = True,
        skip: str = "none",
        init: str = "default",
        output: str = "linear",
    ) -> None:
        super().__init__()
        _check(skip, init, output)
        self.squash = output == "tanh"
        self.head = nn.Sequential(nn.Conv2d(3, channels, 9, padding=4), nn.PReLU())
        self.body = nn.Sequential(
            *(ResidualBlock(channels, norm=norm) for _ in range(blocks)),
            nn.Conv2d(channels, channels, 3, padding=1),
            nn.BatchNorm2d(channels) if norm else nn.Identity(),
        )
        self.up = upsampling(upsampler, channels, scale)
        self.tail = nn.Conv2d(channels, 3, 9, padding=4)
        self.skip = Interpolation(scale=scale, kernel="bicubic") if skip == "bicubic" else None
        if self.skip is not None:
            nn.init.zeros_(self.tail.weight)
            nn.init.zeros_(self.tail.bias) if self.tail.bias is not None else None
        if init == "icnr" and upsampler == "pixel_shuffle":
            for module in self.up:
                if isinstance(module, nn.Conv2d):
                    icnr(module)
        options = {
            "scale": scale,
            "blocks": blocks,
            "channels": channels,
            "upsampler": upsampler,
            "norm": norm,
            "skip": skip,
            "init": init,
            **({"output": output} if self.squash else {}),  # folders without it stay as they are
        }
        # 9x9, blocks, 3x3 at LR size; each upsampling convolution and the last 9x9 reach at most
        # one LR pixel more (4 / scale <= 2 for the 9x9).
        doublings = scale.bit_length() - 1
        halo = 4 + 2 * blocks + 1 + doublings + -(-4 // scale)
        self.info = ModelInfo("srresnet", options, scale=scale, halo=halo)

    def forward(self, lr: torch.Tensor) -> torch.Tensor:
        """Super-resolve `lr (N, 3, h, w) in [0, 1]`."""
        shallow = self.head(lr)
        sr: torch.Tensor = self.tail(self.up(shallow + self.body(shallow)))
        if self.squash:
            return (torch.tanh(sr) + 1) / 2
        return sr if self.skip is None else sr + self.skip(lr)


def _check(skip: str, init: str, output: str) -> None:
    if skip not in ("none", "bicubic") or init not in ("default", "icnr"):
        raise ModelError(
            f"srresnet skip '{skip}', init '{init}': accepted: skip 'none', 'bicubic'; "
            "init 'default', 'icnr'"
        )
    if output not in ("linear", "tanh") or (output == "tanh" and skip != "none"):
        raise ModelError(
            f"srresnet output '{output}' with skip '{skip}': accepted: output 'linear', or "
            "'tanh' with skip 'none'"
        )
