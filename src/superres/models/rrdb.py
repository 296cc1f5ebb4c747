"""RRDB, the generator of ESRGAN: dense blocks in residual blocks (Wang et al., 2018)."""

from typing import ClassVar

import torch
from torch import nn

from superres.errors import ModelError
from superres.models.info import Generator, ModelInfo

DENSE = 5  # convolutions in a dense block, each seeing all before it
IN_A_ROW = 3  # dense blocks in a residual block
RESIDUAL = 0.2  # share of a block's result that is added


class DenseBlock(nn.Module):
    """Five 3x3 convolutions, `growth` channels more after each of the first four."""

    def __init__(self, channels: int, growth: int) -> None:
        super().__init__()
        outside = [growth] * (DENSE - 1) + [channels]
        self.steps = nn.ModuleList(
            nn.Conv2d(channels + index * growth, out, 3, padding=1)
            for index, out in enumerate(outside)
        )
        for step in self.steps:  # a tenth of He's start, as the paper trains deep stacks
            if isinstance(step, nn.Conv2d):
                nn.init.kaiming_normal_(step.weight, a=0.2)
                step.weight.data.mul_(0.1)
        self.activation = nn.LeakyReLU(0.2)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Refine `features (N, C, h, w)`."""
        seen = [features]
        for step in self.steps[:-1]:
            seen.append(self.activation(step(torch.cat(seen, dim=1))))
        last: torch.Tensor = self.steps[-1](torch.cat(seen, dim=1))
        return features + RESIDUAL * last


class ResidualInResidual(nn.Module):
    """Three dense blocks, a fifth of their result added to the input."""

    def __init__(self, channels: int, growth: int) -> None:
        super().__init__()
        self.body = nn.Sequential(*(DenseBlock(channels, growth) for _ in range(IN_A_ROW)))

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Refine `features (N, C, h, w)`."""
        refined: torch.Tensor = features + RESIDUAL * self.body(features)
        return refined


class RRDB(Generator):
    """23 blocks of 64 channels, growth 32, nearest x2 steps with convolutions; no batch norm.

    x4 has 16,697,987 parameters (the paper's 16.7 million). The halo of 23 blocks is 349 LR
    pixels: exact, but of what lies so far away hardly anything shows; a small form has few blocks.
    """

    paper: ClassVar[str] = "Wang et al., 2018"
    scales: ClassVar[tuple[int, ...]] = (2, 4, 8)

    def __init__(
        self, *, scale: int = 4, blocks: int = 23, channels: int = 64, growth: int = 32
    ) -> None:
        super().__init__()
        if scale not in self.scales:
            raise ModelError(f"scale {scale}: accepted by rrdb: {self.scales}")
        self.head = nn.Conv2d(3, channels, 3, padding=1)
        self.body = nn.Sequential(
            *(ResidualInResidual(channels, growth) for _ in range(blocks)),
            nn.Conv2d(channels, channels, 3, padding=1),
        )
        steps: list[nn.Module] = []
        for _ in range(scale.bit_length() - 1):
            convolution = nn.Conv2d(channels, channels, 3, padding=1)
            steps += [nn.Upsample(scale_factor=2, mode="nearest"), convolution, nn.LeakyReLU(0.2)]
        self.tail = nn.Sequential(
            *steps,
            nn.Conv2d(channels, channels, 3, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(channels, 3, 3, padding=1),
        )
        options = {"scale": scale, "blocks": blocks, "channels": channels, "growth": growth}
        # The convolutions after the first upsampling reach two LR pixels together at x2, else
        # one and a half at most, which is two as well.
        halo = 1 + DENSE * IN_A_ROW * blocks + 1 + 2
        self.info = ModelInfo("rrdb", options, scale=scale, halo=halo)

    def forward(self, lr: torch.Tensor) -> torch.Tensor:
        """Super-resolve `lr (N, 3, h, w) in [0, 1]`."""
        shallow = self.head(lr)
        sr: torch.Tensor = self.tail(shallow + self.body(shallow))
        return sr
