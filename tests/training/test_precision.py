"""Fewer bits in forward passes: float32 everywhere else, and float32 again where they fail."""

import logging
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn
from trainings import adversarial, parameters, supervised

from superres.losses import FeatureNetwork
from superres.models import build
from superres.training.engine import Engine
from superres.training.journal import ProgressFile
from superres.training.precision import FIRST_SCALE, Precision
from superres.training.trainer import Trainer

Make = Callable[..., Trainer]


def precision(wanted: str, **changes: Any) -> Precision:
    return Precision(parameters(precision=wanted, **changes).training, "cpu")


def run(trainer: Trainer, tracker: Any) -> dict[str, torch.Tensor]:
    progress = ProgressFile(trainer.setting.state.parent, trainer.experiment.steps)
    return trainer.run(tracker, None, progress)


@pytest.mark.parametrize("wanted", ["bf16", "fp16"])
def test_a_lowered_network_computes_in_fewer_bits_only_while_it_trains(wanted: str) -> None:
    network, image = build("compact", scale=2, channels=8, layers=2), torch.rand(1, 3, 8, 8)
    inside: list[torch.dtype] = []
    network.body[0].register_forward_hook(lambda module, given, made: inside.append(made.dtype))
    plain = network.eval()(image)
    precision(wanted).lower("generator", network)
    assert torch.equal(network(image), plain)
    lowered = network.train()(image)
    assert lowered.dtype == torch.float32
    assert not torch.equal(lowered, plain)
    torch.testing.assert_close(lowered, plain, rtol=0.05, atol=0.05)
    assert inside == [
        torch.float32,
        torch.float32,
        {"bf16": torch.bfloat16}.get(wanted, torch.half),
    ]
    assert {value.dtype for value in network.parameters()} == {torch.float32}


def test_excepted_networks_and_fp32_stay_as_they_are() -> None:
    image = torch.rand(1, 3, 8, 8)
    for lower in (precision("fp32"), precision("bf16", fp32_networks=["generator"])):
        network = build("compact", scale=2, channels=8, layers=2).train()
        plain = network(image)
        lower.lower("generator", network)
        assert torch.equal(network(image), plain)
        assert not lower.fall_back("generator")


@pytest.mark.parametrize("wanted", ["bf16", "fp16"])
def test_a_game_is_learnt_in_fewer_bits(make_trainer: Make, recorder: Any, wanted: str) -> None:
    run(make_trainer(adversarial(20, 10), precision=wanted, log_every=10), recorder)
    loss = recorder.of("train/mse")
    assert loss[20] < loss[10]
    assert sorted(recorder.of("train/d_real")) == [30]


def test_features_compute_in_fewer_bits_but_give_float32() -> None:
    network, image = FeatureNetwork(16), torch.rand(1, 3, 32, 32)
    plain = network(image, 3)
    Engine(parameters(precision="bf16").training, "cpu").prepare_features({"vgg19": network})
    found = network(image, 3)
    assert found.dtype == torch.float32
    assert not torch.equal(found, plain)
    torch.testing.assert_close(found, plain, rtol=0.1, atol=0.1)


def test_an_overflow_in_float16_halves_the_scale_and_skips_the_step(
    make_trainer: Make, recorder: Any
) -> None:
    trainer = make_trainer(supervised(3), precision="fp16")
    scales, seen = [], []
    first = next(trainer.networks.generator.parameters())
    first.register_hook(
        lambda gradient: gradient * torch.inf if trainer.standing.step == 1 else gradient
    )
    scaler = trainer.networks.engine.precision._scalers["generator"]
    progress = ProgressFile(trainer.setting.state.parent, 3)

    def look(step: int, latest: dict[str, float]) -> None:
        scales.append(scaler.get_scale())
        seen.append(first.detach().clone())

    trainer.run(recorder, None, progress, look)
    assert scales == [FIRST_SCALE, FIRST_SCALE / 2, FIRST_SCALE / 2]
    assert torch.equal(seen[0], seen[1])
    assert not torch.equal(seen[1], seen[2])
    again = make_trainer(supervised(3), precision="fp16")
    assert again.resume()
    assert again.networks.engine.precision._scalers["generator"].get_scale() == FIRST_SCALE / 2


def too_large_for_float16(trainer: Trainer) -> Trainer:
    """Let a value inside the generator be 1e6: infinite in float16, no matter in float32."""
    body = trainer.networks.generator.body
    body[0].register_forward_hook(lambda module, given, made: made * 1e6)
    body[1].register_forward_pre_hook(lambda module, given: (given[0] / 1e6,))
    return trainer


def test_a_network_that_fails_in_float16_goes_on_in_float32(
    make_trainer: Make, recorder: Any, caplog: pytest.LogCaptureFixture
) -> None:
    experiment = supervised(8, max_skipped=2)
    trainer = too_large_for_float16(
        make_trainer(experiment, precision="fp16", log_every=1, state_every=4)
    )
    with caplog.at_level(logging.WARNING):
        run(trainer, recorder)
    assert "not finite in fp16: generator goes on in fp32" in caplog.text
    assert sorted(recorder.of("train/loss")) == [4, 5, 6, 7, 8]
    again = make_trainer(experiment, precision="fp16")
    assert again.resume()
    network: nn.Module = again.networks.generator.train()
    assert network.body[0].register_forward_hook(check_float32)
    network(torch.rand(1, 3, 8, 8))


def check_float32(module: nn.Module, given: Any, made: torch.Tensor) -> None:
    assert made.dtype == torch.float32


def test_a_device_without_the_type_computes_in_fp32(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_: object) -> torch.Tensor:
        raise RuntimeError("not implemented for 'Half'")

    monkeypatch.setattr(torch.nn.functional, "conv2d", refuse)
    with caplog.at_level(logging.WARNING):
        assert precision("fp16").dtype is None
    assert "precision fp16: not on this device (not implemented for 'Half')" in caplog.text
