"""Pixel losses by hand."""

import pytest
import torch

from superres.errors import ModelError
from superres.losses import LOSSES, build_term, needs_features

PIXEL = ["mse", "l1", "charbonnier"]


def images(*values: float) -> torch.Tensor:
    """Return one picture (1, 3, 1, n) whose channels all have these values."""
    return torch.tensor(values, dtype=torch.float64).expand(1, 3, 1, -1).clone()


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("mse", (0.25 + 0.0 + 0.01) / 3),
        ("l1", (0.5 + 0.0 + 0.1) / 3),
        ("charbonnier", ((0.25 + 1e-6) ** 0.5 + 1e-3 + (0.01 + 1e-6) ** 0.5) / 3),
    ],
)
def test_value(name: str, expected: float) -> None:
    found = build_term(name)(images(0.5, 0.2, 0.9), images(0.0, 0.2, 1.0))
    assert found.item() == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(("name", "least"), [("mse", 0.0), ("l1", 0.0), ("charbonnier", 1e-3)])
def test_equal_pictures_have_the_least_value(name: str, least: float) -> None:
    hr = images(0.1, 0.6)
    assert build_term(name)(hr, hr).item() == pytest.approx(least, abs=1e-12)


@pytest.mark.parametrize("name", PIXEL)
def test_gradient(name: str) -> None:
    random = torch.Generator().manual_seed(1)
    sr, hr = torch.rand(2, 2, 3, 4, 3, generator=random, dtype=torch.float64)
    assert torch.autograd.gradcheck(build_term(name), (sr.requires_grad_(True), hr))


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
