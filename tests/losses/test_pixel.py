"""Pixel losses by hand."""

import pytest
import torch

from superres.errors import ModelError
from superres.losses import LOSSES, build_term, needs_features

PIXEL = ["mse", "l1", "charbonnier", "luma_l1", "luma_mse", "tv", "frequency"]


def images(*values: float) -> torch.Tensor:
    """Return one picture (1, 3, 1, n) whose channels all have these values."""
    return torch.tensor(values, dtype=torch.float64).expand(1, 3, 1, -1).clone()


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("mse", (0.25 + 0.0 + 0.01) / 3),
        ("l1", (0.5 + 0.0 + 0.1) / 3),
        ("charbonnier", ((0.25 + 1e-6) ** 0.5 + 1e-3 + (0.01 + 1e-6) ** 0.5) / 3),
        ("luma_l1", (0.5 + 0.0 + 0.1) / 3),  # grey: luma's weights sum to one
        ("luma_mse", (0.25 + 0.0 + 0.01) / 3),
        ("tv", (0.3 + 0.7) / 2),  # of 0.5, 0.2, 0.9, whatever HR is
    ],
)
def test_value(name: str, expected: float) -> None:
    found = build_term(name)(images(0.5, 0.2, 0.9), images(0.0, 0.2, 1.0))
    assert found.item() == pytest.approx(expected, abs=1e-7)


def test_luma_weighs_the_colours_as_bt_601() -> None:
    sr, hr = torch.zeros(2, 1, 3, 1, 1, dtype=torch.float64)
    sr[0, 1] = 1.0  # green: 128.553 of the 219 levels between black and white
    assert build_term("luma_l1")(sr, hr).item() == pytest.approx(128.553 / 219, abs=1e-7)
    assert build_term("luma_mse")(sr, hr).item() == pytest.approx((128.553 / 219) ** 2, abs=1e-7)


def test_total_variation_adds_both_directions_and_ignores_hr() -> None:
    sr = torch.tensor([[0.0, 1.0], [0.5, 0.5]], dtype=torch.float64).expand(1, 3, 2, 2)
    # horizontal steps 1, 0; vertical steps 0.5, 0.5
    for hr in (torch.zeros_like(sr), sr):
        assert build_term("tv")(sr, hr).item() == pytest.approx(0.5 + 0.5)
    flat = torch.full((1, 3, 4, 4), 0.3)
    assert build_term("tv")(flat, torch.rand(1, 3, 4, 4)).item() == 0
    assert build_term("tv")(torch.rand(1, 3, 1, 1), flat).item() == 0  # a pixel has no neighbours


def test_frequency_of_a_step_of_brightness_and_of_a_point() -> None:
    """A constant c is one value c * sqrt(HW); a point is 1 / sqrt(HW) at every frequency."""
    hr = torch.zeros(1, 3, 4, 8, dtype=torch.float64)
    assert build_term("frequency")(hr + 0.2, hr).item() == pytest.approx(0.2 / 32**0.5)
    point = hr.clone()
    point[..., 1, 2] = 0.2
    assert build_term("frequency")(point, hr).item() == pytest.approx(0.2 / 32**0.5)


def test_frequency_weighs_a_fine_grid_as_a_coarse_one() -> None:
    hr = torch.zeros(1, 3, 8, 8, dtype=torch.float64)
    columns = torch.arange(8, dtype=torch.float64)
    found = [
        build_term("frequency")(hr + 0.1 * torch.cos(2 * torch.pi * wave * columns / 8), hr).item()
        for wave in (1, 2, 3)
    ]
    assert found == pytest.approx([found[0]] * 3)


def test_frequency_takes_half_precision() -> None:
    sr = torch.rand(1, 3, 6, 6).bfloat16()
    assert build_term("frequency")(sr, torch.zeros_like(sr)).isfinite()


@pytest.mark.parametrize(
    ("name", "least"),
    [
        ("mse", 0.0),
        ("l1", 0.0),
        ("charbonnier", 1e-3),
        ("luma_l1", 0.0),
        ("luma_mse", 0.0),
        ("frequency", 0.0),
        ("grid", 0.0),
    ],
)
def test_equal_pictures_have_the_least_value(name: str, least: float) -> None:
    hr = images(0.1, 0.6)
    assert build_term(name)(hr, hr).item() == pytest.approx(least, abs=1e-12)


@pytest.mark.parametrize("name", PIXEL)
def test_gradient(name: str) -> None:
    random = torch.Generator().manual_seed(1)
    sr, hr = torch.rand(2, 2, 3, 4, 3, generator=random, dtype=torch.float64)
    assert torch.autograd.gradcheck(build_term(name), (sr.requires_grad_(True), hr))


def test_a_grid_of_four_pixels_counts_and_other_patterns_do_not() -> None:
    """One phase of 16 is 0.16 brighter: 0.15 above the phases' mean, the others 0.01 below."""
    hr = torch.rand(1, 3, 32, 40, generator=torch.Generator().manual_seed(0))
    dotted, striped, tinted = hr.clone(), hr.clone(), hr + 0.1
    dotted[..., ::4, ::4] += 0.16
    striped[..., :, ::5] += 0.16  # of five pixels: every phase of four has as much of it
    told = build_term("grid")
    assert told(dotted, hr).item() == pytest.approx((0.15 + 15 * 0.01) / 16, rel=1e-4)
    assert told(striped, hr).item() == pytest.approx(0, abs=1e-6)
    assert told(tinted, hr).item() == pytest.approx(0, abs=1e-6)


def test_charbonnier_has_a_gradient_where_l1_has_a_kink() -> None:
    hr = images(0.3)
    sr = hr.clone().requires_grad_(True)
    build_term("charbonnier")(sr, hr).backward()
    assert torch.equal(sr.grad, torch.zeros_like(hr))


def test_every_name_but_adversarial_builds_a_term() -> None:
    assert set(PIXEL) | {"adversarial", "vgg19_22", "vgg19_54"} <= set(LOSSES)
    assert not needs_features(["adversarial", *PIXEL])


def test_an_unknown_loss_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ModelError, match=r"'ssim' is not known.*charbonnier.*mse.*vgg19_54"):
        build_term("ssim")
