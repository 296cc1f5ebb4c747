"""The bicubic image of 8-bit pixels plus a network's residual, straight to 8-bit pixels.

What a network of 30 milliseconds spends around its convolutions is as much again when it is done
step by step: three float planes, a pixel-shuffle, a sum, clamping, rounding and the way to
interleaved pixels each pass over memory that no cache holds. Here bands of a few rows stay in the
cache through all of it. The bicubic image is two small matrix products: an upscaling matrix for a
block of columns, then the same for a block of rows.
"""

from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.lib.stride_tricks import as_strided, sliding_window_view
from numpy.typing import NDArray

from superres.data.degrade import KERNELS
from superres.errors import ModelError
from superres.inference.facts import Floats
from superres.inference.levels import Crop
from superres.inference.memory import cores
from superres.inference.tiled import not_finite

REACH = 2  # LR pixels to either side that cubic convolution looks at
COLUMNS = 16  # LR columns of one product
ROWS = 4  # LR rows of one product
BAND = 6 * ROWS  # LR rows that stay in the cache from the product to the pixels
# Multiply-adds of a product that OpenBLAS leaves to one thread: the threads are ours.
ONE_THREAD = 1 << 18


class _Part(NamedTuple):
    """LR rows and columns that one thread makes."""

    top: int
    bottom: int
    left: int
    right: int


