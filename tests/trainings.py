"""The smallest experiments that learn something, for tests of training."""

from pathlib import Path
from typing import Any

import torch
from packs import pairs, picture, write_pack
from torch import nn

from superres.config import Experiment, Params
from superres.config.schema import parse
from superres.data.sampler import Batch
from superres.training.networks import Networks
from superres.training.updates import Update, make_update

SCALE = 2
COMPACT = {"name": "compact", "scale": SCALE, "channels": 8, "layers": 2}
CRITIC = {"name": "srgan", "channels": 4, "dense": 8, "dropout": 0.2}
GAME = {"mse": 1, "adversarial": 0.01}


def supervised(steps: int = 30, **changes: Any) -> Experiment:
    """Return a network of 8 channels on mean squared error."""
    content: dict[str, Any] = {
        "source": "a test",
        "expected": "the loss falls",
        "model": COMPACT,
        "batch_size": 4,
        "hr_patch": 16,
        "optimizer": {"learning_rate": 3e-3},
        "phases": [{"steps": steps, "losses": {"mse": 1}}],
    }
    return parse(Experiment, content | changes, "a test's experiment")


def adversarial(before: int = 10, steps: int = 20, **changes: Any) -> Experiment:
    """Return batch norm in both networks, dropout in one, `before` steps without the critic."""
    phases: list[dict[str, Any]] = [{"steps": before, "losses": {"mse": 1}}] if before else []
    phases.append({"steps": steps, "losses": GAME, "adversarial": {"objective": "bce"}})
    content: dict[str, Any] = {
        "model": {"name": "srresnet", "scale": SCALE, "blocks": 1, "channels": 8},
        "discriminator": CRITIC,
        "phases": phases,
    }
    return supervised(**(content | changes))


def parameters(budget: Any = "full", **training: Any) -> Params:
    """Return params.yaml for such an experiment on one CPU."""
    content: dict[str, Any] = {
        "scale": SCALE,
        "budget": budget,
        "experiments": ["small"],
        "data": {"sources": [{"name": "photographs"}]},
        "training": {"device": "cpu", "threads": 1, "log_every": 5, "validate_every": 10}
        | training,
        "perceptual": {"weights": "here"},
    }
    return parse(Params, content, "a test's params.yaml")


def small_pack(folder: Path) -> Path:
    """Write four training pictures, two to validate with and one to test with."""
    made = pairs(SCALE, *(picture(40, 44 + 2 * seed, seed) for seed in range(7)))
    return write_pack(folder, SCALE, {"train": made[:4], "val": made[4:6], "test": made[6:]})


class Draws:
    """Hands out batches of noise and counts them."""

    def __init__(self) -> None:
        self.random = torch.Generator().manual_seed(8)
        self.drawn: list[Batch] = []

    def __call__(self) -> Batch:
        hr = torch.rand(4, 3, 16, 16, generator=self.random)
        lr = torch.nn.functional.avg_pool2d(hr, 2)
        self.drawn.append(Batch(lr, hr, torch.zeros(4, dtype=torch.int64)))
        return self.drawn[-1]


def ready(experiment: Experiment) -> tuple[Networks, Update]:
    networks = Networks(experiment, "cpu", 1)
    return networks, make_update(networks, experiment.phases[-1], None)


def weights(network: nn.Module | None) -> dict[str, torch.Tensor]:
    assert network is not None
    return {name: value.detach().clone() for name, value in network.named_parameters()}


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(one[name], other[name]) for name in one)
