"""What an adversarial step does beside playing: penalty, clipping, warm-up, ramp, relativity."""

import logging
from typing import Any

import pytest
import torch
from torch import nn
from trainings import CRITIC, Draws, adversarial, ready, same, weights

from superres.training.journal import ProgressFile
from superres.training.networks import Networks
from superres.training.updates import Update, make_update


def playing(
    experiment_critic: dict[str, Any] | None = None, **game: Any
) -> tuple[Networks, Update]:
    """Return networks that learn from the game alone."""
    phase = {"steps": 9, "losses": {"adversarial": 1}, "adversarial": game}
    return ready(adversarial(phases=[phase], discriminator=experiment_critic or CRITIC))


def test_the_penalty_pulls_the_critics_slope_to_one() -> None:
    networks, update = playing(objective="wgan-gp", d_steps=40, gradient_penalty=1000)
    critic = Linear()
    networks.discriminator = update.critic = critic
    networks.discriminator_optimizer = torch.optim.Adam(critic.parameters(), lr=0.02)
    draw = Draws()
    assert update(draw)["penalty"] < 0.17  # (0.58 - 1)^2 at first
    assert [update(draw)["penalty"] for _ in range(3)][-1] < 0.01


def test_wasserstein_scores_are_told_as_they_are() -> None:
    networks, update = playing(objective="wgan-gp")
    with torch.no_grad():
        networks.discriminator.verdict[-1].bias.fill_(7.0)
    told = update(Draws())
    assert 4 < told["d_real"] < 10  # no probability
    expected = told["d_fake"] - told["d_real"]
    assert told["discriminator"].item() == pytest.approx(expected.item(), abs=1e-5)


def test_the_penalty_has_the_weight_it_is_given() -> None:
    """The same step by hand, on a linear critic, whose slope is known."""
    moved = {}
    for share in (None, 0.5):
        networks, update = playing(objective="wgan-gp", gradient_penalty=share)
        critic = Linear()
        networks.discriminator = update.critic = critic
        networks.discriminator_optimizer = torch.optim.SGD(critic.parameters(), lr=1.0)
        before = critic.weight.detach().clone()
        draw, sr = Draws(), []
        networks.generator.register_forward_hook(
            lambda module, given, made, sr=sr: sr.append(made.detach())
        )
        update(draw)
        pull = (sr[0] - draw.drawn[0].hr).mean(dim=0) / (3 * 16 * 16) ** 0.5
        length = before.norm()
        slope = before / (3 * 16 * 16) ** 0.5
        push = 2 * (length / (3 * 16 * 16) ** 0.5 - 1) * slope / slope.norm()
        moved[share] = before - critic.weight.detach()
        expected = pull + (10.0 if share is None else share) * push / (3 * 16 * 16) ** 0.5
        torch.testing.assert_close(moved[share], expected, rtol=1e-3, atol=1e-5)


