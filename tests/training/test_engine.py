"""How updates are computed must not change what they are: guards, fused kernels, late looks."""

import logging
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import nn
from trainings import adversarial, parameters, supervised

from superres.errors import ModelError
from superres.training.engine import Engine
from superres.training.journal import ProgressFile
from superres.training.trainer import Trainer

Make = Callable[..., Trainer]
Weights = dict[str, torch.Tensor]


def run(trainer: Trainer, tracker: Any) -> Weights:
    progress = ProgressFile(trainer.setting.state.parent, trainer.experiment.steps)
    return trainer.run(tracker, None, progress)


def broken_at(trainer: Trainer, *steps: int) -> Trainer:
    """Make the generator's input NaN in these updates, so that batch norm sees it, too."""

    def hook(module: nn.Module, given: Any) -> Any:
        bad = module.training and trainer.standing.step + 1 in steps
        return (given[0] * torch.nan,) if bad else given

    trainer.networks.generator.register_forward_pre_hook(hook)
    return trainer


def learned(trainer: Trainer) -> Weights:
    """Return all that learns, with the optimizers' moments and step counts."""
    networks = trainer.networks
    found = {f"{i}": value.clone() for i, value in enumerate(networks.shared())}
    for optimizer in (networks.optimizer, networks.discriminator_optimizer):
        states = optimizer.state_dict()["state"] if optimizer else {}
        for index, state in states.items():
            kept = {f"{id(optimizer)}.{index}.{k}": v.clone() for k, v in state.items()}
            found |= {f"{len(found)}.{name.partition('.')[2]}": v for name, v in kept.items()}
    return found


def same(one: Weights, other: Weights) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[k], other[k]) for k in one)


@pytest.mark.parametrize("fused", [False, True])
def test_a_step_that_is_not_finite_leaves_no_trace(
    make_trainer: Make, recorder: Any, fused: bool
) -> None:
    """Weights, averages, moments, step counts, batch norm: on the device, or on the host."""
    experiment = adversarial(2, 4, ema=0.9)
    trainer = broken_at(make_trainer(experiment, fused=fused), 2, 5)
    seen = [learned(trainer)]
    progress = ProgressFile(trainer.setting.state.parent, 6)
    trainer.run(recorder, None, progress, lambda step, _: seen.append(learned(trainer)))
    changed = [not same(before, after) for before, after in pairwise(seen)]
    assert changed == [True, False, True, True, False, True]
    assert trainer.networks.averaged == 4
    assert all(value.isfinite().all() for value in seen[-1].values())


def test_fused_kernels_lead_to_the_same_weights(make_trainer: Make, recorder: Any) -> None:
    one, other = (
        run(make_trainer(supervised(8, ema=0.9, grad_clip=1.0), fused=fused), recorder)
        for fused in (True, False)
    )
    for name, value in one.items():
        torch.testing.assert_close(value, other[name], rtol=1e-4, atol=1e-6)


def test_auto_means_fused_on_a_gpu_only() -> None:
    made = partial(Engine, parameters().training)
    assert not made("cpu").fused
    assert made("cuda").fused
    assert (made("cpu").read_every, made("cuda").read_every) == (1, 10)


def test_figures_read_late_are_the_same_figures(
    make_trainer: Make, recorder: Any, caplog: pytest.LogCaptureFixture
) -> None:
    found = []
    for every in (1, 4, 100):
        recorder.figures = []
        caplog.clear()
        trainer = broken_at(make_trainer(supervised(12), log_every=6, read_every=every), 3, 4, 9)
        with caplog.at_level(logging.WARNING):
            weights = run(trainer, recorder)
        skipped = [text for text in caplog.messages if "; the update is" in text]
        found.append((recorder.figures, skipped[:3], weights))
    for figures, skipped, weights in found:
        assert [step for step, _ in figures] == [step for step, _ in found[0][0]]
        assert figures == found[0][0]
        assert skipped == found[0][1]
        assert same(weights, found[0][2])


def test_a_divergence_read_late_names_the_same_step(make_trainer: Make, recorder: Any) -> None:
    for every in (1, 5):
        experiment = supervised(20, max_skipped=2)
        trainer = broken_at(make_trainer(experiment, read_every=every, log_every=20), *range(7, 20))
        with pytest.raises(ModelError, match=r"3 updates in a row, up to step 9"):
            run(trainer, recorder)


def test_a_state_is_saved_with_everything_read(make_trainer: Make, recorder: Any) -> None:
    experiment = supervised(9)
    whole = run(make_trainer(experiment, read_every=50, state_every=4), recorder)
    recorder.figures = []
    trainer = make_trainer(experiment, read_every=50, state_every=4)
    progress = ProgressFile(trainer.setting.state.parent, 9)

    def crash(step: int, latest: dict[str, float]) -> None:
        if step == 6:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        trainer.run(recorder, None, progress, crash)
    again = make_trainer(experiment, read_every=50, state_every=4)
    assert again.resume()
    assert again.standing.step == 4
    assert same(run(again, recorder), whole)


def test_a_compiled_network_keeps_its_names_and_its_gradient(
    make_trainer: Make, recorder: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled: list[str] = []

    def compile_(network: nn.Module, mode: str) -> None:
        compiled.append(mode)
        network._compiled_call_impl = torch.compile(network._call_impl, backend="aot_eager")

    plain = run(make_trainer(supervised(3, ema=0.9)), recorder)
    monkeypatch.setattr(nn.Module, "compile", compile_)
    found = run(make_trainer(supervised(3, ema=0.9), compile="default"), recorder)
    assert compiled == ["default"]
    assert found.keys() == plain.keys()
    for name, value in found.items():
        torch.testing.assert_close(value, plain[name], rtol=1e-4, atol=1e-6)
