"""Each objective rewards the discriminator for separating and the generator for being believed."""

import math

import pytest
import torch
from torch.nn import functional as F

from superres.errors import ModelError
from superres.losses.adversarial import OBJECTIVES, objective

NAMES = sorted(OBJECTIVES)


def logits(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64).view(-1, 1)


def log_sigmoid(value: float) -> float:
    return -math.log1p(math.exp(-value))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("bce", -log_sigmoid(2.0) - log_sigmoid(0.5)),
        ("minimax", -log_sigmoid(2.0) - log_sigmoid(0.5)),
        ("lsgan", (2.0 - 1) ** 2 + 0.5**2),
        ("hinge", 0.0 + (1 - 0.5)),
    ],
)
def test_value_for_the_discriminator(name: str, expected: float) -> None:
    found = objective(name).discriminator(logits(2.0), logits(-0.5), 0.0)
    assert found.item() == pytest.approx(expected)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("bce", -log_sigmoid(-0.5)),
        ("minimax", log_sigmoid(0.5)),  # log(1 - D)
        ("lsgan", (-0.5 - 1) ** 2),
        ("hinge", 0.5),
    ],
)
def test_value_for_the_generator(name: str, expected: float) -> None:
    assert objective(name).generator(logits(-0.5)).item() == pytest.approx(expected)


@pytest.mark.parametrize("name", NAMES)
def test_values_are_means_over_the_batch(name: str) -> None:
    game, real, fake = objective(name), logits(0.3, -0.7), logits(0.1, 0.4)
    alone = [game.discriminator(real[i : i + 1], fake[i : i + 1], 0.0) for i in (0, 1)]
    assert game.discriminator(real, fake, 0.0).item() == pytest.approx(sum(alone).item() / 2)
    alone = [game.generator(fake[i : i + 1]) for i in (0, 1)]
    assert game.generator(fake).item() == pytest.approx(sum(alone).item() / 2)


@pytest.mark.parametrize("name", NAMES)
def test_a_discriminator_that_separates_has_the_lower_loss(name: str) -> None:
    told = objective(name).discriminator
    right = told(logits(0.9), logits(-0.9), 0.0)
    unsure = told(logits(0.0), logits(0.0), 0.0)
    wrong = told(logits(-0.9), logits(0.9), 0.0)
    assert right < unsure < wrong


@pytest.mark.parametrize("name", NAMES)
def test_the_generator_pushes_logits_up(name: str) -> None:
    fake = logits(-0.8, 0.0, 0.8).requires_grad_(True)
    objective(name).generator(fake).backward()
    assert fake.grad is not None
    assert (fake.grad < 0).all()


def test_the_unsaturated_form_still_pushes_when_nothing_is_believed() -> None:
    """Goodfellow et al. (2014): log(1 - D) has no gradient where the discriminator is sure."""
    pushes = {}
    for name in ("bce", "minimax"):
        fake = logits(-12.0).requires_grad_(True)
        objective(name).generator(fake).backward()
        pushes[name] = fake.grad.abs().item()
    assert pushes["bce"] > 0.99
    assert pushes["minimax"] < 1e-4


@pytest.mark.parametrize(("name", "optimum"), [("bce", math.log(9)), ("lsgan", 0.9)])
def test_label_smoothing_moves_the_optimum_for_real_pictures(name: str, optimum: float) -> None:
    real = logits(optimum).requires_grad_(True)
    objective(name).discriminator(real, logits(-5.0), 0.1).backward()
    assert real.grad.item() == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_gradients(name: str) -> None:
    game, real, fake = objective(name), logits(0.4, -0.3), logits(0.2, -0.6)
    real.requires_grad_(True)
    fake.requires_grad_(True)
    assert torch.autograd.gradcheck(lambda a, b: game.discriminator(a, b, 0.1), (real, fake))
    assert torch.autograd.gradcheck(game.generator, (fake,))


@pytest.mark.parametrize("name", NAMES)
def test_extreme_logits_stay_finite(name: str) -> None:
    game, far = objective(name), torch.tensor([[1e4]])
    for real, fake in ((far, -far), (-far, far)):
        assert torch.isfinite(game.discriminator(real, fake, 0.0))
        assert torch.isfinite(game.generator(fake))


def test_bce_is_cross_entropy() -> None:
    fake = logits(0.4, -1.0)
    expected = F.binary_cross_entropy(fake.sigmoid(), torch.ones_like(fake))
    assert objective("bce").generator(fake).item() == pytest.approx(expected.item())


def test_an_unknown_objective_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ModelError, match=r"'wgan' is not known.*bce.*hinge.*lsgan.*minimax"):
        objective("wgan")
