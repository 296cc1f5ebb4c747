"""Adversarial objectives: what the discriminator and the generator minimise, from logits."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch.nn import functional as F

from superres.errors import ModelError

Logits = torch.Tensor


class ForGenerator(Protocol):
    """What the generator minimises; relativistic games need the logits of real images, too."""

    def __call__(self, fake: Logits, real: Logits | None = None) -> torch.Tensor:
        """Return the mean over logits of any shape."""


@dataclass(frozen=True)
class Objective:
    """Both sides of one game; `real` and `fake` are logits of any shape."""

    discriminator: Callable[[Logits, Logits, float], torch.Tensor]  # real, fake, smoothing
    generator: ForGenerator
    probabilities: bool = True  # logits are of probabilities; else scores without a scale
    relative: bool = False  # the generator's side needs `real`
    clipped: bool = False  # the critic's weights are clipped after its step
    penalty: float = 0.0  # usual weight of the gradient penalty


def _bce_discriminator(real: Logits, fake: Logits, smoothing: float) -> torch.Tensor:
    wanted = torch.full_like(real, 1 - smoothing)
    told = F.binary_cross_entropy_with_logits
    return told(real, wanted) + told(fake, torch.zeros_like(fake))


def _relative(one: Logits, other: Logits | None) -> Logits:
    if other is None:
        raise ModelError("objective 'ragan' compares with the logits of real images: none given")
    return one - other.mean()


def _ragan_discriminator(real: Logits, fake: Logits, smoothing: float) -> torch.Tensor:
    return _bce_discriminator(_relative(real, fake), _relative(fake, real), smoothing)


def _ragan_generator(fake: Logits, real: Logits | None = None) -> torch.Tensor:
    made = _relative(fake, real)
    true = _relative(fake if real is None else real, fake)
    return F.softplus(-made).mean() + F.softplus(true).mean()


def _wasserstein(real: Logits, fake: Logits, _: float) -> torch.Tensor:
    return fake.mean() - real.mean()


OBJECTIVES: dict[str, Objective] = {
    # Non-saturating: -log D(G(lr)) (Goodfellow et al., 2014; Ledig et al., 2017).
    "bce": Objective(_bce_discriminator, lambda fake, real=None: F.softplus(-fake).mean()),
    # The game as first written: the generator minimises log(1 - D(G(lr))).
    "minimax": Objective(_bce_discriminator, lambda fake, real=None: -F.softplus(fake).mean()),
    # Least squares (Mao et al., 2017).
    "lsgan": Objective(
        lambda real, fake, smoothing: (
            (real - (1 - smoothing)).square().mean() + fake.square().mean()
        ),
        lambda fake, real=None: (fake - 1).square().mean(),
        probabilities=False,
    ),
    # Hinge (Lim and Ye, 2017).
    "hinge": Objective(
        lambda real, fake, _: F.relu(1 - real).mean() + F.relu(1 + fake).mean(),
        lambda fake, real=None: -fake.mean(),
    ),
    # Wasserstein distance, the critic kept Lipschitz by clipping (Arjovsky et al., 2017).
    "wgan": Objective(
        _wasserstein, lambda fake, real=None: -fake.mean(), probabilities=False, clipped=True
    ),
    # The same, kept by a penalty on the gradient's norm (Gulrajani et al., 2017).
    "wgan-gp": Objective(
        _wasserstein, lambda fake, real=None: -fake.mean(), probabilities=False, penalty=10.0
    ),
    # Relativistic average: is real more real than made (Jolicoeur-Martineau, 2018; ESRGAN).
    "ragan": Objective(_ragan_discriminator, _ragan_generator, relative=True),
    # R5 (Wen): the generator minimises mean(1 - D), D being a probability; a total variation game.
    "probability": Objective(
        lambda real, fake, _: 1 - real.sigmoid().mean() + fake.sigmoid().mean(),
        lambda fake, real=None: (1 - fake.sigmoid()).mean(),
    ),
}


def objective(name: str) -> Objective:
    """Return the objective called `name`; ModelError names what is accepted."""
    if name not in OBJECTIVES:
        raise ModelError(f"objective '{name}' is not known; accepted: {sorted(OBJECTIVES)}")
    return OBJECTIVES[name]


def gradient_penalty(
    critic: Callable[[torch.Tensor], torch.Tensor], real: torch.Tensor, fake: torch.Tensor
) -> torch.Tensor:
    """Return mean (|gradient| - 1)^2 between pairs of images (Gulrajani et al., 2017).

    The norm is of the gradient of an image's mean score by its pixels, at a random point of
    the line between `real` and `fake (N, ...)`; drawn from torch's global generator.
    """
    place = torch.rand(len(real), *[1] * (real.dim() - 1), dtype=real.dtype).to(real.device)
    between = (real + place * (fake - real)).detach().requires_grad_(True)
    # One image's score must not depend on another's: their sum has each one's own gradient.
    scores = critic(between).flatten(1).mean(dim=1).sum()
    (slope,) = torch.autograd.grad(scores, between, create_graph=True)
    lengths: torch.Tensor = slope.flatten(1).norm(dim=1)
    return (lengths - 1).square().mean()


@torch.no_grad()
def clip_weights(critic: torch.nn.Module, largest: float) -> None:
    """Keep every learned value within -largest..largest (Arjovsky et al., 2017)."""
    for parameter in critic.parameters():
        parameter.clamp_(-largest, largest)
