"""The bicubic image of pixels plus a residual."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from superres.inference.levels import Crop
from superres.inference.skip import BicubicSkip, phase_weights
from superres.models import interpolation


@pytest.mark.parametrize("scale", [2, 3, 4, 8])
def test_its_weights_are_the_networks(scale: int) -> None:
    expected = interpolation.phase_weights("bicubic", scale).numpy()
    assert np.allclose(phase_weights(scale), expected, atol=1e-12)


@settings(max_examples=40, deadline=None)
@given(
    scale=st.sampled_from([2, 3, 4]),
    height=st.integers(1, 60),
    width=st.integers(1, 700),
    planes=st.sampled_from([1, 3]),
)
def test_it_is_interpolation_plus_shuffled_residual(
    scale: int, height: int, width: int, planes: int
) -> None:
    random = np.random.default_rng(height * width)
    lr = random.integers(0, 256, (height, width, 3), np.uint8)
    shape = (planes * scale**2, height, width)
    residual = random.normal(0, 30, shape).astype(np.float32)
    image = torch.from_numpy(lr.astype(np.float32)).permute(2, 0, 1)[None]
    bicubic = interpolation.Interpolation(scale=scale, kernel="bicubic")(image)
    detail = torch.nn.functional.pixel_shuffle(torch.from_numpy(residual)[None], scale)
    exact = (bicubic + detail)[0].clamp(0, 255).permute(1, 2, 0).numpy()
    top, left = min(3, height - 1), min(5, width - 1)
    crop = Crop(scale * top, scale * left, scale * (height - top), scale * (width - left))
    found = BicubicSkip(scale, "x").levels(lr, residual, crop)
    assert np.abs(found - exact[crop.top :, crop.left :]).max() <= 0.501
