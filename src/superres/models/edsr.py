"""EDSR: SRResNet without batch norm, the common yardstick (Lim et al., 2017)."""

from typing import ClassVar

import torch
from torch import nn

from superres.errors import ModelError
from superres.models.info import Generator, ModelInfo

MEAN = (0.4488, 0.4371, 0.4040)  # of DIV2K's RGB, taken away inside and added at the end


class PlainResidualBlock(nn.Module):
    """3x3, ReLU, 3x3, times `residual`, added to the input."""

    def __init__(self, channels: int, residual: float) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(channels, channels, 3, padding=1),
        )
        self.residual = residual

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Refine `features (N, C, h, w)`."""
        refined: torch.Tensor = features + self.residual * self.body(features)
        return refined


class EDSR(Generator):
    """EDSR-baseline: 16 blocks of 64 channels; x2 has 1,369,859 parameters, x4 1,517,571.

    The large EDSR is `blocks=32, channels=256, residual=0.1`.
    """

    paper: ClassVar[str] = "Lim et al., 2017"
    scales: ClassVar[tuple[int, ...]] = (2, 3, 4, 8)
    mean: torch.Tensor

    def __init__(
        self, *, scale: int = 4, blocks: int = 16, channels: int = 64, residual: float = 1.0
    ) -> None:
        super().__init__()
        factors = [3] if scale == 3 else [2] * (scale.bit_length() - 1)
        if scale not in self.scales:
            raise ModelError(f"scale {scale}: accepted by edsr: {self.scales}")
        self.register_buffer("mean", torch.tensor(MEAN).view(1, 3, 1, 1), persistent=False)
        self.head = nn.Conv2d(3, channels, 3, padding=1)
        self.body = nn.Sequential(
            *(PlainResidualBlock(channels, residual) for _ in range(blocks)),
            nn.Conv2d(channels, channels, 3, padding=1),
        )
        steps: list[nn.Module] = []
        for factor in factors:
            convolution = nn.Conv2d(channels, channels * factor**2, 3, padding=1)
            steps += [convolution, nn.PixelShuffle(factor)]
        self.tail = nn.Sequential(*steps, nn.Conv2d(channels, 3, 3, padding=1))
        options = {"scale": scale, "blocks": blocks, "channels": channels, "residual": residual}
        # At LR size: the first, two a block, one after them, the first upsampling convolution;
        # all that follows on larger images reaches one LR pixel more, at x8 still one.
        halo = 1 + 2 * blocks + 1 + 1 + 1
        self.info = ModelInfo("edsr", options, scale=scale, halo=halo)

    def forward(self, lr: torch.Tensor) -> torch.Tensor:
        """Super-resolve `lr (N, 3, h, w) in [0, 1]`."""
        mean = self.mean.to(lr.dtype)
        shallow = self.head(lr - mean)
        sr: torch.Tensor = self.tail(shallow + self.body(shallow)) + mean
        return sr
