"""Tiles cover the picture once, with real neighbours around them and never beyond its border."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from superres.inference.tiling import plan

sides = st.integers(1, 90)


@given(sides, sides, st.integers(1, 40), st.integers(0, 12))
def test_cores_cover_every_pixel_exactly_once(
    height: int, width: int, tile: int, halo: int
) -> None:
    covered = np.zeros((height, width), int)
    for part in plan(height, width, tile, halo):
        assert 0 < part.height <= tile
        assert 0 < part.width <= tile
        covered[part.top : part.top + part.height, part.left : part.left + part.width] += 1
    assert (covered == 1).all()


@given(sides, sides, st.integers(1, 40), st.integers(0, 12))
def test_the_halo_is_whole_except_at_the_border(
    height: int, width: int, tile: int, halo: int
) -> None:
    for part in plan(height, width, tile, halo):
        assert part.outer_top == max(0, part.top - halo)
        assert part.outer_left == max(0, part.left - halo)
        assert part.outer_top + part.outer_height == min(height, part.top + part.height + halo)
        assert part.outer_left + part.outer_width == min(width, part.left + part.width + halo)


@given(st.integers(1, 12), st.integers(1, 12), st.integers(1, 40), st.sampled_from([2, 4, 8]))
def test_outer_regions_start_and_end_on_multiples(
    rows: int, columns: int, tile: int, unit: int
) -> None:
    for part in plan(rows * unit, columns * unit, tile, 3, unit):
        assert part.outer_top % unit == part.outer_left % unit == 0
        assert part.outer_height % unit == part.outer_width % unit == 0
        assert part.outer_top <= max(0, part.top - 3)


def test_tile_zero_is_the_whole_picture() -> None:
    (part,) = plan(30, 50, 0, 7)
    assert (part.top, part.left, part.height, part.width) == (0, 0, 30, 50)
    assert (part.outer_top, part.outer_left, part.outer_height, part.outer_width) == (0, 0, 30, 50)


@pytest.mark.parametrize(("length", "tile", "sizes"), [(100, 40, [34, 34, 32]), (80, 40, [40, 40])])
def test_cores_are_nearly_equal(length: int, tile: int, sizes: list[int]) -> None:
    assert [part.height for part in plan(length, 1, tile, 0)] == sizes
