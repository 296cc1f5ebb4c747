"""The only loop: draw, update, log, validate, save, until the last phase or a rule ends it."""

import copy
import logging
import math
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import nn

from superres.checkpoint import load_state, save_state
from superres.config import Experiment, Phase, TrainingParams
from superres.data.sampler import Sampler
from superres.errors import ModelError
from superres.losses import Features
from superres.training import diagnostics, health
from superres.training.ahead import Ahead
from superres.training.distributed import ALONE, Processes
from superres.training.engine import Engine, Losses
from superres.training.interrupt import Interrupt
from superres.training.journal import ProgressFile, Tracker
from superres.training.networks import Networks
from superres.training.plan import due, phase_at, step_in_phase
from superres.training.standing import Standing, random_states, set_random_states
from superres.training.updates import Update, make_update

log = logging.getLogger(__name__)
Weights = dict[str, torch.Tensor]


class Judge(Protocol):
    """Scores what is trained on data it does not learn from."""

    def scores(self, generator: nn.Module) -> dict[str, float]:
        """Return figures as val/psnr."""

    def shown(self, generator: nn.Module) -> list[diagnostics.Shown]:
        """Return pictures to look at."""


@dataclass(frozen=True)
class Setting:
    """What a training needs besides the experiment."""

    params: TrainingParams
    seed: int
    device: str
    state: Path  # the resumable state's file
    key: str  # hash of configuration and data that a state must be of
    processes: Processes = ALONE

    def engine(self) -> Engine:
        """Return what computes the updates here."""
        return Engine(self.params, self.device, self.processes)


