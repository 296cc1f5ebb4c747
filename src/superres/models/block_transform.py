"""A picture as overlapping windowed blocks of Fourier coefficients, and the exact way back.

Both ways are convolutions with fixed sines and cosines, which every device, precision and
exporter knows.
"""

import math

import torch
from torch import nn
from torch.nn import functional as F

from superres.errors import ModelError


class BlockTransform(nn.Module):
    """2-D Fourier transforms of blocks that overlap by half, and the exact way back.

    Of a real block half the coefficients say all: `size * (size / 2 + 1)` are kept.
    """

    analysis: torch.Tensor
    synthesis: torch.Tensor
    evenly: torch.Tensor  # (coefficients, 1, 1) that bring all frequencies to about one size

    def __init__(self, size: int) -> None:
        super().__init__()
        if size < 4 or size % 2:
            raise ModelError(f"fourier block {size}: accepted: even numbers from 4")
        self.size, self.hop = size, size // 2
        self.coefficients = size * (size // 2 + 1)
        place = torch.arange(size, dtype=torch.float64)
        # Squared, shifted by half and summed, this window is one everywhere.
        window = torch.sin(math.pi * (place + 0.5) / size)
        rows, columns = (2 * math.pi / size * torch.outer(k, place) for k in (place, place))
        angle = rows[:, None, :, None] + columns[None, : size // 2 + 1, None, :]
        waves = torch.cat([torch.cos(angle).flatten(0, 1), -torch.sin(angle).flatten(0, 1)])
        waves = waves * torch.outer(window, window)
        twice = torch.full((size // 2 + 1,), 2.0, dtype=torch.float64)
        twice[0] = twice[-1] = 1  # these have no mirrored partner
        weights = twice.repeat(size).repeat(2)[:, None, None] / size**2
        self.register_buffer("analysis", waves[:, None].float() / size, persistent=False)
        back = (waves * weights)[:, None].float() * size
        self.register_buffer("synthesis", back, persistent=False)
        # Spectra of photographs fall as 1 / frequency (Field, 1987).
        vertical = torch.fft.fftfreq(size, 1 / size, dtype=torch.float64)
        frequency = torch.hypot(vertical[:, None], place[None, : size // 2 + 1])
        evenly = 2 * frequency.clamp(min=0.25).view(-1, 1, 1)
        self.register_buffer("evenly", evenly.float(), persistent=False)

    def forward(self, planes: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """`planes (M, 1, H, W)` -> real and imaginary parts, each (M, coefficients, rows, columns).

        A coefficient is that of the transform divided by the block's side.
        """
        before, after = self.size - self.hop, self.size - 1
        padded = F.pad(planes, [before, after, before, after])
        spectrum = F.conv2d(padded, self.analysis.to(planes.dtype), stride=self.hop)
        return spectrum[:, : self.coefficients], spectrum[:, self.coefficients :]

    def back(self, real: torch.Tensor, imaginary: torch.Tensor, size: torch.Size) -> torch.Tensor:
        """Return the planes `(M, 1, *size)` whose transform this is."""
        spectrum = torch.cat([real, imaginary], dim=1)
        synthesis = self.synthesis.to(real.dtype)
        planes = F.conv_transpose2d(spectrum, synthesis, stride=self.hop)
        start = self.size - self.hop
        return planes[..., start : start + size[0], start : start + size[1]]
