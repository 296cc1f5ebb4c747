"""The only loop: draw, update, log, validate, save, until the last phase or a rule ends it."""

import copy
import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from superres.checkpoint import load_state, save_state
from superres.config import Experiment, KeepBest, Phase, TrainingParams
from superres.data.sampler import Sampler
from superres.errors import ModelError
from superres.losses import FeatureNetwork
from superres.training.interrupt import Interrupt
from superres.training.journal import ProgressFile, Tracker
from superres.training.networks import Networks
from superres.training.plan import due, phase_at
from superres.training.updates import Update, make_update
from superres.training.validation import Validation

log = logging.getLogger(__name__)
Weights = dict[str, torch.Tensor]


@dataclass(frozen=True)
class Setting:
    """What a training needs besides the experiment."""

    params: TrainingParams
    seed: int
    device: str
    state: Path  # the resumable state's file
    key: str  # hash of configuration and data that a state must be of


@dataclass
class Standing:
    """How far the run is: everything of the state that is not a network."""

    step: int = 0
    seconds: float = 0.0
    skipped: int = 0  # updates in a row with a non-finite loss
    best: float | None = None
    best_step: int = 0
    stale: int = 0  # validations since the early-stopping metric improved
    watched: float | None = None  # best value of the early-stopping metric
    stopped: bool = False


