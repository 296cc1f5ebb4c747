"""Adversarial objectives: what the discriminator and the generator minimise, from logits."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch.nn import functional as F

from superres.errors import ModelError

Logits = torch.Tensor


@dataclass(frozen=True)
class Objective:
    """Both sides of one game; `real` and `fake` are logits of any shape."""

    discriminator: Callable[[Logits, Logits, float], torch.Tensor]  # real, fake, smoothing
    generator: Callable[[Logits], torch.Tensor]  # fake


def _bce_discriminator(real: Logits, fake: Logits, smoothing: float) -> torch.Tensor:
    wanted = torch.full_like(real, 1 - smoothing)
    told = F.binary_cross_entropy_with_logits
    return told(real, wanted) + told(fake, torch.zeros_like(fake))


OBJECTIVES: dict[str, Objective] = {
    # Non-saturating: -log D(G(lr)) (Goodfellow et al., 2014; Ledig et al., 2017).
    "bce": Objective(_bce_discriminator, lambda fake: F.softplus(-fake).mean()),
    # The game as first written: the generator minimises log(1 - D(G(lr))).
    "minimax": Objective(_bce_discriminator, lambda fake: -F.softplus(fake).mean()),
    # Least squares (Mao et al., 2017).
    "lsgan": Objective(
        lambda real, fake, smoothing: (
            (real - (1 - smoothing)).square().mean() + fake.square().mean()
        ),
        lambda fake: (fake - 1).square().mean(),
    ),
    # Hinge (Lim and Ye, 2017).
    "hinge": Objective(
        lambda real, fake, _: F.relu(1 - real).mean() + F.relu(1 + fake).mean(),
        lambda fake: -fake.mean(),
    ),
}


def objective(name: str) -> Objective:
    """Return the objective called `name`; ModelError names what is accepted."""
    if name not in OBJECTIVES:
        raise ModelError(f"objective '{name}' is not known; accepted: {sorted(OBJECTIVES)}")
    return OBJECTIVES[name]
