"""A generator that works on Fourier transforms (Liu, Spero, Raventos; report R3).

R3 transforms whole pictures of 64 pixels, which fixes the size and lets every pixel depend on
every other. Here the bicubic image is transformed in overlapping windowed blocks: any size, a
reach that has an end, and exact tiles.
"""

import math
from typing import ClassVar

import torch
from torch import nn

from superres.errors import ModelError
from superres.models.block_transform import BlockTransform
from superres.models.info import Generator, ModelInfo
from superres.models.interpolation import Interpolation

SPECTRA = {"complex": 2, "polar": 3, "real": 1}  # what the network sees of a coefficient
FAINT = 1e-3  # size of a coefficient that hardly counts
MOST = 3.0  # largest change of a log-magnitude


class Fourier(Generator):
    """Convolutions over the grid of blocks, a coefficient being a channel; untrained, bicubic.

    `spectrum`: "complex" sees and corrects real and imaginary part; "polar" sees log-magnitude and
    phase (as cosine and sine, which do not jump at half a turn) and changes both; "real" sees and
    corrects the real part alone, R3's preliminary form. `layers` convolutions of `channels`.
    """

    paper: ClassVar[str] = "Liu et al. (R3)"

    def __init__(
        self,
        *,
        scale: int = 2,
        channels: int = 128,
        layers: int = 4,
        block: int = 8,
        spectrum: str = "complex",
    ) -> None:
        super().__init__()
        if spectrum not in SPECTRA:
            raise ModelError(f"fourier spectrum '{spectrum}': accepted: {sorted(SPECTRA)}")
        self.spectrum = spectrum
        self.upscale = Interpolation(scale=scale, kernel="bicubic")
        self.transform = BlockTransform(block)
        colours = 3 * self.transform.coefficients
        steps: list[nn.Module] = []
        for inside in [SPECTRA[spectrum] * colours] + [channels] * (layers - 1):
            steps += [nn.Conv2d(inside, channels, 3, padding=1), nn.PReLU(channels)]
        last = nn.Conv2d(channels, (1 if spectrum == "real" else 2) * colours, 1)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias) if last.bias is not None else None
        self.body = nn.Sequential(*steps, last)
        options = {
            "scale": scale,
            "channels": channels,
            "layers": layers,
            "block": block,
            "spectrum": spectrum,
        }
        hop = self.transform.hop
        halo = _blocks_reach(scale, hop, layers) + self.upscale.info.halo
        multiple_of = hop // math.gcd(hop, scale)  # tiles start where a block does
        self.info = ModelInfo("fourier", options, scale=scale, halo=halo, multiple_of=multiple_of)

    def forward(self, lr: torch.Tensor) -> torch.Tensor:
        """Correct the spectrum of the bicubic image of `lr (N, 3, h, w) in [0, 1]`."""
        upscaled: torch.Tensor = self.upscale(lr)
        parts = self.transform(upscaled.flatten(0, 1).unsqueeze(1))
        # (3N, coefficients, ...) -> (N, 3 * coefficients, ...): all colours of a block together.
        shape = (-1, 3 * self.transform.coefficients, *parts[0].shape[2:])
        real, imaginary = (part.reshape(shape) for part in parts)
        real, imaginary = self._change(real, imaginary)
        single = (-1, self.transform.coefficients, *parts[0].shape[2:])
        planes = self.transform.back(
            real.reshape(single), imaginary.reshape(single), upscaled.shape[2:]
        )
        return upscaled + planes.reshape(upscaled.shape)

    def _change(
        self, real: torch.Tensor, imaginary: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return what is to be added to the real and to the imaginary part."""
        if self.spectrum != "polar":
            evenly = self.transform.evenly.to(real.dtype).repeat(3, 1, 1)
            if self.spectrum == "real":
                return self.body(real * evenly) / evenly, torch.zeros_like(imaginary)
            seen = torch.cat([real * evenly, imaginary * evenly], dim=1)
            change = self.body(seen).chunk(2, dim=1)
            return change[0] / evenly, change[1] / evenly
        # A coefficient below a quarter of a grey level has no phase but rounding's.
        magnitude = torch.sqrt(real**2 + imaginary**2 + FAINT**2)
        polar = [torch.log(magnitude), real / magnitude, imaginary / magnitude]
        louder, turn = self.body(torch.cat(polar, dim=1)).chunk(2, dim=1)
        gain = torch.exp(MOST * torch.tanh(louder / MOST))
        cosine, sine = gain * torch.cos(turn), gain * torch.sin(turn)
        return (
            real * cosine - imaginary * sine - real,
            real * sine + imaginary * cosine - imaginary,
        )


def _blocks_reach(scale: int, hop: int, layers: int) -> int:
    """Return how many LR pixels away the first block begins that an HR pixel depends on."""
    reach = 0
    for place in range(hop * scale):  # HR; then the grids of blocks and pixels meet again
        begin = (place // hop - 1 - layers) * hop
        reach = max(reach, place // scale - begin // scale)
    return reach
