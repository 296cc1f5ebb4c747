"""Any size comes out exactly; the resample is MATLAB's."""

from typing import Any

import numpy as np
import pytest
import torch

from superres.checkpoint import Model
from superres.data.degrade import imresize
from superres.errors import ConfigError
from superres.images import Picture
from superres.inference import Upscaler
from superres.inference.rows import ArrayRows, joined
from superres.inference.sizing import Wanted, parse_size, passes, resampled
from superres.models import build


def noise(height: int, width: int, dtype: Any = np.uint8) -> Any:
    return np.random.default_rng(1).integers(0, np.iinfo(dtype).max, (height, width, 3), dtype)


def upscaler(scale: int, wanted: Wanted, name: str = "bicubic") -> Upscaler:
    generator = build(name, scale=scale).eval()
    return Upscaler(Model(generator, generator.info, {}), wanted=wanted)


@pytest.mark.parametrize(
    ("text", "width", "height"), [("1920x1080", 1920, 1080), ("640x", 640, None), ("x9", None, 9)]
)
def test_sizes_are_read(text: str, width: int | None, height: int | None) -> None:
    assert parse_size(text) == Wanted(width=width, height=height)


@pytest.mark.parametrize("text", ["", "x", "1920", "0x10", "-3x4", "1.5x2", "axb", "2x3x4"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="1920x1080, 1920x or x1080"):
        parse_size(text)


@pytest.mark.parametrize(
    ("wanted", "size"),
    [
        (Wanted(), (40, 60)),
        (Wanted(scale=3), (30, 45)),
        (Wanted(scale=1.5), (15, 22)),
        (Wanted(width=100), (67, 100)),
        (Wanted(height=100), (100, 150)),
        (Wanted(width=7, height=9), (9, 7)),
        (Wanted(scale=0.01), (1, 1)),
    ],
)
def test_the_result_has_exactly_the_size_wanted(wanted: Wanted, size: tuple[int, int]) -> None:
    scaler = upscaler(4, wanted)
    assert scaler.size(10, 15) == size
    assert scaler.pixels(noise(10, 15)).shape == (*size, 3)
    alpha = scaler.image(Picture(noise(10, 15), alpha=noise(10, 15)[..., 0])).alpha
    assert alpha is not None
    assert alpha.shape == size


@pytest.mark.parametrize(
    ("factor", "own", "times"),
    [(2, 2, 1), (4, 2, 2), (8, 2, 3), (3, 2, 2), (3, 4, 1), (2.1, 2, 1), (16, 4, 2), (0.5, 4, 0),
     (1, 4, 0), (1.2, 4, 1), (5, 1, 1)],
)  # fmt: skip
def test_the_model_runs_as_often_as_comes_nearest(factor: float, own: int, times: int) -> None:
    assert passes(factor, own) == times


def test_x4_by_x2_twice() -> None:
    picture = noise(12, 17)
    once = upscaler(2, Wanted(), "nearest")
    twice = upscaler(2, Wanted(scale=4), "nearest").pixels(picture)
    np.testing.assert_array_equal(twice, once.pixels(once.pixels(picture)))


@pytest.mark.parametrize("size", [(31, 47), (60, 20), (10, 90), (100, 100), (40, 60), (1, 1)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_the_resample_is_matlabs(size: tuple[int, int], dtype: Any) -> None:
    picture = noise(40, 60, dtype)
    found = joined(resampled(ArrayRows(picture), *size))
    full = np.iinfo(dtype).max
    exact = imresize(picture.astype(np.float64), size=size).clip(0, full)
    assert found.dtype == dtype
    assert np.abs(found - exact).max() < 0.51 + full * 1e-6


def test_a_size_and_tiles_do_not_show() -> None:
    torch.manual_seed(0)
    picture = noise(50, 41)
    generator = build("compact", scale=2, channels=4, layers=1).eval()
    model = Model(generator, generator.info, {})
    made = [Upscaler(model, tile=tile, wanted=Wanted(scale=3)).pixels(picture) for tile in (0, 9)]
    assert np.abs(made[0].astype(int) - made[1]).max() <= 1
