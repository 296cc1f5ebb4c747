"""Real LR/HR pairs that are not registered are found and measured."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from superres import images
from superres.data.degradations import Degradation
from superres.data.degrade import degrade
from superres.data.registration import folder_pairs, misaligned, shift_of
from superres.errors import DataError

Pixels = NDArray[np.uint8]
SHIFTS = [(0, 0), (0.25, -0.25), (0.5, 0), (1, 0), (-2.5, 3.25), (6, -9)]


def scenery(seed: int = 3, height: int = 192, width: int = 256) -> Pixels:
    """A picture with structure of all sizes and nothing that repeats."""
    random = np.random.default_rng(seed)
    layers = [
        cv2.resize(random.normal(0, 40 / k, (48 // k, 64 // k, 3)), (width, height)) * k
        for k in (1, 2, 4, 8)
    ]
    return np.clip(128 + sum(layers), 0, 255).astype(np.uint8)


def moved(hr: Pixels, down: float, right: float) -> Pixels:
    matrix = np.array([[1, 0, right], [0, 1, down]], np.float32)
    size = hr.shape[1::-1]
    flags, border = cv2.INTER_CUBIC, cv2.BORDER_REFLECT
    return np.asarray(cv2.warpAffine(hr, matrix, size, flags=flags, borderMode=border), np.uint8)


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


def test_pairs_above_the_threshold_are_named_with_their_shift() -> None:
    hr, other = scenery(), scenery(seed=8)
    grey = np.full_like(hr, 128)
    pairs = [
        ("right.png", degrade(hr, 2), hr),
        ("nearly.png", degrade(hr, 2), moved(hr, 0.25, 0)),
        ("shifted.png", degrade(hr, 2), moved(hr, 3, -1.5)),
        ("other.png", degrade(hr, 2), other),
        ("grey.png", degrade(grey, 2), grey),
    ]
    found = {one.name: one for one in misaligned(pairs)}
    assert list(found) == ["shifted.png", "other.png"]
    assert "+3.0" in found["shifted.png"].reason
    assert "-1.5" in found["shifted.png"].reason
    assert "too little in common" in found["other.png"].reason
    assert "nearly.png" in {one.name for one in misaligned(pairs, max_shift=0.2)}


def test_two_folders_as_realvsr_has_them(tmp_path: Path) -> None:
    for clip, shift in (("000", 0), ("001", 4)):
        for side, pixels in (("GT", moved(scenery(), 0, shift)), ("LQ", degrade(scenery(), 2))):
            (tmp_path / side / clip).mkdir(parents=True)
            for number in range(2):
                images.write(tmp_path / side / clip / f"{number}.png", images.Picture(pixels))
    pairs = folder_pairs(tmp_path / "LQ", tmp_path / "GT")
    assert [one.name for one in misaligned(pairs)] == ["001/0.png", "001/1.png"]
    (tmp_path / "LQ/001/1.png").unlink()
    with pytest.raises(DataError, match=r"001/1\.png: no picture of that name in"):
        list(folder_pairs(tmp_path / "LQ", tmp_path / "GT"))


def test_sizes_that_are_no_multiple_are_refused() -> None:
    hr = scenery()
    for lr in (hr[:100, :100], degrade(hr, 2)[:-1], np.vstack([hr, hr])):
        with pytest.raises(DataError, match="no whole multiple"):
            shift_of(lr, hr)
