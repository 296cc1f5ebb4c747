"""Each objective rewards the discriminator for separating and the generator for being believed."""

import math

import pytest
import torch
from torch.nn import functional as F

from superres.errors import ModelError
from superres.losses.adversarial import (
    OBJECTIVES,
    clip_weights,
    gradient_penalty,
    objective,
)

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
        ("wgan", -0.5 - 2.0),
        ("wgan-gp", -0.5 - 2.0),
        ("ragan", -2 * log_sigmoid(2.5)),  # real is 2.5 above made, made 2.5 below real
        ("probability", 1 - math.exp(log_sigmoid(2.0)) + math.exp(log_sigmoid(-0.5))),
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
        ("wgan", 0.5),
        ("wgan-gp", 0.5),
        ("ragan", -2 * log_sigmoid(-2.5)),
        ("probability", 1 - math.exp(log_sigmoid(-0.5))),  # R5: mean(1 - D)
    ],
)
def test_value_for_the_generator(name: str, expected: float) -> None:
    found = objective(name).generator(logits(-0.5), logits(2.0))
    assert found.item() == pytest.approx(expected)


@pytest.mark.parametrize("name", NAMES)
def test_logits_of_any_shape_count_the_same(name: str) -> None:
    game, real, fake = objective(name), logits(0.3, -0.7), logits(0.1, 0.4)
    patches = [one.view(2, 1, 1, 1).expand(2, 1, 3, 5) for one in (real, fake)]
    expected = game.discriminator(real, fake, 0.1), game.generator(fake, real)
    torch.testing.assert_close(game.discriminator(*patches, 0.1), expected[0])
    torch.testing.assert_close(game.generator(patches[1], patches[0]), expected[1])


def test_a_relativistic_generator_needs_real_pictures() -> None:
    assert {name for name in NAMES if objective(name).relative} == {"ragan"}
    with pytest.raises(ModelError, match="'ragan' compares with the logits of real images"):
        objective("ragan").generator(logits(0.0))


@pytest.mark.parametrize("name", [name for name in NAMES if name != "ragan"])
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
    objective(name).generator(fake, logits(0.0)).backward()
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
    assert torch.autograd.gradcheck(game.generator, (fake, real))


@pytest.mark.parametrize("name", NAMES)
def test_extreme_logits_stay_finite(name: str) -> None:
    game, far = objective(name), torch.tensor([[1e4]])
    for real, fake in ((far, -far), (-far, far)):
        assert torch.isfinite(game.discriminator(real, fake, 0.0))
        assert torch.isfinite(game.generator(fake, real))


def test_bce_is_cross_entropy() -> None:
    fake = logits(0.4, -1.0)
    expected = F.binary_cross_entropy(fake.sigmoid(), torch.ones_like(fake))
    assert objective("bce").generator(fake).item() == pytest.approx(expected.item())


def test_an_unknown_objective_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ModelError, match=r"'gan' is not known.*bce.*hinge.*lsgan.*minimax"):
        objective("gan")


@pytest.mark.parametrize("length", [0.0, 0.5, 1.0, 3.0])
def test_the_penalty_of_a_critic_with_a_known_gradient(length: float) -> None:
    """A linear critic has the gradient v everywhere: the penalty is (|v| - 1)^2."""
    direction = torch.randn(3 * 4 * 5, generator=torch.Generator().manual_seed(1))
    v = (direction / direction.norm() * length).requires_grad_(True)
    real, fake = torch.rand(2, 6, 3, 4, 5)
    penalty = gradient_penalty(lambda image: image.flatten(1) @ v[:, None], real, fake)
    assert penalty.item() == pytest.approx((length - 1) ** 2, abs=1e-6)
    penalty.backward()  # and it moves the critic: 2 (|v| - 1) v / |v|
    if length:
        torch.testing.assert_close(v.grad, 2 * (length - 1) * v.detach() / length)


def test_the_penalty_looks_between_real_and_made_at_each_image_alone() -> None:
    """The critic |x|^2 / 2 has the gradient x: its length at the point is what counts."""
    seen: list[torch.Tensor] = []

    def critic(image: torch.Tensor) -> torch.Tensor:
        seen.append(image)
        return image.square().flatten(1).sum(dim=1, keepdim=True) / 2

    real, fake = torch.zeros(64, 3, 1, 1), torch.ones(64, 3, 1, 1)
    penalty = gradient_penalty(critic, real, fake)
    place = seen[0][:, 0, 0, 0]
    assert 0 <= place.min() < 0.2 < 0.8 < place.max() <= 1
    torch.testing.assert_close(seen[0], place.view(-1, 1, 1, 1).expand_as(real))
    torch.testing.assert_close(penalty, (place * 3**0.5 - 1).square().mean())


def test_the_penalty_of_a_critic_of_patches_is_of_their_mean() -> None:
    real, fake = torch.rand(2, 4, 3, 6, 6)
    once = gradient_penalty(lambda image: image.mean(dim=(1, 2, 3))[:, None], real, fake)
    patches = gradient_penalty(lambda image: image.mean(dim=1, keepdim=True), real, fake)
    torch.testing.assert_close(once, patches)


def test_clipping_leaves_no_weight_beyond_its_limit() -> None:
    torch.manual_seed(1)
    critic = torch.nn.Conv2d(3, 8, 3)
    inside = critic.weight.detach().abs() < 0.05
    before = critic.weight.detach().clone()
    clip_weights(critic, 0.05)
    assert critic.weight.abs().max() == 0.05
    assert torch.equal(critic.weight[inside], before[inside])
    assert critic.bias.abs().max() <= 0.05
