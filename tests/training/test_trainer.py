"""The loop: phases, figures, what is kept, when it ends, and what it does in trouble."""

import json
import logging
import os
import signal
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from trainings import adversarial, supervised

from superres.checkpoint import load_state
from superres.config import Experiment
from superres.errors import ModelError
from superres.training.journal import ProgressFile
from superres.training.trainer import Trainer

Make = Callable[..., Trainer]


class Told:
    """A validation that says what it is told to, and remembers the weights it was shown."""

    def __init__(self, **scores: list[float]) -> None:
        self.scores_left = scores
        self.seen: list[dict[str, torch.Tensor]] = []

    def scores(self, generator: torch.nn.Module) -> dict[str, float]:
        self.seen.append({k: v.clone() for k, v in generator.state_dict().items()})
        return {f"val/{name}": values.pop(0) for name, values in self.scores_left.items()}

    def shown(self, generator: torch.nn.Module) -> list[Any]:
        return []


def run(trainer: Trainer, tracker: Any, on_step: Any = None) -> dict[str, torch.Tensor]:
    folder = trainer.setting.state.parent
    progress = ProgressFile(folder, trainer.experiment.steps)
    return trainer.run(tracker, None, progress, on_step or (lambda step, latest: None))


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[k], other[k]) for k in one)


def break_at(trainer: Trainer, *steps: int) -> None:
    """Make the generator's output NaN in these updates, counted from 1."""

    def hook(module: Any, given: Any, sr: torch.Tensor) -> torch.Tensor:
        return sr * torch.nan if trainer.standing.step + 1 in steps and module.training else sr

    trainer.networks.generator.register_forward_hook(hook)


def test_the_loss_falls(make_trainer: Make, recorder: Any) -> None:
    network = {"name": "srresnet", "scale": 2, "blocks": 1, "channels": 8, "norm": False}
    run(make_trainer(supervised(steps=60, model=network), log_every=20), recorder)
    loss, psnr = recorder.of("train/loss"), recorder.of("val/psnr")
    assert sorted(loss) == [20, 40, 60]
    assert loss[60] < loss[40] < loss[20] / 2
    assert psnr[60] > psnr[10] + 2


def test_phases_change_after_their_steps(make_trainer: Make, recorder: Any) -> None:
    phases = [
        {"steps": 2, "losses": {"mse": 1}},
        {"steps": 3, "losses": {"l1": 1}, "learning_rate": 5e-4},
        {"steps": 1, "losses": {"charbonnier": 1}},
    ]
    run(make_trainer(supervised(phases=phases), log_every=1), recorder)
    assert sorted(recorder.of("train/mse")) == [1, 2]
    assert sorted(recorder.of("train/l1")) == [3, 4, 5]
    assert sorted(recorder.of("train/charbonnier")) == [6]
    assert list(recorder.of("learning_rate").values()) == [3e-3, 3e-3, 5e-4, 5e-4, 5e-4, 3e-3]


def test_the_critic_is_left_alone_until_its_phase(make_trainer: Make, recorder: Any) -> None:
    trainer = make_trainer(adversarial(2, 2), log_every=1)
    before = {k: v.clone() for k, v in trainer.networks.discriminator.state_dict().items()}
    seen = []
    run(
        trainer,
        recorder,
        lambda *_: seen.append(same(before, trainer.networks.discriminator.state_dict())),
    )
    assert seen == [True, True, False, False]
    assert sorted(recorder.of("train/d_real")) == [3, 4]


def test_figures_are_means_since_the_last(make_trainer: Make, recorder: Any) -> None:
    """Also of terms that a part of the steps does not have, as where phases change."""
    phases = [{"steps": 4, "losses": {"mse": 1}}, {"steps": 6, "losses": {"mse": 1, "l1": 1}}]
    experiment = supervised(phases=phases)
    run(make_trainer(experiment, log_every=1), recorder)
    single, recorder.figures = recorder.figures, []
    run(make_trainer(experiment, log_every=5), recorder)
    assert sorted(recorder.of("train/loss")) == [5, 10]
    each = {name: [v[name] for _, v in single if name in v] for name in ("train/mse", "train/l1")}
    assert recorder.of("train/mse")[5] == pytest.approx(sum(each["train/mse"][:5]) / 5)
    assert recorder.of("train/mse")[10] == pytest.approx(sum(each["train/mse"][5:]) / 5)
    assert recorder.of("train/l1")[5] == pytest.approx(each["train/l1"][0])
    assert recorder.of("train/l1")[10] == pytest.approx(sum(each["train/l1"][1:]) / 5)


