"""Any output size: which size is wanted, how often the model runs, and the exact resample.

The resample is the degradations' one (MATLAB's bicubic, a = -0.5, antialiased when it shrinks),
but in float, in strips, and rounded once.
"""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from superres.data.degrade import KERNELS
from superres.errors import ConfigError
from superres.inference.levels import put_levels
from superres.inference.rows import Rows

STRIP = 64  # output rows made together
MOST_PASSES = 4


@dataclass(frozen=True)
class Wanted:
    """The size wanted: a factor, or a width, a height or both in pixels; else the model's own."""

    scale: float | None = None
    width: int | None = None
    height: int | None = None

    @property
    def is_size(self) -> bool:
        """Tell whether pixels are wanted, so that the factor is another one for every picture."""
        return self.width is not None or self.height is not None

    def size(self, height: int, width: int, own: int) -> tuple[int, int]:
        """Return (height, width) of the result for a picture; `own` is the model's factor.

        One side given, the other keeps the proportions.
        """
        if self.width is not None and self.height is not None:
            return self.height, self.width
        if self.width is not None:
            return max(1, round(height * self.width / width)), self.width
        if self.height is not None:
            return self.height, max(1, round(width * self.height / height))
        factor = own if self.scale is None else self.scale
        return max(1, round(height * factor)), max(1, round(width * factor))

    def factor(self, height: int, width: int, own: int) -> float:
        """Return how much larger the result is, in the direction that grows more."""
        tall, wide = self.size(height, width, own)
        return max(tall / height, wide / width)


def parse_size(text: str) -> Wanted:
    """Read "1920x1080", "1920x" or "x1080"; ConfigError for anything else."""
    found = re.fullmatch(r"([1-9][0-9]*)?x([1-9][0-9]*)?", text.strip().lower())
    if found is None or found[0] == "x":
        raise ConfigError(f"size '{text}': expected 1920x1080, 1920x or x1080.")
    width, height = (int(part) if part else None for part in found.groups())
    return Wanted(width=width, height=height)


def passes(factor: float, own: int) -> int:
    """Return how often a model of factor `own` runs to come nearest to `factor`, 0 to shrink."""
    if factor <= 1 or own < 2:
        return int(factor > 1)
    return min(MOST_PASSES, max(1, round(math.log(factor) / math.log(own))))


def resampled(source: Rows, height: int, width: int) -> Rows:
    """Return `source` at exactly `height` x `width`; itself when it has that size."""
    if (source.height, source.width) == (height, width):
        return source
    return Rows(height, width, source.dtype, _strips(source, height, width))


def _strips(source: Rows, height: int, width: int) -> Iterator[NDArray[np.generic]]:
    rows, row_weights = _taps(source.height, height)
    columns, column_weights = _taps(source.width, width)
    for top in range(0, height, STRIP):
        part = slice(top, min(top + STRIP, height))
        first = int(rows[part].min())
        lines = source.window(first, int(rows[part].max()) + 1).astype(np.float32)
        tall = np.zeros((part.stop - top, *lines.shape[1:]), np.float32)
        for tap in range(rows.shape[1]):
            tall += lines[rows[part, tap] - first] * row_weights[part, tap, None, None]
        made = np.zeros((part.stop - top, width, lines.shape[2]), np.float32)
        for tap in range(columns.shape[1]):
            made += tall[:, columns[:, tap]] * column_weights[:, tap, None]
        levels = np.empty(made.shape, source.dtype)
        put_levels(made, levels)
        yield levels


def _taps(source: int, target: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return source positions and weights, both (target, taps); the edge pixel is repeated."""
    function, width = KERNELS["bicubic"]
    scale = target / source
    stretch = min(scale, 1.0)
    centres = (np.arange(target) + 0.5) / scale - 0.5
    reach = width / stretch / 2
    offsets = np.arange(math.ceil(2 * reach) + 1)
    positions = np.ceil(centres - reach)[:, None] + offsets
    weights = function(stretch * (centres[:, None] - positions))
    weights /= weights.sum(axis=1, keepdims=True)
    inside = np.clip(positions, 0, source - 1).astype(np.int64)
    return inside, weights.astype(np.float32)
