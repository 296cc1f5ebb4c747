"""The figures and pictures that show what losses do not."""

import numpy as np
import pytest
from packs import picture

from superres.images import decode
from superres.training.diagnostics import Shown, band_strip, bands, figures, strip

HR = picture(96, 96)


def shown(sr: np.ndarray, hr: np.ndarray = HR) -> list[Shown]:
    return [Shown(nearest=hr, bicubic=hr, sr=sr.astype(np.uint8), hr=hr)]


def smooth() -> np.ndarray:
    rows, columns = np.mgrid[0:96, 0:96]
    wave = 120 + 60 * np.sin(rows / 15) * np.cos(columns / 11)
    return np.stack([wave] * 3, axis=-1).round().astype(np.uint8)


def test_a_perfect_generator_has_nothing_to_tell() -> None:
    found = figures(shown(HR), 4)
    assert found["diagnostics/colour_shift"] == 0
    assert found["diagnostics/contrast"] == 1
    assert found["diagnostics/checkerboard"] == found["diagnostics/checkerboard_hr"]


def test_a_grid_of_the_upsampling_is_a_number() -> None:
    """Pixel-shuffle with one phase two levels brighter: far above the surroundings (dB)."""
    hr = smooth()
    sr = hr.copy()
    sr[::4, ::4] += 2
    found = figures(shown(sr, hr), 4)
    assert found["diagnostics/checkerboard_hr"] < 3
    assert found["diagnostics/checkerboard"] > found["diagnostics/checkerboard_hr"] + 6


def test_a_tint_is_the_worst_channels_shift_in_levels() -> None:
    hr = smooth()
    found = figures(shown(hr + np.array([1, 7, 0], np.uint8), hr), 4)
    assert found["diagnostics/colour_shift"] == pytest.approx(7)


def test_a_generator_of_one_grey_has_no_contrast() -> None:
    assert figures(shown(np.full_like(HR, 90)), 4)["diagnostics/contrast"] == 0


def test_pictures_too_small_for_a_grid_have_the_other_figures() -> None:
    small = HR[:40, :40]
    assert set(figures(shown(small, small), 4)) == {
        "diagnostics/colour_shift",
        "diagnostics/contrast",
    }
    assert "diagnostics/checkerboard" in figures(shown(small, small), 2)
    assert figures([], 4) == {}


def test_low_and_high_frequencies_add_up_to_the_picture() -> None:
    low, high = bands(HR)
    whole = low.astype(int) + high.astype(int) - 128
    assert np.abs(whole - HR).max() <= 1
    assert low.std() < HR.std()


def test_slow_waves_stay_in_the_low_pass_and_fast_ones_in_the_high_pass() -> None:
    columns = np.arange(96)
    for period, kept in ((96, 0.99), (3, 0.0)):
        wave = np.tile(128 + 60 * np.sin(2 * np.pi * columns / period), (96, 1))
        low, high = bands(np.stack([wave] * 3, axis=-1).round().astype(np.uint8))
        assert low.std() / wave.std() == pytest.approx(kept, abs=0.02)
        assert high.std() / wave.std() == pytest.approx(1 - kept, abs=0.02)


def test_the_cutoff_is_where_61_percent_are_kept() -> None:
    wave = np.tile(128 + 100 * np.sin(2 * np.pi * np.arange(96) / 12), (96, 1))
    low, _ = bands(np.stack([wave] * 3, axis=-1).round().astype(np.uint8), cutoff=1 / 12)
    assert low.std() / wave.std() == pytest.approx(np.exp(-0.5), abs=0.01)


def test_strips_have_a_row_for_each_picture() -> None:
    two = shown(smooth()) + shown(HR)
    side_by_side = decode(strip(two) or b"").pixels
    assert side_by_side.shape == (2 * 96, 4 * 96, 3)
    np.testing.assert_array_equal(side_by_side[:96, 2 * 96 : 3 * 96], smooth())
    np.testing.assert_array_equal(side_by_side[96:, 3 * 96 :], HR)
    banded = decode(band_strip(two) or b"").pixels
    np.testing.assert_array_equal(banded[96:, 96 : 2 * 96], bands(HR)[1])
    assert strip([]) is None
    assert band_strip([]) is None
