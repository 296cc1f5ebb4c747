"""Less memory changes how a gradient is computed, not what it is."""

import logging
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn
from trainings import adversarial, supervised

from superres.errors import ModelError
from superres.models import build
from superres.training.engine import cut
from superres.training.journal import ProgressFile
from superres.training.memory import checkpoint_blocks, is_out_of_memory
from superres.training.trainer import Trainer

Make = Callable[..., Trainer]


def run(trainer: Trainer, tracker: Any) -> dict[str, torch.Tensor]:
    progress = ProgressFile(trainer.setting.state.parent, trainer.experiment.steps)
    return trainer.run(tracker, None, progress)


def room_for(trainer: Trainer, most: int) -> Trainer:
    """Let any network run out of memory, late in its forward pass, with more pictures."""

    def hook(module: nn.Module, given: Any, made: torch.Tensor) -> None:
        if len(given[0]) > most:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB\n...")

    for network in (trainer.networks.generator, trainer.networks.discriminator):
        if network is not None:
            network.register_forward_hook(hook)
    return trainer


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[k], other[k]) for k in one)


@pytest.mark.parametrize("parts", [2, 3, 4])
def test_parts_have_the_gradient_of_the_whole(
    make_trainer: Make, recorder: Any, parts: int
) -> None:
    """Also unequal parts: a batch of four in three."""
    experiment = supervised(6, ema=0.9, grad_clip=1.0)
    whole, recorder.figures = run(make_trainer(experiment, log_every=1), recorder), []
    told: dict[int, float] = {}
    found = run(make_trainer(experiment, log_every=1, parts=parts), recorder)
    told = recorder.of("train/loss")
    for name, value in found.items():
        torch.testing.assert_close(value, whole[name], rtol=1e-3, atol=1e-5)
    recorder.figures = []
    run(make_trainer(experiment, log_every=1), recorder)
    assert list(told.values()) == pytest.approx(list(recorder.of("train/loss").values()), rel=1e-3)


def test_parts_differ_by_at_most_one_picture(make_trainer: Make) -> None:
    batch = make_trainer(supervised(1, batch_size=7)).draws.batch()
    assert [len(part.hr) for part in cut(batch, 3)] == [3, 2, 2]
    assert torch.equal(torch.cat([part.lr for part in cut(batch, 3)]), batch.lr)
    assert cut(batch, 1) == [batch]


def test_out_of_memory_halves_what_goes_through_at_once(
    make_trainer: Make, recorder: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """Bit for bit the run that was started so: dropout and batch norm do not count twice."""
    experiment = adversarial(2, 4, batch_size=8)
    asked = run(make_trainer(experiment, parts=4), recorder)
    trainer = room_for(make_trainer(experiment), 2)
    with caplog.at_level(logging.WARNING):
        found = run(trainer, recorder)
    assert same(found, asked)
    told = [text for text in caplog.messages if text.startswith("OUT OF MEMORY")]
    assert len(told) == 2
    assert (
        "with 8 of 8 pictures at once (CUDA out of memory. Tried to allocate 2.00 GiB): from "
        "here on a batch goes through in 2 parts of at most 4."
    ) in told[0]
    assert "in 4 parts of at most 2." in told[1]


def test_the_parts_are_part_of_the_state(make_trainer: Make, recorder: Any) -> None:
    run(room_for(make_trainer(supervised(4), state_every=2), 2), recorder)
    again = make_trainer(supervised(4))
    assert again.resume()
    assert again.networks.engine.parts.count == 2


def test_a_single_picture_that_is_too_much_ends_the_run_with_advice(
    make_trainer: Make, recorder: Any
) -> None:
    with pytest.raises(ModelError, match=r"a single picture .*Lower hr_patch.*checkpoint_activ"):
        run(room_for(make_trainer(supervised(4)), 0), recorder)


def test_other_errors_are_no_want_of_memory(make_trainer: Make, recorder: Any) -> None:
    trainer = make_trainer(supervised(4))

    def fail(module: nn.Module, given: Any, made: torch.Tensor) -> None:
        raise RuntimeError("a kernel was wrong")

    trainer.networks.generator.register_forward_hook(fail)
    with pytest.raises(RuntimeError, match="a kernel was wrong"):
        run(trainer, recorder)
    assert is_out_of_memory(RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"))
    assert not is_out_of_memory(ValueError("can't allocate memory"))


def kept_bytes(network: nn.Module) -> int:
    """Return how much a forward pass keeps for the gradient, without the weights."""
    weights = {value.data_ptr() for value in network.parameters()}
    kept: dict[int, int] = {}

    def note(value: torch.Tensor) -> torch.Tensor:
        if value.data_ptr() not in weights:
            kept[value.data_ptr()] = value.numel() * value.element_size()
        return value

    with torch.autograd.graph.saved_tensors_hooks(note, lambda value: value):
        held = network(torch.rand(2, 3, 24, 24))
    assert held.requires_grad
    return sum(kept.values())


@pytest.mark.parametrize(
    "options",
    [
        {"name": "srresnet", "scale": 2, "blocks": 8, "channels": 8},
        {"name": "compact", "scale": 2, "channels": 16, "layers": 8},
    ],
)
def test_checkpointed_blocks_keep_less(options: dict[str, Any]) -> None:
    plain, thrifty = build(**options), build(**options)
    assert checkpoint_blocks(thrifty) >= 1
    assert thrifty.state_dict().keys() == plain.state_dict().keys()
    assert kept_bytes(thrifty) < 0.6 * kept_bytes(plain)


def test_checkpointed_blocks_change_nothing(make_trainer: Make, recorder: Any) -> None:
    """Batch norm must not count a batch twice, dropout must drop the same."""
    experiment = adversarial(3, 3, ema=0.9)
    plain = run(make_trainer(experiment), recorder)
    found = run(make_trainer(experiment, checkpoint_activations=True), recorder)
    assert same(found, plain)
