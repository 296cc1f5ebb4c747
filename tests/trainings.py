"""The smallest experiments that learn something, for tests of training."""

from pathlib import Path
from typing import Any

from packs import pairs, picture, write_pack

from superres.config import Experiment, Params
from superres.config.schema import parse

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