class Trainer:
    """Runs one experiment; what it learns and where it stands is in `state()`."""

    def __init__(
        self,
        experiment: Experiment,
        sampler: Sampler,
        validation: Judge,
        setting: Setting,
        networks: Networks | None = None,
    ) -> None:
        """`networks`: None for those that the experiment names."""
        self.experiment = experiment
        self.sampler = sampler
        self.validation = validation
        self.setting = setting
        self.networks = networks or Networks(
            experiment, setting.device, setting.seed, engine=setting.engine()
        )
        self.processes = setting.processes
        if self.processes.rank:  # its own dropout; the first process goes on from the networks'
            torch.manual_seed(self.processes.seed(setting.seed))
        size, share = experiment.batch_size, self.processes.share(experiment.batch_size)
        self.draws = Ahead(sampler, setting.params.prefetch, size, share)
        self.standing = Standing()
        self.best_weights: Weights | None = None
        self.latest: dict[str, float] = {}  # newest validation
        self._sums: dict[str, torch.Tensor] = {}  # of each figure since the last log: sum, count
        self._unread: list[tuple[Phase, Losses]] = []  # of the newest updates, on the device

    @property
    def kind(self) -> str:
        """Return "image" or "video": what the generator takes."""
        info = getattr(self.networks.generator, "info", None)
        return "image" if info is None else str(info.kind)

    def resume(self) -> bool:
        """Take the newest valid state; False when there is none."""
        found = load_state(self.setting.state, self.setting.key) if self.processes.leads else None
        state = self.processes.told(found)
        if state is None:
            return False
        self.networks.restore(state["networks"])
        self.draws.restore(state["sampler"])
        randoms = [state["random"], *state["others"]]
        if self.processes.rank < len(randoms):
            set_random_states(randoms[self.processes.rank], self.setting.device)
        self.standing = Standing(**state["standing"])
        self.best_weights = state["best_weights"]
        self.latest = state["latest"]
        self._sums = state["sums"]
        return True

    def state(self) -> dict[str, Any]:
        """Return everything that a bit-identical continuation needs; asks all processes."""
        mine = random_states(self.setting.device)
        randoms = list(zip(*(self.processes.gathered(one) for one in mine), strict=True))
        return {
            "key": self.setting.key,
            "networks": self.networks.state(),
            "sampler": self.draws.state(),
            "random": list(randoms[0]),
            "others": [list(one) for one in randoms[1:]],  # of the other processes
            "standing": dict(vars(self.standing)),
            "best_weights": self.best_weights,
            "latest": self.latest,
            "sums": self._sums,
        }

    def run(
        self,
        tracker: Tracker,
        features: Features | None,
        progress: ProgressFile,
        on_step: Callable[[int, dict[str, float]], None] = lambda step, latest: None,
    ) -> Weights:
        """Train to the end and return the weights to keep.

        Raises KeyboardInterrupt, with the state saved, when SIGTERM or SIGINT came.
        """
        steps, update, current = self.experiment.steps, None, -1
        begun, before = time.monotonic(), self.standing.seconds
        first = self.standing.step
        self.processes.copy(self.networks.shared())
        with Interrupt() as interrupt, closing(self.draws):
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
                asked = self.processes.any(interrupt.asked)
                if due(step, self.setting.params.state_every, steps) or asked:
                    self._save(tracker)
                if asked and step < steps:
                    progress.end("interrupted")
                    raise KeyboardInterrupt(f"interrupted at step {step}; the state is saved")
        return self._kept()

    def _save(self, tracker: Tracker) -> None:
        self._read(self.standing.step, tracker)
        state = self.state()
        if self.processes.leads:
            save_state(self.setting.state, state, self.setting.params.keep_states)

    def _step(self, update: Update, phase: Phase, tracker: Tracker) -> None:
        rate = self.networks.set_rates(self.standing.step, phase)
        done = step_in_phase(self.experiment, self.standing.step)
        told = update(self.draws.batch, done)
        self._unread.append((phase, told))
        step, params, last = self.standing.step + 1, self.setting.params, self.experiment.steps
        readers = (self.networks.engine.read_every, params.log_every, params.validate_every)
        if any(due(step, every, last) for every in readers):
            self._read(step, tracker)
        self.standing.step = step
        if due(step, params.log_every, self.experiment.steps):
            means = {f"train/{name}": float(s[0] / s[1]) for name, s in self._sums.items()}
            tracker.metrics(step, means | {"learning_rate": rate})
            self._sums = {}
        if due(step, params.validate_every, self.experiment.steps):
            self._validate(tracker)

    def _read(self, newest: int, tracker: Tracker) -> None:
        """Look at the figures of the updates up to `newest`, which waits for the device once."""
        unread, self._unread = self._unread, []
        if not unread:
            return
        told = iter(torch.stack([one for _, named in unread for one in named.values()]).tolist())
        for step, (phase, named) in enumerate(unread, start=newest + 1 - len(unread)):
            self._watch(step, {name: next(told) for name in named}, phase, tracker)

    def _watch(self, step: int, losses: dict[str, float], phase: Phase, tracker: Tracker) -> None:
        """Sum the figures of an update that was made; count those that were not, stop after many.

        An update with a loss that is not finite has changed nothing.
        """
        bad = sorted(name for name, value in losses.items() if not math.isfinite(value))
        if not bad:
            self.standing.skipped = 0
            for name, value in losses.items():
                added = torch.tensor([value, 1.0], dtype=torch.float64)
                self._sums[name] = self._sums.get(name, torch.zeros_like(added)) + added
            health.watch_game(self.standing, step, phase, losses, tracker)
            health.watch_gradient(self.standing, step, losses.get("gradient"), tracker)
            return
        self.standing.skipped += 1
        log.warning("step %d: %s is not finite; the update is skipped", step, bad)
        health.tell(self.standing, step, "not_finite", tracker)
        if self.standing.skipped > self.experiment.max_skipped:
            if self.networks.engine.fall_back(bad):
                self.standing.skipped = 0
                return
            raise ModelError(
                f"training diverged: {bad} not finite in {self.standing.skipped} updates in a row, "
                f"up to step {step}. Lower optimizer.learning_rate, set grad_clip (as 1.0), or "
                "lengthen the first phase without 'adversarial'."
            )

    def _validate(self, tracker: Tracker) -> None:
        scored, step = self.networks.scored, self.standing.step
        leads = self.processes.leads
        self.latest = self.processes.told(self.validation.scores(scored) if leads else {})
        shown = self.validation.shown(scored) if leads else []
        figures = diagnostics.figures(shown, self.sampler.scale)
        if self.latest or figures:
            tracker.metrics(step, self.latest | figures)
        at = phase_at(self.experiment, max(0, step - 1))
        health.watch_output(self.standing, self.latest | figures, at, tracker)
        for name, picture in (
            ("val", diagnostics.strip(shown)),
            ("val-bands", diagnostics.band_strip(shown)),
        ):
            if picture is not None:
                tracker.image(step, name, picture)
        if self.standing.judge(self.experiment, self.latest):
            self.best_weights = _copied(scored.state_dict())

    def _kept(self) -> Weights:
        if self.best_weights is not None:
            return self.best_weights
        return _copied(self.networks.scored.state_dict())


def _copied(weights: Weights) -> Weights:
    return {name: copy.deepcopy(value.detach().cpu()) for name, value in weights.items()}