def test_it_validates_and_shows_a_strip_when_due(make_trainer: Make, recorder: Any) -> None:
    run(make_trainer(supervised(steps=7), validate_every=3), recorder)
    assert sorted(recorder.of("val/psnr")) == [3, 6, 7]
    shown = [(step, name) for step in (3, 6, 7) for name in ("val", "val-bands")]
    assert [(step, name) for step, name, _ in recorder.images] == shown
    assert sorted(recorder.of("diagnostics/colour_shift")) == [3, 6, 7]
    assert all(png.startswith(b"\x89PNG") for *_, png in recorder.images)


def test_it_keeps_the_last_weights(make_trainer: Make, recorder: Any) -> None:
    trainer = make_trainer(supervised(steps=5))
    kept = run(trainer, recorder)
    assert same(kept, trainer.networks.generator.state_dict())


def test_it_keeps_the_average_where_there_is_one(make_trainer: Make, recorder: Any) -> None:
    trainer = make_trainer(supervised(steps=5, ema=0.9))
    kept = run(trainer, recorder)
    assert same(kept, trainer.networks.ema.state_dict())
    assert not same(kept, trainer.networks.generator.state_dict())


@pytest.mark.parametrize(
    ("metric", "mode", "values"),
    [
        ("psnr", "max", [20.0, 22.0, 21.0, 22.0]),
        ("mse", "min", [0.3, 0.1, 0.2, 0.1]),
        ("ssim", "max", [float("nan"), 0.5, float("inf"), 0.4]),
    ],
)
def test_it_keeps_the_first_of_the_best_weights(
    make_trainer: Make, recorder: Any, metric: str, mode: str, values: list[float]
) -> None:
    told = Told(**{metric: list(values)})
    keep = {"best": {"metric": metric, "mode": mode}}
    trainer = make_trainer(supervised(steps=8, ema=0.9, keep=keep), told, validate_every=2)
    kept = run(trainer, recorder)
    assert same(kept, told.seen[1])
    assert trainer.standing.best_step == 4


def test_without_validation_the_last_weights_are_the_best(
    make_trainer: Make, recorder: Any
) -> None:
    trainer = make_trainer(supervised(steps=4, keep={"best": {}}), Told(), validate_every=2)
    assert same(run(trainer, recorder), trainer.networks.generator.state_dict())


def stopping(steps: int = 20, **rule: Any) -> Experiment:
    return supervised(steps=steps, early_stopping={"metric": "psnr", "patience": 2, **rule})


@pytest.mark.parametrize(
    ("rule", "values", "steps"),
    [
        ({}, [20.0, 21.0, 20.9, 21.0], 4),  # an equal value is no improvement
        ({}, [20.0, 19.0, 21.0, 20.0, 20.0], 5),  # improvement starts the count anew
        ({"min_delta": 0.5}, [20.0, 20.4, 20.4], 3),  # too little is none
        ({"min_delta": 0.3}, [20.0, 20.4, 20.8, 21.2], None),
        ({"patience": 3}, [20.0, 19.0, 19.0, 19.0], 4),
        ({"metric": "mse", "mode": "min"}, [0.3, 0.2, 0.25, 0.2], 4),
    ],
)
def test_it_stops_when_a_metric_no_longer_improves(
    make_trainer: Make,
    recorder: Any,
    rule: dict[str, Any],
    values: list[float],
    steps: int | None,
) -> None:
    told = Told(**{rule.get("metric", "psnr"): list(values)})
    experiment = stopping(steps=len(values), **rule)
    trainer = make_trainer(experiment, told, validate_every=1)
    run(trainer, recorder)
    assert trainer.standing.step == (steps or len(values))
    assert trainer.standing.stopped == (steps is not None)


def test_it_does_not_stop_for_want_of_validation_pictures(
    make_trainer: Make, recorder: Any
) -> None:
    trainer = make_trainer(stopping(steps=6), Told(), validate_every=1)
    run(trainer, recorder)
    assert trainer.standing.step == 6


