"""The short way from uint8 to uint8 gives what the long way gives."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from superres import images
from superres.checkpoint import Model
from superres.errors import ModelError
from superres.inference import Upscaler
from superres.models import Generator, build


def network(name: str = "fast", **options: Any) -> Generator:
    generator = build(name, **{"scale": 4, "channels": 8, "layers": 3, **options}).eval()
    weights = torch.Generator().manual_seed(4)
    for parameter in generator.parameters():
        torch.nn.init.normal_(parameter, std=0.12, generator=weights)
    return generator


def upscaler(generator: Generator, **options: Any) -> Upscaler:
    model = Model(generator, generator.info, {})
    return Upscaler(model, backend="torch", device="cpu", **options)


def noise(height: int, width: int) -> Any:
    return np.random.default_rng(height * width).integers(0, 256, (height, width, 3), np.uint8)


@pytest.mark.parametrize(
    "generator",
    [
        network(scale=2),
        network(scale=3),
        network(scale=4),
        network(scale=4, colour="rgb"),
        network("compact", scale=4),
        network(scale=4).deployed(),
    ],
    ids=["x2", "x3", "x4", "rgb", "compact", "deployed"],
)
def test_the_result_is_the_networks_within_one_level(generator: Generator) -> None:
    picture = noise(70, 101)
    scaler = upscaler(generator)
    assert scaler.backend._fused is not None
    with torch.inference_mode():
        expected = images.to_pixels(generator(images.to_tensor(picture)))
    assert 0.01 < (expected == 0).mean() < 0.9  # overshoot is among it
    difference = np.abs(scaler.pixels(picture).astype(int) - expected)
    assert difference.max() <= 1
    assert (difference > 0).mean() < 1e-4


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 90), st.integers(1, 90), st.integers(1, 64))
def test_tiles_do_not_show(height: int, width: int, tile: int) -> None:
    picture = noise(height, width)
    whole = upscaler(DEPLOYED, tile=0).pixels(picture)
    tiled = upscaler(DEPLOYED, tile=tile).pixels(picture)
    assert (whole != tiled).sum() <= max(3, 1e-4 * whole.size)
    assert np.abs(whole.astype(int) - tiled).max() <= 1


DEPLOYED = network().deployed()


def test_a_result_that_is_not_finite_is_an_error() -> None:
    generator = network().deployed()
    torch.nn.init.constant_(generator.body[-2].bias, float("nan"))
    with pytest.raises(ModelError, match="NaN or infinite"):
        upscaler(generator).pixels(noise(20, 20))


def test_other_networks_and_depths_take_the_long_way() -> None:
    assert upscaler(build("bicubic", scale=4).eval()).backend._fused is None
    deep = noise(9, 9).astype(np.uint16) * 257
    sr = upscaler(network(), tile=0).pixels(deep)
    assert sr.dtype == np.uint16
    eight = upscaler(network(), tile=0).pixels(noise(9, 9))
    assert np.abs(sr / 257 - eight).max() <= 0.51
