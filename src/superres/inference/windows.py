"""The part of a picture that a tile is computed from, and the place of what comes out."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from superres.inference.facts import Facts, Floats
from superres.inference.levels import Crop
from superres.inference.tiling import Tile

GREY = (0.299, 0.587, 0.114)  # BT.601 weights: one level from the three of a grey picture

Planes = NDArray[Any]  # (N, h, w, 3) of uint8, uint16 or float32 in [0, 1]
Compute = Callable[[Planes, Crop], Any]


class Windows(Protocol):
    """LR rows on demand: `window(top, bottom)` -> (N, rows, w, 3)."""

    def __call__(self, top: int, bottom: int) -> Planes:
        """Return rows `top` to `bottom`; `top` never goes back."""
        ...


@dataclass(frozen=True)
class Job:
    """A picture of `height` x `width` and what is to be made of its tiles."""

    rows_of: Windows
    height: int
    width: int
    compute: Compute
    most_rows: int = 0


class Window:
    """The LR rows around one row of tiles, grown by reflection to what the network takes."""

    def __init__(self, job: Job, full: tuple[int, int]) -> None:
        self._rows_of = job.rows_of
        self._height, self._width = job.height, job.width
        self._full_height, self._full_width = full
        self._span = (-1, -1)
        self._planes: Planes | None = None

    def outer(self, part: Tile) -> Planes:
        """Return the outer region of a tile, (N, h, w, 3)."""
        span = (part.outer_top, part.outer_top + part.outer_height)
        if self._planes is None or span != self._span:
            self._planes = self._grown_rows(*span)
            self._span = span
        return self._planes[:, :, part.outer_left : part.outer_left + part.outer_width]

    def _grown_rows(self, top: int, bottom: int) -> Planes:
        missing = self._full_height - self._height
        first = max(0, min(top, self._height - 1 - missing))
        planes = self._rows_of(first, min(bottom, self._height))
        wanted = _mirrored(np.arange(top, bottom), self._height) - first
        if bottom > self._height or first < top:
            planes = planes[:, wanted]
        if self._full_width > self._width:
            planes = planes[:, :, _mirrored(np.arange(self._full_width), self._width)]
        return planes


def places(part: Tile, height: int, width: int, scale: int) -> tuple[slice, slice, Crop]:
    """Return a core's place in the result and in its own tile's result."""
    rows = slice(scale * part.top, scale * min(part.top + part.height, height))
    columns = slice(scale * part.left, scale * min(part.left + part.width, width))
    crop = Crop(
        rows.start - scale * part.outer_top,
        columns.start - scale * part.outer_left,
        rows.stop - rows.start,
        columns.stop - columns.start,
    )
    return rows, columns, crop


def grown(size: int, info: Facts) -> int:
    """Return the side that the network takes for a side of `size` LR pixels."""
    return -(-max(size, info.minimum) // info.multiple_of) * info.multiple_of


def _mirrored(indices: NDArray[Any], size: int) -> NDArray[Any]:
    """Fold indices beyond the end back inside, the edge not repeated, as often as it takes."""
    if size == 1:
        return np.zeros_like(indices)
    folded = indices % (2 * size - 2)
    result: NDArray[Any] = np.minimum(folded, 2 * size - 2 - folded)
    return result


def unit_range(planes: Planes) -> Floats:
    """(N, h, w, 3) integers or floats -> a view (N, 3, h, w) float32 in [0, 1], channels last."""
    result = np.array(planes, np.float32, order="C")
    if planes.dtype != np.float32:
        result /= np.float32(np.iinfo(planes.dtype).max)
    return result.transpose(0, 3, 1, 2)


def grey_of(planes: Floats) -> Floats:
    """Return one level for the three of (N, 3, h, w), three times."""
    weights = np.array(GREY, np.float32).reshape(1, 3, 1, 1)
    level = (planes * weights).sum(axis=1, keepdims=True)
    return np.repeat(level, 3, axis=1)
