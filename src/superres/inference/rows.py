"""Pictures as rows that arrive from the top: what decoding, networks and resizing hand on.

Each step asks the one before it for the window of rows that it needs next, and the rows above
that window are forgotten. So a picture larger than the memory goes through in strips.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from superres.errors import InputError

Planes = NDArray[Any]  # (rows, width, channels)
Item = TypeVar("Item")
Progress = Callable[[int, int | None], None]  # how much is done, and of how much if it is known


class Rows:
    """A picture of `height` x `width` whose strips come from an iterator, top first."""

    def __init__(
        self, height: int, width: int, dtype: "np.dtype[Any]", strips: Iterator[Planes]
    ) -> None:
        self.height = height
        self.width = width
        self.dtype = dtype
        self._strips = strips
        self._kept: list[Planes] = []
        self._top = 0  # of what is kept
        self._bottom = 0

    def window(self, top: int, bottom: int) -> Planes:
        """Return the rows from `top` up to `bottom`; `top` never goes back from call to call."""
        while self._bottom < bottom:
            strip = next(self._strips, None)
            if strip is None:
                raise InputError(f"the picture ends at row {self._bottom} of {self.height}")
            self._kept.append(strip)
            self._bottom += len(strip)
        while self._kept and self._top + len(self._kept[0]) <= top:
            self._top += len(self._kept.pop(0))
        if len(self._kept) > 1:
            self._kept[0] = self._kept[0][top - self._top :]
            self._kept = [np.concatenate(self._kept)]
            self._top = top
        return self._kept[0][top - self._top : bottom - self._top]

    def strips(self) -> Iterator[Planes]:
        """Yield the strips as they come; for the one reader that wants nothing but them."""
        return self._strips


class ArrayRows(Rows):
    """An array (height, width, channels) that is in memory anyway."""

    def __init__(self, planes: Planes) -> None:
        super().__init__(planes.shape[0], planes.shape[1], planes.dtype, iter([planes]))
        self.planes = planes

    def window(self, top: int, bottom: int) -> Planes:
        """Return a view of the rows; any window at any time."""
        return self.planes[top:bottom]


def counted(source: Rows, progress: Progress | None) -> Rows:
    """Return rows that tell how many have come, of how many; themselves if nobody wants to know."""
    if progress is None:
        return source

    def strips() -> Iterator[Planes]:
        done = 0
        for strip in source.strips():
            done += len(strip)
            progress(done, source.height)
            yield strip

    return Rows(source.height, source.width, source.dtype, strips())


def joined(rows: Rows, channels: int = 3) -> Planes:
    """Return the whole picture; a strip that is all of it is not copied."""
    whole: Planes | None = None
    top = 0
    for strip in rows.strips():
        if len(strip) == rows.height:
            return strip
        if whole is None:
            whole = room((rows.height, rows.width, channels), rows.dtype)
        whole[top : top + len(strip)] = strip
        top += len(strip)
    if whole is None:
        raise InputError("the picture has no pixels", code="empty", status=400)
    return whole


def ahead(items: Iterator[Item]) -> Iterator[Item]:
    """Yield `items`; a thread of its own computes the next one while this one is used."""
    with ThreadPoolExecutor(1, "superres-rows") as worker:
        pending = worker.submit(next, items, None)
        while (item := pending.result()) is not None:
            pending = worker.submit(next, items, None)
            yield item


def consume(items: Iterator[Item], take: Callable[[Item], None]) -> None:
    """Hand every item to `take` in a thread of its own, while the next one is computed."""
    with ThreadPoolExecutor(1, "superres-write") as worker:
        pending = None
        for item in items:
            if pending is not None:
                pending.result()
            pending = worker.submit(take, item)
        if pending is not None:
            pending.result()


def room(shape: tuple[int, ...], dtype: "np.dtype[Any]") -> NDArray[Any]:
    """Return an array for a result; InputError 413 where there is no memory for it."""
    try:
        return np.empty(shape, dtype)
    except MemoryError:
        raise InputError(
            f"the result of shape {shape} does not fit into memory; upscale a smaller picture",
            code="too_many_output_pixels",
            status=413,
        ) from None
