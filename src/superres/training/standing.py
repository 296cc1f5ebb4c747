"""How far a run is, and the random numbers it goes on with."""

import math
from dataclasses import dataclass, field

import torch

from superres.config import Experiment, KeepBest


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
    sure: int = 0  # updates in a row in which the discriminator was never wrong
    blind: int = 0  # updates in a row in which it told nothing apart
    updates: int = 0  # whose gradients make up the usual norm
    usual: float = 0.0  # norm of the gradient
    high: float | None = None  # best validation PSNR of the phase
    high_of: int = -1  # number of that phase
    init: str = "none"  # whose weights the run began with
    signs: list[str] = field(default_factory=list)  # what was warned of, once each

    def judge(self, experiment: Experiment, scores: dict[str, float]) -> bool:
        """Take a validation in: stop when nothing improves; True when it is the best so far."""
        keep, stop = experiment.keep, experiment.early_stopping
        value = scores.get(f"val/{stop.metric}") if stop is not None else None
        if stop is not None and value is not None:
            if better(value, self.watched, stop.mode, stop.min_delta):
                self.watched, self.stale = value, 0
            else:
                self.stale += 1
            self.stopped = self.stale >= stop.patience
        if not isinstance(keep, KeepBest):
            return False
        value = scores.get(f"val/{keep.best.metric}")
        if value is None or not better(value, self.best, keep.best.mode):
            return False
        self.best, self.best_step = value, self.step
        return True


def better(value: float, than: float | None, mode: str, delta: float = 0.0) -> bool:
    """Tell whether a figure is finite and beats another by more than `delta`."""
    if not math.isfinite(value):
        return False
    if than is None:
        return True
    return value > than + delta if mode == "max" else value < than - delta


def random_states(device: str) -> list[torch.Tensor]:
    """Return the random states that dropout and the like draw from."""
    states = [torch.get_rng_state()]
    return [*states, torch.cuda.get_rng_state(device)] if device.startswith("cuda") else states


def set_random_states(states: list[torch.Tensor], device: str) -> None:
    """Go on with the numbers of saved states."""
    torch.set_rng_state(states[0])
    if device.startswith("cuda") and len(states) > 1:  # the state may come from a CPU
        torch.cuda.set_rng_state(states[1], device)
