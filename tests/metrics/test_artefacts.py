"""A grid is told from texture, and a tint from noise."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from superres import images
from superres.data.degrade import degrade, imresize, mod_crop
from superres.errors import InputError
from superres.metrics.artefacts import checkerboard, colour_shift

NAMES = ("baboon", "comic", "zebra", "monarch")


@pytest.fixture(scope="module")
def pictures(shared_data: Path) -> list[NDArray[np.uint8]]:
    folder = shared_data / "benchmarks" / "Set14" / "HR"
    return [mod_crop(images.read(folder / f"{name}.png").pixels, 4) for name in NAMES]


def grid(like: NDArray[np.uint8], scale: int, strength: float) -> NDArray[np.float64]:
    """Return a pattern that repeats every `scale` pixels, as a badly trained pixel-shuffle adds."""
    phases = np.random.default_rng(1).normal(0, strength, (scale, scale))
    repeats = like.shape[0] // scale, like.shape[1] // scale
    return np.kron(np.ones(repeats), phases)[..., np.newaxis]


def test_photographs_and_bicubic_have_no_grid(pictures: list[NDArray[np.uint8]]) -> None:
    for hr in pictures:
        assert abs(checkerboard(hr, 4)) < 1
        assert abs(checkerboard(imresize(degrade(hr, 4), 4), 4)) < 3


@pytest.mark.parametrize("scale", [2, 4])
def test_a_grid_of_one_grey_level_is_seen_on_a_smooth_result(
    pictures: list[NDArray[np.uint8]], scale: int
) -> None:
    for hr in pictures:
        sr = imresize(degrade(hr, scale), scale)
        clean = checkerboard(sr, scale)
        found = [checkerboard(sr + grid(sr, scale, strength), scale) for strength in (0.5, 1, 3)]
        assert clean + 3 < found[0] < found[1] < found[2]


def test_noise_and_contrast_are_no_grid(pictures: list[NDArray[np.uint8]]) -> None:
    hr = pictures[0].astype(np.float64)
    noise = np.random.default_rng(2).normal(0, 8, hr.shape)
    assert abs(checkerboard(hr + noise, 4) - checkerboard(hr, 4)) < 0.5
    assert checkerboard(hr * 0.5 + 60, 4) == pytest.approx(checkerboard(hr, 4), abs=0.1)


def test_a_grid_of_another_period_is_not_counted(pictures: list[NDArray[np.uint8]]) -> None:
    hr = pictures[3][:510, :765].astype(np.float64)
    assert abs(checkerboard(hr + grid(pictures[3][:510, :765], 5, 3), 3)) < 3


def test_it_stands_in_both_directions(pictures: list[NDArray[np.uint8]]) -> None:
    sr = imresize(degrade(pictures[2], 4), 4)
    damaged = sr + grid(sr, 4, 2)
    assert checkerboard(damaged.swapaxes(0, 1), 4) == pytest.approx(checkerboard(damaged, 4))


def test_a_flat_picture_has_none() -> None:
    assert checkerboard(np.full((80, 80, 3), 90, np.uint8), 4) == 0


def test_small_pictures_and_scale_one_are_refused() -> None:
    with pytest.raises(InputError, match="a grid of 4 pixels cannot be told in 80x71"):
        checkerboard(np.zeros((71, 80, 3), np.uint8), 4)
    with pytest.raises(InputError, match="a scale of at least 2"):
        checkerboard(np.zeros((71, 80, 3), np.uint8), 1)


def test_colour_shift_is_the_worst_channel_and_ignores_detail(photo: NDArray[np.uint8]) -> None:
    sr = photo.astype(np.float64) + np.array([0.5, -3, 1])
    assert colour_shift(sr, photo) == pytest.approx(3)
    assert colour_shift(photo[::-1, ::-1], photo) == 0
