"""Real LR/HR pairs that are not registered are found and measured."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scenery import moved, scenery

from superres import images
from superres.data.degradations import Degradation
from superres.data.degrade import degrade
from superres.data.registration import fault_of, shift_of
from superres.errors import DataError

Pixels = NDArray[np.uint8]
SHIFTS = [(0, 0), (0.25, -0.25), (0.5, 0), (1, 0), (-2.5, 3.25), (6, -9)]


@pytest.mark.parametrize("scale", [1, 2, 4])
@pytest.mark.parametrize(("down", "right"), SHIFTS)
def test_a_shift_is_measured_to_a_twentieth_of_a_pixel(
    scale: int, down: float, right: float
) -> None:
    hr = scenery()
    found = shift_of(degrade(hr, scale), moved(hr, down, right))
    assert (found.down, found.right) == pytest.approx((down, right), abs=0.05)
    assert found.peak > 0.5


@pytest.mark.parametrize("name", ["baboon", "zebra", "ppt3", "foreman"])
def test_real_pictures(shared_data: Path, name: str) -> None:
    hr = images.read(shared_data / f"benchmarks/Set14/HR/{name}.png").pixels
    hr = hr[: hr.shape[0] // 4 * 4, : hr.shape[1] // 4 * 4]
    for down, right in SHIFTS:
        found = shift_of(degrade(hr, 4), moved(hr, down, right))
        assert (found.down, found.right) == pytest.approx((down, right), abs=0.08)


def test_real_degradation_hides_no_shift() -> None:
    hr = scenery()
    lr = Degradation.parse("real-world").apply(hr, 2, seed=4)
    found = shift_of(lr, moved(hr, 2, -1))
    assert (found.down, found.right) == pytest.approx((2, -1), abs=0.6)


def test_keeping_the_first_pixel_of_a_block_is_a_shift() -> None:
    """BD's phase: LR lies (scale - 1) / 2 pixels above and left of where bicubic puts it."""
    found = shift_of(Degradation.parse("bd").apply(scenery(), 4, 0), scenery())
    assert (found.down, found.right) == pytest.approx((-1.5, -1.5), abs=0.1)


def test_a_pair_above_the_threshold_is_told_with_its_shift() -> None:
    hr, other = scenery(), scenery(seed=8)
    grey = np.full_like(hr, 128)
    assert fault_of(degrade(hr, 2), hr) == ""
    assert fault_of(degrade(hr, 2), moved(hr, 0.25, 0)) == ""
    assert "more than 0.2 pixels" in fault_of(degrade(hr, 2), moved(hr, 0.25, 0), max_shift=0.2)
    shifted = fault_of(degrade(hr, 2), moved(hr, 3, -1.5))
    assert "+3.0" in shifted
    assert "-1.5" in shifted
    assert "too little in common" in fault_of(degrade(hr, 2), other)
    assert fault_of(degrade(grey, 2), grey) == "", "nothing to compare"


def test_brightness_that_differs_is_told() -> None:
    hr = np.full((64, 64, 3), 120, np.uint8)
    assert fault_of(degrade(hr, 2) + 20, hr) == ""
    told = fault_of(degrade(hr, 2) + 40, hr)
    assert "grey levels brighter than HR" in told
    assert "+34.4" in told, "BT.601 luma has 219 levels"


def test_sizes_that_are_no_multiple_are_refused() -> None:
    hr = scenery()
    for lr in (hr[:100, :100], degrade(hr, 2)[:-1], np.vstack([hr, hr])):
        with pytest.raises(DataError, match="no whole multiple"):
            shift_of(lr, hr)
