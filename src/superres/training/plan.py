"""What holds at a step: its phase and its learning rate, as pure functions."""

import math

from superres.config import Experiment, Phase


def phase_at(experiment: Experiment, step: int) -> tuple[int, Phase]:
    """Return the index and content of the phase that update number `step` (from 0) belongs to."""
    end = 0
    for index, phase in enumerate(experiment.phases):
        end += phase.steps
        if step < end:
            return index, phase
    return len(experiment.phases) - 1, experiment.phases[-1]


def rate_factor(experiment: Experiment, step: int) -> float:
    """Return what the learning rate is multiplied with at update number `step` (from 0)."""
    schedule, total = experiment.schedule, experiment.steps
    warmup = round(schedule.warmup * total)
    if step < warmup:
        return (step + 1) / warmup
    if schedule.name == "multistep":
        passed = sum(step >= milestone * total for milestone in schedule.milestones)
        return float(schedule.gamma**passed)
    if schedule.name == "cosine":
        done = (step - warmup) / max(1, total - warmup)
        return schedule.final + (1 - schedule.final) * (1 + math.cos(math.pi * done)) / 2
    return 1.0


def due(step: int, every: int, last: int) -> bool:
    """Tell whether something done every `every` steps, and at the last, is due after `step`."""
    return step % every == 0 or step == last