class BicubicSkip:
    """Adds `scale**2` or `3 * scale**2` sub-pixels a pixel to the bicubic image (a = -0.5)."""

    def __init__(self, scale: int, name: str) -> None:
        self._scale = scale
        self._name = name
        weights = phase_weights(scale)
        self._columns = np.ascontiguousarray(_product(weights, COLUMNS).T)
        self._rows = _product(weights, ROWS)
        across = ONE_THREAD // self._rows.size // scale
        self._across = max(COLUMNS, across // COLUMNS * COLUMNS)
        self._threads = cores()
        self._pool = ThreadPoolExecutor(self._threads, "superres-skip")

    def levels(self, lr: NDArray[Any], residual: Floats, crop: Crop) -> NDArray[Any]:
        """`lr (h, w, 3)` uint8, `residual (C, h, w)` in levels, not shuffled -> crop, uint8.

        Raises ModelError when the residual is not finite.
        """
        scale = self._scale
        whole = _Part(
            crop.top // scale,
            (crop.top + crop.height) // scale,
            crop.left // scale,
            (crop.left + crop.width) // scale,
        )
        out = np.empty((crop.height, crop.width, 3), np.uint8)
        share = -(-(whole.bottom - whole.top) // self._threads)
        share = -(-share // BAND) * BAND
        parts = [
            _Part(
                top,
                min(top + share, whole.bottom),
                left,
                min(left + self._across, whole.right),
            )
            for top in range(whole.top, whole.bottom, share)
            for left in range(whole.left, whole.right, self._across)
        ]

        def make(part: _Part) -> None:
            rows = slice(scale * part.top - crop.top, scale * part.bottom - crop.top)
            columns = slice(scale * part.left - crop.left, scale * part.right - crop.left)
            inside = residual[:, part.top : part.bottom, part.left : part.right]
            self._merge(self._wide(lr, part), inside, out[rows, columns])

        if len(parts) == 1:
            make(parts[0])
        else:
            list(self._pool.map(make, parts))
        return out

    def _wide(self, lr: NDArray[Any], part: _Part) -> Floats:
        """Interpolate along the rows: -> (3, rows + 2 * reach, s * columns or a bit more)."""
        height, width = part.bottom - part.top, part.right - part.left
        blocks = -(-width // COLUMNS)
        planes = np.empty((3, height + 2 * REACH, blocks * COLUMNS + 2 * REACH), np.float32)
        rows = slice(max(0, part.top - REACH), part.bottom + REACH)
        columns = slice(max(0, part.left - REACH), part.right + REACH)
        around = lr[rows, columns]
        # Beyond the picture its edge is repeated.
        top, left = rows.start - part.top + REACH, columns.start - part.left + REACH
        bottom, right = top + around.shape[0], left + around.shape[1]
        for channel in range(3):
            planes[channel, top:bottom, left:right] = around[..., channel]
        planes[:, top:bottom, :left] = planes[:, top:bottom, left : left + 1]
        planes[:, top:bottom, right:] = planes[:, top:bottom, right - 1 : right]
        planes[:, :top] = planes[:, top : top + 1]
        planes[:, bottom:] = planes[:, bottom - 1 : bottom]
        windows = sliding_window_view(planes, COLUMNS + 2 * REACH, 2)[:, :, ::COLUMNS]
        # Row by row: in one product OpenBLAS would use threads, which then wait actively for 20 ms.
        wide = np.matmul(np.ascontiguousarray(windows), self._columns)
        result: Floats = wide.reshape(3, planes.shape[1], blocks * COLUMNS * self._scale)
        return result

    def _merge(self, wide: Floats, residual: Floats, out: NDArray[Any]) -> None:
        """Interpolate along the columns, add, clamp, round, interleave: a band at a time."""
        scale = self._scale
        height, width = residual.shape[1], out.shape[1]
        planes = len(residual) // scale**2
        if not all(np.isfinite(cv2.sumElems(plane)[0]) for plane in residual):
            raise ModelError(not_finite(self._name))
        blocks = np.empty((3, BAND // ROWS, ROWS * scale, width), np.float32)
        detail = np.empty((planes, BAND, scale, width), np.float32)
        levels = np.empty((3, BAND * scale, width), np.uint8)
        floats, added = blocks.reshape(levels.shape), detail.reshape(planes, -1, width)
        for top in range(0, height, BAND):
            count = min(BAND, height - top)
            self._interpolate(wide[:, top : top + count + 2 * REACH, :width], blocks)
            self._shuffle(residual[:, top : top + count], detail)
            made = [levels[channel, : count * scale] for channel in range(3)]
            for channel, level in enumerate(made):
                # One pass adds, rounds and saturates.
                source, plus = floats[channel], added[min(channel, planes - 1)]
                cv2.add(source[: len(level)], plus[: len(level)], level, None, cv2.CV_8U)
            cv2.merge(made, out[scale * top : scale * (top + count)])

    def _interpolate(self, source: Floats, out: Floats) -> None:
        """(3, n + 2 * reach, columns) -> the first n rows of (3, blocks, ROWS * scale, columns)."""
        scale = self._scale
        height = source.shape[1] - 2 * REACH
        blocks = height // ROWS
        plane, row, column = source.strides
        if blocks:
            shape = (3, blocks, ROWS + 2 * REACH, source.shape[2])
            windows = as_strided(source, shape, (plane, ROWS * row, row, column), writeable=False)
            np.matmul(self._rows, windows, out=out[:, :blocks])
        left = height - blocks * ROWS
        if left:
            start = blocks * ROWS
            matrix = self._rows[: left * scale, : left + 2 * REACH]
            np.matmul(matrix, source[:, start:], out=out[:, blocks, : left * scale])

    def _shuffle(self, fresh: Floats, out: Floats) -> None:
        """(planes * s * s, n, columns) -> (planes, n, s, columns * s)."""
        scale = self._scale
        count, width = fresh.shape[1:]
        for plane in range(len(out)):
            for row in range(scale):
                first = (plane * scale + row) * scale
                parts = list(fresh[first : first + scale])
                cv2.merge(parts, out[plane, :count, row].reshape(count, width, scale))


def phase_weights(scale: int) -> NDArray[np.float64]:
    """Return the weights (scale, 5) of each output phase over its LR neighbours (Keys, 1981)."""
    cubic, _ = KERNELS["bicubic"]
    centres = (np.arange(scale) + 0.5) / scale - 0.5
    weights = cubic(centres[:, None] - np.arange(-REACH, REACH + 1))
    result: NDArray[np.float64] = weights / weights.sum(axis=1, keepdims=True)
    return result


def _product(weights: NDArray[np.float64], block: int) -> Floats:
    """Return the matrix (s * block, block + 2 * reach) that interpolates a block of pixels."""
    scale, taps = weights.shape
    matrix = np.zeros((scale * block, block + taps - 1), np.float32)
    for position in range(scale * block):
        first = position // scale
        matrix[position, first : first + taps] = weights[position % scale]
    return matrix
