"""What holds at a step."""

import math
from typing import Any

import pytest
from trainings import supervised

from superres.config import Adversarial, Experiment
from superres.training.plan import adversarial_share, due, phase_at, rate_factor, step_in_phase


def phased(*steps: int) -> Experiment:
    return supervised(phases=[{"steps": count, "losses": {"mse": 1}} for count in steps])


def scheduled(**schedule: Any) -> Experiment:
    return supervised(steps=100, schedule=schedule)


def test_phases_follow_each_other_after_their_steps() -> None:
    experiment = phased(3, 1, 2)
    assert [phase_at(experiment, step)[0] for step in range(6)] == [0, 0, 0, 1, 2, 2]
    assert phase_at(experiment, 3)[1] is experiment.phases[1]


def test_the_constant_rate_is_constant() -> None:
    assert {rate_factor(supervised(steps=100), step) for step in range(100)} == {1.0}


def test_warmup_rises_in_equal_steps_to_the_full_rate() -> None:
    experiment = scheduled(warmup=0.04)
    assert [rate_factor(experiment, step) for step in range(5)] == [0.25, 0.5, 0.75, 1.0, 1.0]


def test_cosine_falls_from_the_full_rate_to_its_end() -> None:
    experiment = scheduled(name="cosine", final=0.1)
    factors = [rate_factor(experiment, step) for step in range(100)]
    assert factors[0] == 1.0
    assert factors[50] == pytest.approx(0.55)
    assert factors[99] == pytest.approx(0.1, abs=1e-3)
    assert factors == sorted(factors, reverse=True)
    assert factors[25] == pytest.approx(0.1 + 0.9 * (1 + math.cos(math.pi / 4)) / 2)


def test_cosine_begins_after_its_warmup() -> None:
    experiment = scheduled(name="cosine", warmup=0.1)
    factors = [rate_factor(experiment, step) for step in range(100)]
    assert factors[9] == factors[10] == 1.0
    assert factors[11] < 1.0


def test_multistep_multiplies_at_each_milestone() -> None:
    experiment = scheduled(name="multistep", milestones=[0.5, 0.75], gamma=0.1)
    factors = [rate_factor(experiment, step) for step in (0, 49, 50, 74, 75, 99)]
    assert factors == pytest.approx([1, 1, 0.1, 0.1, 0.01, 0.01])


def test_due_is_every_so_many_steps_and_at_the_last() -> None:
    assert [step for step in range(1, 12) if due(step, 4, 11)] == [4, 8, 11]


def test_step_multiplies_after_each_share() -> None:
    experiment = scheduled(name="step", every=0.2, gamma=0.1)
    factors = [rate_factor(experiment, step) for step in (0, 19, 20, 39, 40, 60, 80, 99)]
    assert factors == pytest.approx([1, 1, 0.1, 0.1, 0.01, 1e-3, 1e-4, 1e-4])


def test_step_begins_anew_with_each_phase() -> None:
    experiment = phased(3, 1, 2)
    assert [step_in_phase(experiment, step) for step in range(6)] == [0, 1, 2, 0, 0, 1]


def game(**changes: Any) -> Adversarial:
    return Adversarial.model_validate(changes)


def test_without_warmup_and_ramp_the_adversarial_weight_is_whole() -> None:
    assert {adversarial_share(game(), done) for done in range(9)} == {1.0}


@pytest.mark.parametrize(
    ("shape", "rising"),
    [
        ("linear", [0.25, 0.5, 0.75, 1.0, 1.0]),
        ("cosine", [(1 - math.cos(math.pi * share)) / 2 for share in (0.25, 0.5, 0.75, 1, 1)]),
    ],
)
def test_the_adversarial_weight_rises_after_the_critic_learned_alone(
    shape: str, rising: list[float]
) -> None:
    played = game(d_warmup=2, ramp={"steps": 4, "shape": shape})
    found = [adversarial_share(played, done) for done in range(7)]
    assert found == pytest.approx([0.0, 0.0, *rising])
