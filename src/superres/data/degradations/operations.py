"""What a degradation does to one picture once every random parameter is drawn.

A chain is drawn into a tuple of these; `pixels` carries them out with numpy, and
`superres.data.degradation_device` with torch.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from superres.data.degrade import Border


@dataclass(frozen=True, eq=False)
class Filter:
    """Correlate each channel; beyond the edge the picture is mirrored without its last line.

    `weights` (k,) go over the columns and then over the rows, (k, k) over both at once.
    """

    weights: NDArray[np.float64]


@dataclass(frozen=True)
class Resize:
    """Resize to (height, width); `antialias` stretches the kernel when shrinking."""

    height: int
    width: int
    kernel: str
    border: Border = "replicate"
    antialias: bool = True


@dataclass(frozen=True)
class Subsample:
    """Keep every `every`-th pixel in both directions, from `first` on."""

    every: int
    first: int


@dataclass(frozen=True)
class Gaussian:
    """Add normal noise of `sigma` grey levels; `is_grey`: the same in all three channels."""

    sigma: float
    is_grey: bool


@dataclass(frozen=True)
class Poisson:
    """Add `scale` times the shot noise of a sensor that counts one photon per grey level."""

    scale: float
    is_grey: bool


@dataclass(frozen=True)
class Jpeg:
    """Compress and decode, 4:2:0."""

    quality: int


@dataclass(frozen=True)
class Video:
    """Compress and decode a clip as H.264, yuv420p."""

    crf: int
    preset: str


Operation = Filter | Resize | Subsample | Gaussian | Poisson | Jpeg | Video


@dataclass(frozen=True)
class Drawing:
    """What a step is drawn for: the size of HR, the scale, and the random numbers."""

    height: int
    width: int
    scale: int
    random: np.random.Generator

    @property
    def lr_size(self) -> tuple[int, int]:
        """Return (height, width) of the LR picture."""
        return self.height // self.scale, self.width // self.scale

    def amount(self, value: Any) -> float:
        """Return a number as it is; of a pair (low, high) draw one, evenly."""
        return float(self.random.uniform(*value)) if isinstance(value, tuple) else float(value)

    def happens(self, probability: float) -> bool:
        """Draw yes with this probability."""
        return float(self.random.uniform()) < probability
