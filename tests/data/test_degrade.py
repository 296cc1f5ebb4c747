"""LR pictures are MATLAB's, pixel for pixel."""

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from superres import images
from superres.data.degrade import KERNELS, Border, degrade, imresize, mod_crop
from superres.errors import ConfigError


@pytest.mark.parametrize("scale", [2, 4])
@pytest.mark.parametrize("name", ["Set5", "Set14", "BSD100"])
def test_no_pixel_differs_from_matlab(shared_data: Path, name: str, scale: int) -> None:
    folder = shared_data / "benchmarks" / name
    hr_files = sorted((folder / "HR").iterdir())
    lr_files = sorted((folder / f"LR_x{scale}").iterdir())
    assert len(hr_files) == len(lr_files) == {"Set5": 5, "Set14": 14, "BSD100": 100}[name]

    differing = []
    for hr_file, lr_file in zip(hr_files, lr_files, strict=True):
        ours, matlab = degrade(images.read(hr_file).pixels, scale), images.read(lr_file).pixels
        if ours.shape != matlab.shape or (ours != matlab).any():
            differing.append(f"{hr_file.name} / {lr_file.name}")
    assert not differing


def test_reflected_border_changes_the_two_outer_pixels_only(shared_data: Path) -> None:
    hr = images.read(shared_data / "benchmarks" / "Set5" / "HR" / "butterfly.png").pixels
    replicated, reflected = degrade(hr, 4), degrade(hr, 4, border="reflect")
    assert (replicated != reflected).any()
    np.testing.assert_array_equal(replicated[2:-2, 2:-2], reflected[2:-2, 2:-2])


def test_reflected_border_equals_symmetric_padding(photo: NDArray[np.uint8]) -> None:
    padded = np.pad(photo, ((32, 32), (32, 32), (0, 0)), mode="symmetric")
    np.testing.assert_array_equal(
        degrade(photo, 4, border="reflect"), degrade(padded, 4)[8:-8, 8:-8]
    )


def test_replicated_border_equals_edge_padding(photo: NDArray[np.uint8]) -> None:
    padded = np.pad(photo, ((32, 32), (32, 32), (0, 0)), mode="edge")
    np.testing.assert_array_equal(degrade(photo, 4), degrade(padded, 4)[8:-8, 8:-8])


def test_bicubic_by_hand() -> None:
    # x2 taps of the stretched kernel around the middle of 0 0 0 0 | 128 128 128 128.
    line = np.array([[0, 0, 0, 0, 128, 128, 128, 128]], np.uint8)
    weights = np.array([-3, -9, 29, 111, 111, 29, -9, -3]) / 256
    left = weights[5:].sum() * 128  # = 8.5 before rounding: half goes up, below zero is cut
    assert left == 8.5
    ours = imresize(line, size=(1, 4))
    np.testing.assert_array_equal(ours[0, 1:3], [9, 128 - 8])


def test_rows_are_rounded_before_columns(photo: NDArray[np.uint8]) -> None:
    height, width = photo.shape[0] // 4, photo.shape[1] // 4
    rows_first = imresize(imresize(photo, size=(height, 56)), size=(height, width))
    columns_first = imresize(imresize(photo, size=(40, width)), size=(height, width))
    np.testing.assert_array_equal(imresize(photo, 0.25), rows_first)
    assert (rows_first != columns_first).any()


def test_the_smaller_scale_goes_first(photo: NDArray[np.uint8]) -> None:
    columns_first = imresize(imresize(photo, size=(40, 7)), size=(20, 7))
    rows_first = imresize(imresize(photo, size=(20, 56)), size=(20, 7))
    np.testing.assert_array_equal(imresize(photo, size=(20, 7)), columns_first)
    assert (rows_first != columns_first).any()


@pytest.mark.parametrize("kernel", sorted(KERNELS))
@pytest.mark.parametrize("scale", [0.25, 1 / 3, 0.7, 1, 1.5, 4])
@pytest.mark.parametrize("border", ["replicate", "reflect"])
def test_a_flat_picture_stays_flat(kernel: str, scale: float, border: Border) -> None:
    flat = np.full((13, 9, 3), 77, np.uint8)
    resized = imresize(flat, scale, kernel=kernel, border=border)
    assert resized.shape == (np.ceil(13 * scale), np.ceil(9 * scale), 3)
    assert (resized == 77).all()


def test_without_antialias_only_the_nearest_pixels_count() -> None:
    line = np.array([[0, 0, 255, 0, 0, 0, 0, 0]], np.uint8)
    plain = imresize(line, size=(1, 2), antialias=False)
    np.testing.assert_array_equal(plain, [[round(255 * 9 / 16), 0]])


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32, np.float64])
def test_the_type_is_kept_and_floats_are_not_rounded(dtype: type) -> None:
    ramp = np.arange(64, dtype=dtype).reshape(8, 8)
    small = imresize(ramp, 0.5)
    assert small.dtype == dtype
    exact = imresize(ramp.astype(np.float64), 0.5)
    assert np.abs(small - exact).max() <= (0.75 if np.issubdtype(dtype, np.integer) else 1e-5)


def test_sixteen_bits_are_not_cut_to_eight() -> None:
    assert (imresize(np.full((4, 4), 40_000, np.uint16), 2) == 40_000).all()


def test_channels_do_not_mix(photo: NDArray[np.uint8]) -> None:
    together = degrade(photo, 4)
    for channel in range(3):
        np.testing.assert_array_equal(together[..., channel], degrade(photo[..., channel], 4))


def test_mod_crop_cuts_bottom_and_right(tiny: NDArray[np.uint8]) -> None:
    np.testing.assert_array_equal(mod_crop(tiny, 4), tiny[:4, :4])
    np.testing.assert_array_equal(mod_crop(tiny, 2), tiny)


@pytest.mark.parametrize("side", [7, 9, 49, 300, 3001])
@pytest.mark.parametrize("scale", [2, 3, 5, 7])
def test_degrade_always_gives_the_exact_quotient(side: int, scale: int) -> None:
    picture = np.zeros((side, side + 1, 3), np.uint8)
    assert degrade(picture, scale).shape == (side // scale, (side + 1) // scale, 3)


def test_a_single_pixel_can_be_enlarged() -> None:
    assert (imresize(np.full((1, 1, 3), 200, np.uint8), 4) == np.full((4, 4, 3), 200)).all()


def test_a_picture_smaller_than_the_scale_is_refused() -> None:
    with pytest.raises(ConfigError, match="6x3 cannot be shrunk by 4"):
        degrade(np.zeros((3, 6, 3), np.uint8), 4)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"scale": 2, "kernel": "cubic"}, "kernel 'cubic' is unknown; accepted: bicubic,"),
        ({"scale": 2, "border": "wrap"}, "border 'wrap' is unknown; accepted: replicate, reflect"),
        ({}, "one of scale and size"),
        ({"scale": 2, "size": (2, 2)}, "one of scale and size"),
        ({"scale": 0}, "positive"),
        ({"scale": float("nan")}, "positive"),
        ({"size": (0, 2)}, "positive"),
    ],
)
def test_wrong_options_are_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        imresize(np.zeros((4, 4), np.uint8), **options)


def test_two_megapixels_take_well_under_a_second() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (1356, 2040, 3), dtype=np.uint8)
    started = time.perf_counter()
    degrade(picture, 4)
    assert time.perf_counter() - started < 1.0
