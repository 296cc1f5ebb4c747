"""Tiles leave no trace in any network that we have, whatever the sizes."""

from typing import Any

import numpy as np
import pytest
from generator_specification import SMALL, redrawn
from hypothesis import given, settings
from hypothesis import strategies as st

from superres.checkpoint import Model
from superres.inference import Upscaler
from superres.models import MODELS, build

MADE = {name: redrawn(build(name, **SMALL[name])).eval() for name in MODELS}


def upscaler(name: str, **options: Any) -> Upscaler:
    generator = MADE[name]
    model = Model(generator, generator.info, {"version": "1"})
    return Upscaler(model, backend="torch", device="cpu", **options)


def noise(height: int, width: int, dtype: Any = np.uint8) -> Any:
    random = np.random.default_rng(height * 97 + width)
    return random.integers(0, np.iinfo(dtype).max, (height, width, 3), dtype, endpoint=True)


@pytest.mark.parametrize("name", MODELS)
@settings(max_examples=12, deadline=None)
@given(
    height=st.integers(1, 70), width=st.integers(1, 70), tile=st.integers(1, 48), deep=st.booleans()
)
def test_tiled_equals_whole(name: str, height: int, width: int, tile: int, deep: bool) -> None:
    picture = noise(height, width, np.uint16 if deep else np.uint8)
    whole = upscaler(name, tile=0).pixels(picture).astype(int)
    tiled = upscaler(name, tile=tile).pixels(picture).astype(int)
    assert whole.shape == (2 * height, 2 * width, 3)
    difference = np.abs(tiled - whole)
    if not deep:
        assert (difference > 0).mean() < 1e-4
    # Of 65,535 levels, so within a hundredth of one of 255.
    assert difference.max() <= (2 if deep else 1)


@pytest.mark.parametrize("name", MODELS)
def test_the_engine_computes_what_the_network_does(name: str) -> None:
    import torch

    from superres import images

    generator = MADE[name]
    side = 24
    picture = noise(side, side)
    with torch.inference_mode():
        expected = images.to_pixels(generator(images.to_tensor(picture)))
    sr = upscaler(name).pixels(picture)
    difference = np.abs(sr.astype(int) - expected)
    assert difference.max() <= 1
    assert (difference > 0).mean() < 1e-3
