"""What holds at a step: its phase and its learning rate, as pure functions."""

import math

from superres.config import Adversarial, Experiment, Phase


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
    if schedule.name == "step":
        # As milestones at every, 2 every, ...; a share such as 0.2 is not exact in binary.
        return float(schedule.gamma ** math.floor(step / (schedule.every * total) + 1e-9))
    if schedule.name == "multistep":
        passed = sum(step >= milestone * total for milestone in schedule.milestones)
        return float(schedule.gamma**passed)
    if schedule.name == "cosine":
        done = (step - warmup) / max(1, total - warmup)
        return schedule.final + (1 - schedule.final) * (1 + math.cos(math.pi * done)) / 2
    return 1.0


def step_in_phase(experiment: Experiment, step: int) -> int:
    """Return how many updates of its phase came before update number `step`."""
    index, _ = phase_at(experiment, step)
    return step - sum(phase.steps for phase in experiment.phases[:index])


def adversarial_share(game: Adversarial, done: int) -> float:
    """Return what the adversarial weight is multiplied with after `done` updates of the phase.

    0 while the discriminator learns alone; then rising to 1 over the ramp's steps.
    """
    played = done - game.d_warmup
    if played < 0:
        return 0.0
    if game.ramp is None or played >= game.ramp.steps:
        return 1.0
    share = (played + 1) / game.ramp.steps
    return share if game.ramp.shape == "linear" else (1 - math.cos(math.pi * share)) / 2


def due(step: int, every: int, last: int) -> bool:
    """Tell whether something done every `every` steps, and at the last, is due after `step`."""
    return step % every == 0 or step == last
