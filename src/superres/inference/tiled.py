"""A picture through a backend tile by tile: cut, pad, compute, hand back finished cores.

Only the rows that a row of tiles needs are in memory at a time.
"""

import logging
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from superres.errors import ModelError, SuperresError
from superres.inference.facts import Backend, Facts, Floats
from superres.inference.levels import Crop, to_levels
from superres.inference.rows import Rows
from superres.inference.tiling import Tile, plan
from superres.inference.windows import GREY, Job, Planes, Window, grey_of, grown, places, unit_range

__all__ = ["GREY", "CancelledError", "Core", "Question", "TiledNetwork", "is_out_of_memory"]

log = logging.getLogger(__name__)

STRIP_BYTES = 12 << 20  # of a result that is handed on row of tiles by row of tiles
SMALLEST_TILE = 16  # LR pixels; below it the halo, not the tile, fills the memory
OUT_OF_MEMORY = ("out of memory", "allocate memory", "bad_alloc", "bad allocation")

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
    halved, for the rest of this picture and those after it.
    """

    def __init__(self, backend: Backend, info: Facts, tile: int) -> None:
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
        job = Job(lambda top, bottom: planes[:, top:bottom], height, width, self._floats)
        found = self._walk(job, cancelled)
        for rows, columns, sr in found:
            keep(Core(sr, rows, columns))

    def strips(
        self, source: Rows, *, is_grey: bool = False, cancelled: Question | None = None
    ) -> Iterator[NDArray[Any]]:
        """Yield `source` upscaled, (rows, s*w, 3) of its own type, one row of tiles at a time."""
        scale, dtype = self.info.scale, source.dtype
        fused = getattr(self.backend, "levels", None) if dtype == np.uint8 else None

        def compute(outer: Planes, crop: Crop) -> NDArray[Any]:
            if fused is not None and not is_grey:
                levels: NDArray[Any] | None = fused(outer[0], crop)
                if levels is not None:
                    return levels
            sr = self._floats(outer, crop)
            return to_levels(grey_of(sr) if is_grey else sr, dtype)

        def rows_of(top: int, bottom: int) -> Planes:
            return source.window(top, bottom)[np.newaxis]

        strip: NDArray[Any] | None = None
        width = scale * source.width
        most = STRIP_BYTES // (scale * width * 3 * dtype.itemsize)
        most = max(most, 8 * self.info.halo, SMALLEST_TILE)
        job = Job(rows_of, source.height, source.width, compute, most)
        for rows, columns, part in self._walk(job, cancelled):
            if columns == slice(0, width):
                yield part
                continue
            if columns.start == 0 or strip is None:
                strip = np.empty((rows.stop - rows.start, width, 3), dtype)
            strip[:, columns] = part
            if columns.stop == width:
                yield strip

    def _walk(self, job: Job, cancelled: Question | None) -> Iterator[tuple[slice, slice, Any]]:
        """Yield rows, columns and result of every core; a row of tiles begins anew when halved."""
        height, width, scale = job.height, job.width, self.info.scale
        full = (grown(height, self.info), grown(width, self.info))
        window = Window(job, full)
        top = 0
        while top < height:
            tile = self.tile
            try:
                for part in self._plan(full, tile, top, job.most_rows):
                    if part.top >= height or part.left >= width:
                        continue  # all of it is padding
                    if cancelled is not None and cancelled():
                        raise CancelledError("stopped before the picture was done")
                    rows, columns, crop = places(part, height, width, scale)
                    yield rows, columns, job.compute(window.outer(part), crop)
                    if part.left + part.width >= width:
                        top = part.top + part.height
            except Exception as error:
                if not is_out_of_memory(error):
                    raise
                self._halve(tile, max(full), error)

    def _plan(self, full: tuple[int, int], tile: int, top: int, most_rows: int) -> list[Tile]:
        info = self.info
        # Two minima, because the plan may make cores of half the size asked for.
        least = max(2 * info.minimum, info.multiple_of)
        size = max(tile, least) if tile else 0
        most = max(most_rows, least) if most_rows else 0
        return plan(*full, size, info.halo, info.multiple_of, top=top, most_rows=most)

    def _floats(self, outer: Planes, crop: Crop) -> Floats:
        """Compute one tile and cut its core out: (N, 3, rows, columns)."""
        scale = self.info.scale
        sr = self.backend(unit_range(outer))
        expected = (len(outer), 3, scale * outer.shape[1], scale * outer.shape[2])
        if sr.shape != expected:
            raise ModelError(
                f"model '{self.info.name}' gave shape {sr.shape} where {expected} was due."
            )
        # NaN and infinity survive a sum, and one number is quicker to look at than all.
        if not np.isfinite(sr.sum()):
            raise ModelError(not_finite(self.info.name))
        return sr[:, :, crop.top :, crop.left :][..., : crop.height, : crop.width]

    def _halve(self, tile: int, longest: int, error: Exception) -> None:
        smaller = (min(tile, longest) if tile else longest) // 2
        if smaller < SMALLEST_TILE:
            raise ModelError(f"out of memory even with the smallest tiles ({error}).") from error
        log.warning("out of memory with tile %d: going on with tile %d", tile, smaller)
        self.tile = min(self.tile, smaller) if self.tile else smaller
        torch = sys.modules.get("torch")
        if torch is not None and torch.cuda.is_available():
            torch.cuda.empty_cache()


def is_out_of_memory(error: Exception) -> bool:
    """Tell whether an error of numpy, torch (CPU, CUDA) or onnxruntime means: no memory."""
    if isinstance(error, MemoryError):
        return True
    message = str(error).lower()
    return not isinstance(error, SuperresError) and any(word in message for word in OUT_OF_MEMORY)


def not_finite(name: str) -> str:
    """Return what to tell about a result with NaN or infinity."""
    return (
        f"model '{name}': the result has NaN or infinite values, so nothing is written. "
        "Use another model or backend."
    )
