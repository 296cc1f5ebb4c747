"""Where to cut a picture into tiles; pure geometry in LR pixels, no network in sight.

A tile has a core, which it contributes to the result, and an outer region, which is the core
plus a halo of real neighbours. The outer region stops at the picture's border, so the network
meets the same border there as it would on the whole picture: tiled equals whole.
"""

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Tile:
    """A core region and the outer region that is computed for it; all in LR pixels."""

    top: int
    left: int
    height: int
    width: int
    outer_top: int
    outer_left: int
    outer_height: int
    outer_width: int


@dataclass(frozen=True)
class _Span:
    start: int
    size: int
    outer_start: int
    outer_size: int


def plan(
    height: int,
    width: int,
    tile: int,
    halo: int,
    multiple_of: int = 1,
    *,
    top: int = 0,
    most_rows: int = 0,
) -> list[Tile]:
    """Cover `height` x `width` from row `top` on with cores of at most `tile` pixels a side.

    Tile 0 is one tile; `most_rows` above 0 makes tiles wider than high. Cores do not overlap,
    are nearly equal in size and come row by row. With `multiple_of` above one, height and width
    must be multiples of it and every outer region starts and ends on one, so that a network that
    halves its picture pools the same pixels together as on the whole picture.
    """
    tall = min(tile, most_rows) if tile and most_rows else tile
    rows = list(_spans(top, height, tall, halo, multiple_of))
    columns = list(_spans(0, width, tile, halo, multiple_of))
    return [
        Tile(
            row.start,
            column.start,
            row.size,
            column.size,
            row.outer_start,
            column.outer_start,
            row.outer_size,
            column.outer_size,
        )
        for row in rows
        for column in columns
    ]


def _spans(first: int, length: int, tile: int, halo: int, multiple_of: int) -> Iterator[_Span]:
    count = -(-(length - first) // tile) if tile else 1
    step = -(-(length - first) // count)
    for start in range(first, length, step):
        end = min(start + step, length)
        outer_start = max(0, start - halo) // multiple_of * multiple_of
        outer_end = min(length, -(-(end + halo) // multiple_of) * multiple_of)
        yield _Span(start, end - start, outer_start, outer_end - outer_start)
