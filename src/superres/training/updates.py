"""One optimisation step: supervised, or generator against discriminator."""

import logging
from collections.abc import Callable
from typing import Protocol

import torch
from torch import nn

from superres.config import Phase
from superres.data.sampler import Batch
from superres.errors import ModelError
from superres.losses import FeatureNetwork, build_term
from superres.losses.adversarial import objective
from superres.training.networks import Networks

log = logging.getLogger(__name__)

Draw = Callable[[], Batch]
Losses = dict[str, torch.Tensor]


class Update(Protocol):
    """Draws what it needs and changes the networks once; returns named scalars, detached."""

    def __call__(self, draw: Draw) -> Losses:
        """Make one generator update."""


def make_update(networks: Networks, phase: Phase, features: FeatureNetwork | None) -> Update:
    """Return the update of a phase."""
    terms = {
        name: build_term(name, features).to(next(networks.generator.parameters()).device)
        for name in phase.losses
        if name != "adversarial"
    }
    if phase.adversarial is None:
        return Supervised(networks, phase, terms)
    return Adversarial(networks, phase, terms)


class Supervised:
    """The generator against the ground truth."""

    def __init__(self, networks: Networks, phase: Phase, terms: dict[str, nn.Module]) -> None:
        self.networks = networks
        self.phase = phase
        self.terms = terms

    def __call__(self, draw: Draw) -> Losses:
        """Make one generator update on one batch."""
        batch = draw()
        self.networks.generator.train()
        sr = self.networks.generator(batch.lr)
        losses = {name: term(sr, batch.hr) for name, term in self.terms.items()}
        return self._finish(losses)

    def _finish(self, losses: Losses) -> Losses:
        total = torch.stack([self.phase.losses[name] * value for name, value in losses.items()])
        loss = total.sum()
        networks = self.networks
        clip = networks.experiment.grad_clip
        norm = _step(loss, networks.optimizer, networks.generator, clip)
        if torch.isfinite(norm):
            networks.average()
        named = {name: value.detach() for name, value in losses.items()}
        return {"loss": loss.detach(), "gradient": norm, **named}


class Adversarial(Supervised):
    """`d_steps` discriminator updates, then one generator update (Goodfellow et al., 2014)."""

    def __call__(self, draw: Draw) -> Losses:
        """Make one generator update, its discriminator updates before it."""
        networks, game = self.networks, self.phase.adversarial
        critic, critic_optimizer = networks.discriminator, networks.discriminator_optimizer
        if game is None or critic is None or critic_optimizer is None:
            raise ModelError("an adversarial phase needs a discriminator")
        sides = objective(game.objective)
        networks.generator.train()
        critic.train().requires_grad_(True)
        for _ in range(game.d_steps):
            batch = draw()
            with torch.no_grad():
                made = networks.generator(batch.lr)
            real, fake = critic(batch.hr), critic(made)
            told = sides.discriminator(real, fake, game.label_smoothing)
            norm = _step(told, critic_optimizer, critic, networks.experiment.grad_clip)
        batch = draw() if game.d_steps > 1 else batch
        critic.requires_grad_(False)  # the generator's gradient passes through, weights stay
        sr = networks.generator(batch.lr)
        losses = {name: term(sr, batch.hr) for name, term in self.terms.items()}
        losses["adversarial"] = sides.generator(critic(sr))
        named = self._finish(losses)
        return named | {
            "discriminator": told.detach(),
            "d_gradient": norm,
            "d_real": real.detach().sigmoid().mean(),
            "d_fake": fake.detach().sigmoid().mean(),
        }


def _step(
    loss: torch.Tensor, optimizer: torch.optim.Optimizer, network: nn.Module, clip: float | None
) -> torch.Tensor:
    """Follow the gradient of `loss` once and return its norm; not finite: nothing is changed."""
    optimizer.zero_grad(set_to_none=True)
    if not torch.isfinite(loss):
        return loss.detach()
    torch.autograd.backward(loss)
    learned = list(network.parameters())
    norm = nn.utils.get_total_norm([one.grad for one in learned if one.grad is not None])
    if torch.isfinite(norm):
        if clip is not None:
            nn.utils.clip_grads_with_norm_(learned, clip, norm)
        optimizer.step()
    return norm
