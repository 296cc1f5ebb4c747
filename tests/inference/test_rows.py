"""A picture passes in strips: what a step needs is there, and no more than that."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from superres.checkpoint import Model
from superres.errors import InputError
from superres.inference import Upscaler
from superres.inference.rows import ArrayRows, Rows, ahead, consume, joined
from superres.models import build


def picture(height: int = 40, width: int = 7) -> Any:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)


def strips(planes: Any, sizes: list[int], given: list[int] | None = None) -> Iterator[Any]:
    top = 0
    for size in sizes:
        if given is not None:
            given.append(top + size)
        yield planes[top : top + size]
        top += size


def test_windows_may_overlap_and_forget_what_is_above() -> None:
    planes, given = picture(), []
    rows = Rows(40, 7, planes.dtype, strips(planes, [5, 1, 14, 20], given))
    np.testing.assert_array_equal(rows.window(0, 4), planes[:4])
    assert given == [5]
    np.testing.assert_array_equal(rows.window(3, 12), planes[3:12])
    np.testing.assert_array_equal(rows.window(11, 40), planes[11:])
    assert sum(map(len, rows._kept)) == 40 - 11


def test_a_picture_that_ends_early_is_an_error() -> None:
    rows = Rows(40, 7, np.dtype(np.uint8), strips(picture(20), [20]))
    with pytest.raises(InputError, match="ends at row 20 of 40"):
        rows.window(0, 21)


def test_joining_copies_only_what_comes_in_parts() -> None:
    planes = picture()
    assert joined(ArrayRows(planes)) is planes
    parts = Rows(40, 7, planes.dtype, strips(planes, [39, 1]))
    np.testing.assert_array_equal(joined(parts), planes)


def test_strips_in_are_strips_out() -> None:
    planes = picture(200, 30)
    generator = build("lanczos", scale=2).eval()
    scaler = Upscaler(Model(generator, generator.info, {}), tile=16)
    given: list[int] = []
    rows = Rows(200, 30, planes.dtype, strips(planes, [10] * 20, given))
    result = scaler.rows(rows)
    first = next(result.strips())
    assert len(first) <= 32
    assert given[-1] <= 40  # of 200: the rest is not even read
    np.testing.assert_array_equal(np.concatenate([first, *result.strips()]), scaler.pixels(planes))


def test_a_thread_works_one_item_ahead_and_passes_errors_on() -> None:
    def items() -> Iterator[int]:
        yield 1
        yield 2
        raise InputError("broken")

    found = []
    with pytest.raises(InputError, match="broken"):
        found.extend(ahead(items()))
    taken: list[int] = []
    consume(iter([1, 2, 3]), taken.append)
    assert taken == [1, 2, 3]

    def refuse(item: int) -> None:
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        consume(iter([1, 2, 3]), refuse)