class Linear(nn.Module):
    """A critic whose gradient is its weight over the root of the number of pixels."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.linspace(-1, 1, 3 * 16 * 16).view(3, 16, 16))

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return (image * self.weight).flatten(1).sum(dim=1, keepdim=True) / (3 * 16 * 16) ** 0.5


def test_batch_norm_under_a_penalty_is_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        playing(objective="lsgan")
        assert not caplog.text
        playing(objective="wgan-gp")
    assert "batch norm" in caplog.text


def test_a_clipped_critic_stays_within_its_limit() -> None:
    networks, update = playing(objective="wgan", weight_clip=0.02, d_steps=2)
    update(Draws())
    largest = max(value.abs().max() for value in networks.discriminator.parameters())
    assert largest.item() == pytest.approx(0.02)


def test_in_its_warmup_only_the_critic_learns() -> None:
    networks, update = playing(d_warmup=2)
    generator, critic = weights(networks.generator), weights(networks.discriminator)
    told = update(Draws(), 1)
    assert set(told) == {"discriminator", "d_gradient", "d_real", "d_fake"}
    assert same(generator, weights(networks.generator))
    assert not same(critic, weights(networks.discriminator))
    assert "loss" in update(Draws(), 2)
    assert not same(generator, weights(networks.generator))


def test_the_ramp_weighs_the_adversarial_loss() -> None:
    for done, share in ((0, 0.25), (1, 0.5), (3, 1.0), (8, 1.0)):
        phase = {
            "steps": 9,
            "losses": {"mse": 1, "adversarial": 0.1},
            "adversarial": {"ramp": {"steps": 4}},
        }
        _, update = ready(adversarial(phases=[phase]))
        told = update(Draws(), done)
        expected = told["mse"] + 0.1 * share * told["adversarial"]
        assert told["loss"].item() == pytest.approx(expected.item(), rel=1e-5)


def test_a_relativistic_generator_sees_real_pictures() -> None:
    networks, update = playing(objective="ragan")
    generator = weights(networks.generator)
    told = update(Draws())
    assert told["adversarial"].isfinite()
    assert not same(generator, weights(networks.generator))


def test_relativistic_verdicts_do_not_depend_on_where_the_scores_lie() -> None:
    told = []
    for level in (0.0, 50.0):
        networks, update = playing({**CRITIC, "dropout": 0.0}, objective="ragan")
        with torch.no_grad():
            networks.discriminator.verdict[-1].bias.fill_(level)
        told.append(update(Draws()))
    for name in ("d_real", "d_fake"):
        assert told[0][name].item() == pytest.approx(told[1][name].item(), abs=1e-4)
        assert 0.05 < told[0][name] < 0.95


@pytest.mark.parametrize(
    "name", ["bce", "minimax", "lsgan", "hinge", "wgan", "wgan-gp", "ragan", "probability"]
)
def test_every_objective_plays_with_a_critic_of_patches(name: str) -> None:
    networks, _ = playing(objective=name)
    networks.discriminator = nn.Conv2d(3, 1, 4, stride=2)
    networks.discriminator_optimizer = torch.optim.Adam(networks.discriminator.parameters())
    update = make_update(networks, networks.experiment.phases[0], None)
    before = weights(networks.generator)
    told = update(Draws())
    assert all(value.isfinite() and value.dim() == 0 for value in told.values())
    assert not same(before, weights(networks.generator))


HARD: dict[str, Any] = {
    "d_steps": 2,
    "d_warmup": 4,
    "ramp": {"steps": 5, "shape": "cosine"},
}


@pytest.mark.parametrize("name", ["wgan-gp", "ragan"])
def test_a_run_cut_off_anywhere_in_warmup_and_ramp_ends_the_same(
    make_trainer: Any, recorder: Any, name: str
) -> None:
    """Bit-identical: penalty draws, spectral norms, warm-up, ramp and counts are in the state."""
    phase = {
        "steps": 14,
        "losses": {"mse": 1, "adversarial": 0.1},
        "adversarial": {**HARD, "objective": name},
    }
    critic = {"name": "unet", "channels": 4, "dropout": 0.2}
    experiment = adversarial(phases=[phase], discriminator=critic)

    def run(trainer: Any, until: int | None) -> None:
        progress = ProgressFile(trainer.setting.state.parent, experiment.steps)

        def on_step(step: int, latest: dict[str, float]) -> None:
            if step == until:
                raise KeyboardInterrupt

        trainer.run(recorder, None, progress, on_step)

    whole = make_trainer(experiment, state_every=100, log_every=1)
    run(whole, None)
    expected, recorder.figures = dict(recorder.figures), []
    cut = make_trainer(experiment, state_every=3, log_every=1)
    cut.setting.state.unlink(missing_ok=True)
    for step in (2, 4, 5, 8, 10, 14):
        with pytest.raises(KeyboardInterrupt):
            run(cut, step)
        cut = make_trainer(experiment, state_every=3, log_every=1)
        assert cut.resume() == (step >= 3)
    run(cut, None)
    for one, other in (
        (whole.networks.generator, cut.networks.generator),
        (whole.networks.discriminator, cut.networks.discriminator),
    ):
        assert same(dict(one.state_dict()), dict(other.state_dict()))
    assert dict(recorder.figures) == expected
