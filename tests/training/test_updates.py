"""One step: what it draws, what it changes, and what it refuses to follow."""

import copy
from typing import Any

import pytest
import torch
from trainings import CRITIC, Draws, adversarial, ready, same, supervised, weights

from superres.losses import FeatureNetwork
from superres.losses.adversarial import objective
from superres.training.networks import Networks
from superres.training.updates import Adversarial, Supervised, make_update


def broken(networks: Networks, value: float) -> None:
    """Make the next loss of the generator `value`."""
    networks.generator.register_forward_hook(lambda module, given, sr: sr * value)


def test_a_phase_chooses_its_update() -> None:
    assert type(ready(supervised())[1]) is Supervised
    assert type(ready(adversarial())[1]) is Adversarial


def test_a_supervised_step_follows_the_weighted_gradient() -> None:
    """One step of plain gradient descent, by hand."""
    losses = {"mse": 3.0, "l1": 0.5}
    experiment = supervised(phases=[{"steps": 1, "losses": losses}])
    networks, update = ready(experiment)
    networks.optimizer = torch.optim.SGD(networks.generator.parameters(), lr=0.1)
    twin, draw = copy.deepcopy(networks.generator), Draws()
    told = update(draw)

    batch = draw.drawn[0]
    sr = twin(batch.lr)
    mse, l1 = (sr - batch.hr).square().mean(), (sr - batch.hr).abs().mean()
    (3.0 * mse + 0.5 * l1).backward()
    for ours, by_hand in zip(networks.generator.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(ours, by_hand - 0.1 * by_hand.grad)
    assert told["mse"].item() == pytest.approx(mse.item())
    assert told["l1"].item() == pytest.approx(l1.item())
    assert told["loss"].item() == pytest.approx(3.0 * mse.item() + 0.5 * l1.item())
    total = sum(by_hand.grad.square().sum() for by_hand in twin.parameters()) ** 0.5
    assert told["gradient"].item() == pytest.approx(total.item(), rel=1e-4)
    assert not any(value.requires_grad for value in told.values())


def test_the_gradient_is_clipped_to_its_norm() -> None:
    before, lengths = None, []
    for clip in (1e-3, None):
        networks, update = ready(supervised(grad_clip=clip))
        networks.optimizer = torch.optim.SGD(networks.generator.parameters(), lr=1.0)
        before = weights(networks.generator)
        told = update(Draws())
        after = weights(networks.generator)
        moved = sum((after[name] - before[name]).square().sum() for name in after) ** 0.5
        lengths.append(moved.item())
        assert told["gradient"] > 1e-2  # as it was before clipping
    assert lengths[0] == pytest.approx(1e-3, rel=1e-3)
    assert lengths[1] > 1e-2


def test_every_step_moves_the_average() -> None:
    networks, update = ready(supervised(ema=0.9))
    update(Draws())
    assert networks.averaged == 1


def test_an_adversarial_step_changes_both_networks_from_one_batch() -> None:
    networks, update = ready(adversarial())
    generator, critic = weights(networks.generator), weights(networks.discriminator)
    draw = Draws()
    told = update(draw)
    assert not same(generator, weights(networks.generator))
    assert not same(critic, weights(networks.discriminator))
    assert len(draw.drawn) == 1
    assert set(told) == {
        "loss",
        "mse",
        "adversarial",
        "gradient",
        "discriminator",
        "d_gradient",
        "d_real",
        "d_fake",
    }
    weighted = told["mse"] + 0.01 * told["adversarial"]
    assert told["loss"].item() == pytest.approx(weighted.item(), rel=1e-5)
    assert 0 < told["d_real"] < 1
    assert 0 < told["d_fake"] < 1


def test_more_critic_steps_draw_a_batch_each_and_one_for_the_generator() -> None:
    phase = {
        "steps": 1,
        "losses": {"adversarial": 1},
        "adversarial": {"objective": "hinge", "d_steps": 3},
    }
    networks, update = ready(adversarial(phases=[phase]))
    steps: list[int] = []
    networks.discriminator_optimizer.register_step_post_hook(lambda *_: steps.append(1))
    draw = Draws()
    update(draw)
    assert len(draw.drawn) == 4
    assert len(steps) == 3


def test_the_generator_step_leaves_the_critics_weights_and_gradients() -> None:
    networks, update = ready(adversarial())
    seen: list[dict[str, torch.Tensor]] = []
    networks.discriminator_optimizer.register_step_post_hook(
        lambda *_: seen.extend([weights(networks.discriminator), gradients()])
    )

    def gradients() -> dict[str, torch.Tensor]:
        named = networks.discriminator.named_parameters()
        return {name: parameter.grad.clone() for name, parameter in named}

    update(Draws())
    assert same(seen[0], weights(networks.discriminator))
    assert same(seen[1], gradients())


def test_the_critic_step_leaves_the_generator() -> None:
    networks, update = ready(adversarial())
    before, seen = weights(networks.generator), []
    networks.discriminator_optimizer.register_step_pre_hook(
        lambda *_: seen.append([p.grad for p in networks.generator.parameters()])
    )
    networks.optimizer.step = lambda: None
    update(Draws())
    assert seen == [[None] * len(before)]
    assert same(before, weights(networks.generator))


@pytest.mark.parametrize("name", ["bce", "lsgan", "hinge"])
def test_critic_steps_make_it_tell_real_from_made(name: str) -> None:
    phase = {
        "steps": 1,
        "losses": {"adversarial": 1},
        "adversarial": {"objective": name, "d_steps": 30},
    }
    experiment = adversarial(
        phases=[phase],
        discriminator={**CRITIC, "dropout": 0.0},
        discriminator_optimizer={"learning_rate": 3e-3},
    )
    networks, update = ready(experiment)
    networks.optimizer.step = lambda: None
    draw = Draws()
    told = update(draw)
    assert told["d_real"] > told["d_fake"]
    game, batch, critic = objective(name), draw.drawn[-2], networks.discriminator
    with torch.no_grad():
        made = networks.generator(batch.lr)
        right = game.discriminator(critic(batch.hr), critic(made), 0.0)
        wrong = game.discriminator(critic(made), critic(batch.hr), 0.0)
    assert right < wrong


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_a_loss_that_is_not_finite_changes_nothing(value: float) -> None:
    networks, update = ready(supervised(ema=0.9, optimizer={"name": "adamw", "weight_decay": 0.1}))
    update(Draws())
    before, average = weights(networks.generator), weights(networks.ema)
    state = copy.deepcopy(networks.optimizer.state_dict()["state"])
    broken(networks, value)
    told = update(Draws())
    assert not torch.isfinite(told["loss"])
    assert not torch.isfinite(told["gradient"])
    assert same(before, weights(networks.generator))
    assert same(average, weights(networks.ema))
    assert networks.averaged == 1
    for index, kept in networks.optimizer.state_dict()["state"].items():
        for name, moment in kept.items():
            assert torch.equal(moment, state[index][name])


def test_an_infinite_loss_changes_nothing_even_where_its_gradient_is_finite() -> None:
    networks, update = ready(supervised(ema=0.9))
    before = weights(networks.generator)
    update.terms["mse"].register_forward_hook(lambda module, given, value: value + torch.inf)
    assert not torch.isfinite(update(Draws())["gradient"])
    assert same(before, weights(networks.generator))


def test_a_gradient_that_is_not_finite_changes_nothing() -> None:
    """A finite loss can have one, as a square root at zero."""
    networks, update = ready(supervised(ema=0.9))
    before = weights(networks.generator)
    first = next(networks.generator.parameters())
    first.register_hook(lambda gradient: gradient * torch.nan)
    told = update(Draws())
    assert torch.isfinite(told["loss"])
    assert not torch.isfinite(told["gradient"])
    assert same(before, weights(networks.generator))
    assert same(before, weights(networks.ema))


def test_a_generator_gone_wrong_leaves_the_critic_alone() -> None:
    networks, update = ready(adversarial())
    critic = weights(networks.discriminator)
    broken(networks, torch.nan)
    told: dict[str, Any] = dict(update(Draws()))
    assert not torch.isfinite(told["discriminator"])
    assert same(critic, weights(networks.discriminator))


def test_a_perceptual_term_compares_features() -> None:
    experiment = supervised(phases=[{"steps": 1, "losses": {"vgg19_22": 1}}])
    networks = Networks(experiment, "cpu", 1)
    features = FeatureNetwork(16)
    before = weights(features)
    told = make_update(networks, experiment.phases[0], {"vgg19": features})(Draws())
    assert told["vgg19_22"] > 0
    assert same(before, weights(features))
