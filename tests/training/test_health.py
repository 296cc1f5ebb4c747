"""A lost training is told once, with advice, in the log and as a tag of the run."""

import logging
from typing import Any

import pytest
import torch
from trainings import adversarial, supervised

from superres.config import Phase
from superres.training import health
from superres.training.health import ADVICE, PATIENCE, watch_game, watch_gradient, watch_output
from superres.training.standing import Standing


def phase(objective: str = "bce") -> Phase:
    game = {"objective": objective}
    return Phase.model_validate({"steps": 9, "losses": {"adversarial": 1}, "adversarial": game})


def play(recorder: Any, times: int, real: float, fake: float, objective: str = "bce") -> Standing:
    standing = Standing()
    for _ in range(times):
        standing.step += 1
        watch_game(
            standing, standing.step, phase(objective), {"d_real": real, "d_fake": fake}, recorder
        )
    return standing


@pytest.mark.parametrize(
    ("real", "fake", "sign"),
    [(0.999, 0.001, "discriminator_won"), (0.52, 0.515, "discriminator_blind")],
)
def test_a_game_that_is_over_is_told_once(
    recorder: Any, caplog: pytest.LogCaptureFixture, real: float, fake: float, sign: str
) -> None:
    with caplog.at_level(logging.WARNING):
        play(recorder, PATIENCE - 1, real, fake)
        assert recorder.tags == []
        standing = play(recorder, 3 * PATIENCE, real, fake)
    assert recorder.tags == [(PATIENCE, f"health.{sign}", f"step {PATIENCE}")]
    assert standing.signs == [sign]
    assert [record.getMessage() for record in caplog.records] == [
        f"step {PATIENCE}: {ADVICE[sign]}"
    ]


def test_a_fair_game_and_one_that_recovers_are_not_told(recorder: Any) -> None:
    play(recorder, 3 * PATIENCE, 0.7, 0.3)
    standing = Standing()
    for step in range(5 * PATIENCE):
        lost = step % PATIENCE != 0
        told = {"d_real": 0.999 if lost else 0.8, "d_fake": 0.001}
        watch_game(standing, step, phase(), told, recorder)
    assert recorder.tags == []


@pytest.mark.parametrize("name", ["wgan", "wgan-gp"])
def test_scores_without_a_scale_are_not_judged(recorder: Any, name: str) -> None:
    play(recorder, 2 * PATIENCE, 5.0, -5.0, name)
    play(recorder, 2 * PATIENCE, 0.1, 0.1, name)
    assert recorder.tags == []


def test_steps_without_a_game_end_the_count(recorder: Any) -> None:
    standing = play(recorder, PATIENCE - 1, 0.999, 0.001)
    watch_game(standing, PATIENCE, QUIET, {"loss": 0.1}, recorder)
    assert standing.sure == 0


def test_a_generator_of_one_grey_is_told(recorder: Any) -> None:
    standing = Standing(step=7)
    watch_output(standing, {"diagnostics/contrast": 0.5}, (0, phase()), recorder)
    watch_output(standing, {}, (0, phase()), recorder)
    assert recorder.tags == []
    watch_output(standing, {"diagnostics/contrast": 0.01}, (0, phase()), recorder)
    watch_output(standing, {"diagnostics/contrast": 0.01}, (0, phase()), recorder)
    assert recorder.tags == [(7, "health.constant_output", "step 7")]


QUIET = Phase.model_validate({"steps": 9, "losses": {"mse": 1}})


def test_a_gradient_far_beyond_the_usual_is_told(recorder: Any) -> None:
    standing = Standing()
    for step in range(1, PATIENCE + 1):  # whatever the first ones are, they are the usual
        watch_gradient(standing, step, 0.02 if step % 2 else 1.0, recorder)
    watch_gradient(standing, PATIENCE + 1, 50.0, recorder)
    watch_gradient(standing, PATIENCE + 2, None, recorder)
    assert recorder.tags == []
    watch_gradient(standing, PATIENCE + 3, 2.0e6, recorder)
    watch_gradient(standing, PATIENCE + 4, 2.0e6, recorder)
    step = PATIENCE + 3
    assert recorder.tags == [(step, "health.gradient_exploded", f"step {step}")]
    assert standing.usual < 2


def test_quality_that_is_lost_is_told_unless_it_is_on_purpose(recorder: Any) -> None:
    standing = Standing(step=5)
    for psnr in (30.0, 29.2, 30.4, 29.5):
        watch_output(standing, {"val/psnr": psnr}, (0, QUIET), recorder)
    for psnr in (28.0, 26.0):
        watch_output(standing, {"val/psnr": psnr}, (1, phase()), recorder)  # an adversary
    watch_output(standing, {"val/psnr": 25.0}, (2, QUIET), recorder)  # other losses
    assert recorder.tags == []
    watch_output(standing, {"val/psnr": 23.9}, (2, QUIET), recorder)
    assert recorder.tags == [(5, "health.quality_fell", "step 5")]


def run(trainer: Any, tracker: Any) -> None:
    from superres.training.journal import ProgressFile

    progress = ProgressFile(trainer.setting.state.parent, trainer.experiment.steps)
    trainer.run(tracker, None, progress)


def test_the_loop_tells_of_a_loss_that_is_not_finite(make_trainer: Any, recorder: Any) -> None:
    trainer = make_trainer(supervised(steps=6))
    trainer.networks.generator.register_forward_hook(
        lambda module, given, sr: sr * torch.nan if trainer.standing.step in (2, 4) else sr
    )
    run(trainer, recorder)
    assert [(name, value) for _, name, value in recorder.tags] == [
        ("health.not_finite", "step 3"),  # the update after step 2
    ]


def test_the_loop_tells_of_a_critic_that_is_never_wrong(
    make_trainer: Any, recorder: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "PATIENCE", 3)
    monkeypatch.setattr(health, "CERTAIN", 0.0)
    run(make_trainer(adversarial(2, 6)), recorder)
    assert ("health.discriminator_won", "step 5") in [tag[1:] for tag in recorder.tags]


def test_what_was_counted_and_told_is_in_the_state(make_trainer: Any, recorder: Any) -> None:
    trainer = make_trainer(adversarial(2, 6), state_every=4)
    trainer.standing.signs.append("not_finite")
    trainer.standing.sure = 9
    from superres.checkpoint import save_state

    save_state(trainer.setting.state, trainer.state())
    again = make_trainer(adversarial(2, 6))
    assert again.resume()
    assert again.standing == trainer.standing