def test_updates_that_are_not_finite_are_skipped(
    make_trainer: Make, recorder: Any, caplog: pytest.LogCaptureFixture
) -> None:
    trainer = make_trainer(supervised(steps=6, ema=0.5), Told(), log_every=2)
    break_at(trainer, 3, 4, 6)
    seen = [{k: v.clone() for k, v in trainer.networks.generator.state_dict().items()}]
    run(
        trainer,
        recorder,
        lambda *_: seen.append(
            {k: v.clone() for k, v in trainer.networks.generator.state_dict().items()}
        ),
    )
    changed = [not same(one, other) for one, other in pairwise(seen)]
    assert changed == [True, True, False, False, True, False]
    assert "step 3: ['gradient', 'loss', 'mse'] is not finite; the update is skipped" in caplog.text
    # The figures are those of the updates that were made; none in the second window.
    assert sorted(recorder.of("train/loss")) == [2, 6]
    assert all(value == value for value in recorder.of("train/loss").values())
    assert sorted(recorder.of("learning_rate")) == [2, 4, 6]


def test_too_many_in_a_row_end_the_run_with_advice(make_trainer: Make, recorder: Any) -> None:
    trainer = make_trainer(supervised(steps=20, max_skipped=3))
    break_at(trainer, 2, 3, 4, *range(6, 20))
    with pytest.raises(ModelError) as caught:
        run(trainer, recorder)
    assert str(caught.value).startswith(
        "training diverged: ['gradient', 'loss', 'mse'] not finite in 4 updates in a row, up to "
        "step 9."
    )
    assert "Lower optimizer.learning_rate, set grad_clip" in str(caught.value)


def test_none_may_be_skipped_when_so_asked(make_trainer: Make, recorder: Any) -> None:
    trainer = make_trainer(supervised(steps=5, max_skipped=0))
    break_at(trainer, 2)
    with pytest.raises(ModelError, match="1 updates in a row, up to step 2"):
        run(trainer, recorder)


def test_states_are_saved_when_due(
    make_trainer: Make, recorder: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved: list[int] = []
    monkeypatch.setattr(
        "superres.training.trainer.save_state",
        lambda path, state, keep: saved.append(state["standing"]["step"]),
    )
    run(make_trainer(supervised(steps=8), state_every=3), recorder)
    assert saved == [3, 6, 8]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_saves_the_state_and_ends_the_run(
    make_trainer: Make, recorder: Any, number: signal.Signals
) -> None:
    before = signal.getsignal(number)
    trainer = make_trainer(supervised(steps=9), state_every=100)

    def on_step(step: int, latest: dict[str, float]) -> None:
        if step == 4:
            os.kill(os.getpid(), number)

    with pytest.raises(KeyboardInterrupt, match="interrupted at step 4; the state is saved"):
        run(trainer, recorder, on_step)
    assert signal.getsignal(number) is before
    state = load_state(trainer.setting.state, "this")
    assert state["standing"]["step"] == 4
    told = json.loads((trainer.setting.state.parent / "progress.json").read_text())
    assert (told["step"], told["status"]) == (4, "interrupted")

    again = make_trainer(supervised(steps=9), state_every=100)
    assert again.resume()
    whole = make_trainer(supervised(steps=9), state_every=100)
    assert same(run(again, recorder), run(whole, recorder))


def test_a_signal_in_the_last_step_lets_the_run_end(make_trainer: Make, recorder: Any) -> None:
    trainer = make_trainer(supervised(steps=3))
    run(
        trainer,
        recorder,
        lambda step, latest: os.kill(os.getpid(), signal.SIGTERM) if step == 3 else None,
    )
    assert trainer.standing.step == 3


def test_there_is_nothing_to_resume_at_first(make_trainer: Make) -> None:
    assert not make_trainer(supervised()).resume()


def test_a_state_of_another_configuration_is_not_continued(
    make_trainer: Make, recorder: Any, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    trainer = make_trainer(supervised(steps=4), state_every=2)
    run(trainer, recorder)
    state = torch.load(trainer.setting.state, weights_only=True)
    torch.save({**state, "key": "another"}, trainer.setting.state)
    torch.save({**state, "key": "another"}, f"{trainer.setting.state}.previous")
    fresh = make_trainer(supervised(steps=4))
    with caplog.at_level(logging.WARNING):
        assert not fresh.resume()
    assert "of another configuration" in caplog.text
    assert fresh.standing.step == 0
