"""A picture through a backend tile by tile: pad, cut, compute, hand back finished cores."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from superres.errors import ModelError, SuperresError
from superres.inference.backends import Backend, Floats
from superres.inference.tiling import Tile, plan
from superres.models import ModelInfo

log = logging.getLogger(__name__)

SMALLEST_TILE = 16  # LR pixels; below it the halo, not the tile, fills the memory
OUT_OF_MEMORY = ("out of memory", "allocate memory", "bad_alloc", "bad allocation")

Planes = NDArray[Any]  # (N, h, w, 3) of uint8, uint16 or float32 in [0, 1]
Question = Callable[[], bool]


class CancelledError(SuperresError):
    """The caller asked for the work to stop before it was done."""


@dataclass(frozen=True)
class Core:
    """A finished part of the result: `sr (N, 3, rows, columns)`, unclamped, and its place."""

    sr: Floats
    rows: slice
    columns: slice


class TiledNetwork:
    """A backend that takes pictures of any size.

    `tile`: core size in LR pixels, 0 for the whole picture at once. When memory runs out it is
    halved, for this picture and those after it.
    """

    def __init__(self, backend: Backend, info: ModelInfo, tile: int) -> None:
        self.backend = backend
        self.info = info
        self.tile = tile

    def run(
        self, planes: Planes, keep: Callable[[Core], None], cancelled: Question | None = None
    ) -> None:
        """Compute `planes (N, h, w, 3)`; `keep` gets each core, again after a change of tile.

        Raises ModelError for a non-finite result or when memory does not even hold a small tile,
        CancelledError as soon as `cancelled()` answers True.
        """
        height, width = planes.shape[1:3]
        padded = _pad(planes, self.info)
        while True:
            tile = self.tile
            try:
                for part in self._plan(padded, tile):
                    if cancelled is not None and cancelled():
                        raise CancelledError("stopped before the picture was done")
                    if part.top < height and part.left < width:  # else it is all padding
                        keep(self._core(padded, part, height, width))
                return
            except Exception as error:
                if not is_out_of_memory(error):
                    raise
                self._halve(tile, max(padded.shape[1:3]), error)

    def _plan(self, padded: Planes, tile: int) -> list[Tile]:
        info = self.info
        # Two minima, because the plan may make cores of half the size asked for.
        size = max(tile, 2 * info.minimum, info.multiple_of) if tile else 0
        return plan(padded.shape[1], padded.shape[2], size, info.halo, info.multiple_of)

    def _core(self, padded: Planes, part: Tile, height: int, width: int) -> Core:
        """Compute one tile; what lies beyond the `height` x `width` of the picture is cut off."""
        scale = self.info.scale
        outer_rows = slice(part.outer_top, part.outer_top + part.outer_height)
        outer_columns = slice(part.outer_left, part.outer_left + part.outer_width)
        sr = self.backend(_unit_range(padded[:, outer_rows, outer_columns]))
        expected = (len(padded), 3, scale * part.outer_height, scale * part.outer_width)
        if sr.shape != expected:
            raise ModelError(
                f"model '{self.info.name}' gave shape {sr.shape} where {expected} was due."
            )
        rows = slice(scale * part.top, scale * min(part.top + part.height, height))
        columns = slice(scale * part.left, scale * min(part.left + part.width, width))
        top, left = rows.start - scale * part.outer_top, columns.start - scale * part.outer_left
        core = sr[:, :, top:, left:][..., : rows.stop - rows.start, : columns.stop - columns.start]
        # NaN and infinity survive a sum, and one number is quicker to look at than all.
        if not np.isfinite(core.sum(dtype=np.float64)):
            raise ModelError(
                f"model '{self.info.name}': the result has NaN or infinite values, so nothing is "
                "written. Use another model or backend."
            )
        return Core(core, rows, columns)

    def _halve(self, tile: int, longest: int, error: Exception) -> None:
        smaller = (min(tile, longest) if tile else longest) // 2
        if smaller < SMALLEST_TILE:
            raise ModelError(f"out of memory even with the smallest tiles ({error}).") from error
        log.warning("out of memory with tile %d: going on with tile %d", tile, smaller)
        self.tile = min(self.tile, smaller) if self.tile else smaller
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


def is_out_of_memory(error: Exception) -> bool:
    """Tell whether an error of numpy, torch (CPU, CUDA) or onnxruntime means: no memory."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    message = str(error).lower()
    return not isinstance(error, SuperresError) and any(word in message for word in OUT_OF_MEMORY)


def _pad(planes: Planes, info: ModelInfo) -> Planes:
    """Grow (N, h, w, 3) at the bottom and right by reflection to a size the network takes."""
    grown = []
    for size in planes.shape[1:3]:
        wanted = max(size, info.minimum)
        grown.append((0, -(-wanted // info.multiple_of) * info.multiple_of - size))
    if grown == [(0, 0), (0, 0)]:
        return planes
    return np.pad(planes, ((0, 0), *grown, (0, 0)), mode="reflect")


def _unit_range(planes: Planes) -> Floats:
    """(N, h, w, 3) integers or floats -> a view (N, 3, h, w) float32 in [0, 1], channels last."""
    result = np.array(planes, np.float32, order="C")
    if planes.dtype != np.float32:
        result /= np.float32(np.iinfo(planes.dtype).max)
    return result.transpose(0, 3, 1, 2)