class Trainer:
    """Runs one experiment; what it learns and where it stands is in `state()`."""

    def __init__(
        self, experiment: Experiment, sampler: Sampler, validation: Validation, setting: Setting
    ) -> None:
        self.experiment = experiment
        self.sampler = sampler
        self.validation = validation
        self.setting = setting
        self.networks = Networks(experiment, setting.device, setting.seed)
        self.standing = Standing()
        self.best_weights: Weights | None = None
        self.latest: dict[str, float] = {}  # newest validation
        self._sums: dict[str, torch.Tensor] = {}  # of each figure since the last log: sum, count

    def resume(self) -> bool:
        """Take the newest valid state; False when there is none."""
        state = load_state(self.setting.state, self.setting.key)
        if state is None:
            return False
        self.networks.restore(state["networks"])
        self.sampler.restore(state["sampler"])
        _set_random(state["random"], self.setting.device)
        self.standing = Standing(**state["standing"])
        self.best_weights = state["best_weights"]
        self.latest = state["latest"]
        self._sums = state["sums"]
        return True

    def state(self) -> dict[str, Any]:
        """Return everything that a bit-identical continuation needs."""
        return {
            "key": self.setting.key,
            "networks": self.networks.state(),
            "sampler": self.sampler.state(),
            "random": _random(self.setting.device),
            "standing": dict(vars(self.standing)),
            "best_weights": self.best_weights,
            "latest": self.latest,
            "sums": self._sums,
        }

    def run(
        self,
        tracker: Tracker,
        features: FeatureNetwork | None,
        progress: ProgressFile,
        on_step: Callable[[int, dict[str, float]], None] = lambda step, latest: None,
    ) -> Weights:
        """Train to the end and return the weights to keep.

        Raises KeyboardInterrupt, with the state saved, when SIGTERM or SIGINT came.
        """
        steps, update, current = self.experiment.steps, None, -1
        begun, before = time.monotonic(), self.standing.seconds
        first = self.standing.step
        with Interrupt() as interrupt:
            while self.standing.step < steps and not self.standing.stopped:
                index, phase = phase_at(self.experiment, self.standing.step)
                if update is None or index != current:
                    update, current = make_update(self.networks, phase, features), index
                self._step(update, phase, tracker)
                step = self.standing.step
                self.standing.seconds = before + time.monotonic() - begun
                pace = (time.monotonic() - begun) / (step - first)
                progress.write(step, phase=index, eta_seconds=pace * (steps - step))
                on_step(step, self.latest)
                if due(step, self.setting.params.state_every, steps) or interrupt.asked:
                    save_state(self.setting.state, self.state())
                if interrupt.asked and step < steps:
                    progress.end("interrupted")
                    raise KeyboardInterrupt(f"interrupted at step {step}; the state is saved")
        return self._kept()

    def _step(self, update: Update, phase: Phase, tracker: Tracker) -> None:
        rate = self.networks.set_rates(self.standing.step, phase)
        losses = update(lambda: self.sampler.batch(self.experiment.batch_size))
        if self._is_finite(losses):
            for name, value in losses.items():
                added = torch.tensor([float(value), 1.0], dtype=torch.float64)
                self._sums[name] = self._sums.get(name, torch.zeros_like(added)) + added
        self.standing.step += 1
        step, params = self.standing.step, self.setting.params
        if due(step, params.log_every, self.experiment.steps):
            means = {f"train/{name}": float(s[0] / s[1]) for name, s in self._sums.items()}
            tracker.metrics(step, means | {"learning_rate": rate})
            self._sums = {}
        if due(step, params.validate_every, self.experiment.steps):
            self._validate(tracker)

    def _is_finite(self, losses: dict[str, torch.Tensor]) -> bool:
        """Count updates that changed nothing because a loss was not finite; stop after many."""
        bad = sorted(name for name, value in losses.items() if not torch.isfinite(value))
        if not bad:
            self.standing.skipped = 0
            return True
        self.standing.skipped += 1
        step = self.standing.step + 1
        log.warning("step %d: %s is not finite; the update is skipped", step, bad)
        if self.standing.skipped > self.experiment.max_skipped:
            raise ModelError(
                f"training diverged: {bad} not finite in {self.standing.skipped} updates in a row, "
                f"up to step {step}. Lower optimizer.learning_rate, set grad_clip (as 1.0), or "
                "lengthen the first phase without 'adversarial'."
            )
        return False

    def _validate(self, tracker: Tracker) -> None:
        scored = self.networks.scored
        self.latest = self.validation.scores(scored)
        if self.latest:
            tracker.metrics(self.standing.step, self.latest)
        strip = self.validation.strip(scored)
        if strip is not None:
            tracker.image(self.standing.step, "val", strip)
        keep, stop = self.experiment.keep, self.experiment.early_stopping
        if isinstance(keep, KeepBest):
            value = self.latest.get(f"val/{keep.best.metric}")
            if value is not None and _better(value, self.standing.best, keep.best.mode):
                self.standing.best, self.standing.best_step = value, self.standing.step
                self.best_weights = _copied(scored.state_dict())
        value = self.latest.get(f"val/{stop.metric}") if stop is not None else None
        if stop is not None and value is not None:
            if _better(value, self.standing.watched, stop.mode, stop.min_delta):
                self.standing.watched, self.standing.stale = value, 0
            else:
                self.standing.stale += 1
            self.standing.stopped = self.standing.stale >= stop.patience

    def _kept(self) -> Weights:
        if self.best_weights is not None:
            return self.best_weights
        return _copied(self.networks.scored.state_dict())


def _better(value: float, than: float | None, mode: str, delta: float = 0.0) -> bool:
    if not math.isfinite(value):
        return False
    if than is None:
        return True
    return value > than + delta if mode == "max" else value < than - delta


def _random(device: str) -> list[torch.Tensor]:
    """Return the random states that dropout and the like draw from."""
    states = [torch.get_rng_state()]
    return [*states, torch.cuda.get_rng_state(device)] if device.startswith("cuda") else states


def _set_random(states: list[torch.Tensor], device: str) -> None:
    torch.set_rng_state(states[0])
    if device.startswith("cuda") and len(states) > 1:  # the state may come from a CPU
        torch.cuda.set_rng_state(states[1], device)


def _copied(weights: Weights) -> Weights:
    return {name: copy.deepcopy(value.detach().cpu()) for name, value in weights.items()}
