"""One optimisation step: supervised, or generator against discriminator."""

import logging
from collections.abc import Callable
from typing import Protocol

import torch
from torch import nn

from superres.config import Phase
from superres.data.sampler import Batch
from superres.errors import ModelError
from superres.losses import Features, build_term
from superres.losses.adversarial import Objective, clip_weights, gradient_penalty, objective
from superres.training.networks import Networks
from superres.training.plan import adversarial_share

log = logging.getLogger(__name__)

Draw = Callable[[], Batch]
Losses = dict[str, torch.Tensor]


class Update(Protocol):
    """Draws what it needs and changes the networks once; returns named scalars, detached."""

    def __call__(self, draw: Draw, done: int = 0) -> Losses:
        """Make one update, `done` updates of the phase having been made before it."""


def make_update(networks: Networks, phase: Phase, features: Features | None) -> Update:
    """Return the update of a phase."""
    if networks.experiment.kind == "features":
        return Classified(networks)
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

    def __call__(self, draw: Draw, done: int = 0) -> Losses:
        """Make one generator update on one batch."""
        batch = draw()
        self.networks.generator.train()
        sr = self.networks.generator(batch.lr)
        losses = {name: term(sr, batch.hr) for name, term in self.terms.items()}
        return self._finish(losses, dict(self.phase.losses))

    def _finish(self, losses: Losses, weights: dict[str, float]) -> Losses:
        total = torch.stack([weights[name] * value for name, value in losses.items()])
        loss = total.sum()
        networks = self.networks
        clip = networks.experiment.grad_clip
        norm = descend(loss, networks.optimizer, networks.generator, clip)
        if torch.isfinite(norm):
            networks.average()
        named = {name: value.detach() for name, value in losses.items()}
        return {"loss": loss.detach(), "gradient": norm, **named}


class Classified:
    """A feature network against the classes of its crops."""

    def __init__(self, networks: Networks) -> None:
        self.networks = networks

    def __call__(self, draw: Draw, done: int = 0) -> Losses:
        """Make one update on one batch."""
        batch, networks = draw(), self.networks
        classifier = networks.generator.train()
        wanted = classifier.get_buffer("labels")[batch.images]
        told = nn.functional.cross_entropy(classifier(batch.hr), wanted)
        norm = descend(told, networks.optimizer, classifier, networks.experiment.grad_clip)
        if torch.isfinite(norm):
            networks.average()
        return {"loss": told.detach(), "gradient": norm}


class Adversarial(Supervised):
    """`d_steps` discriminator updates, then one generator update (Goodfellow et al., 2014)."""

    def __init__(self, networks: Networks, phase: Phase, terms: dict[str, nn.Module]) -> None:
        """Raises ModelError without a discriminator."""
        super().__init__(networks, phase, terms)
        if phase.adversarial is None or networks.discriminator is None:
            raise ModelError("an adversarial phase needs a discriminator")
        self.game = phase.adversarial
        self.critic = networks.discriminator
        self.sides = objective(self.game.objective)
        given = self.game.gradient_penalty
        self.penalty = self.sides.penalty if given is None else given
        batches = any("BatchNorm" in type(part).__name__ for part in self.critic.modules())
        if self.penalty and batches:
            log.warning(
                "the gradient penalty is of single images, and this discriminator has batch norm, "
                "which mixes them: prefer one without (Gulrajani et al., 2017)"
            )

    def __call__(self, draw: Draw, done: int = 0) -> Losses:
        """Make one generator update, its discriminator updates before it.

        In the first `d_warmup` updates of the phase only the discriminator's.
        """
        networks, critic = self.networks, self.critic
        networks.generator.train()
        critic.train().requires_grad_(True)
        for _ in range(self.game.d_steps):
            batch = draw()
            told = self._judge(batch)
        if done < self.game.d_warmup:
            return told
        batch = draw() if self.game.d_steps > 1 else batch
        critic.requires_grad_(False)  # the generator's gradient passes through, weights stay
        sr = networks.generator(batch.lr)
        losses = {name: term(sr, batch.hr) for name, term in self.terms.items()}
        if self.sides.relative:
            with torch.no_grad():
                real = critic(batch.hr)
            losses["adversarial"] = self.sides.generator(critic(sr), real)
        else:
            losses["adversarial"] = self.sides.generator(critic(sr))
        weights = dict(self.phase.losses)
        weights["adversarial"] *= adversarial_share(self.game, done)
        return self._finish(losses, weights) | told

    def _judge(self, batch: Batch) -> Losses:
        """Make one discriminator update; return its loss, gradient and mean scores."""
        networks, critic = self.networks, self.critic
        optimizer = networks.discriminator_optimizer
        if optimizer is None:
            raise ModelError("an adversarial phase needs a discriminator")
        with torch.no_grad():
            made = networks.generator(batch.lr)
        real, fake = critic(batch.hr), critic(made)
        told = self.sides.discriminator(real, fake, self.game.label_smoothing)
        named = {"discriminator": told.detach()}
        if self.penalty:
            penalty = gradient_penalty(critic, batch.hr, made)
            named["penalty"] = penalty.detach()
            told = told + self.penalty * penalty
        named["d_gradient"] = descend(told, optimizer, critic, networks.experiment.grad_clip)
        if self.sides.clipped:
            clip_weights(critic, self.game.weight_clip)
        return named | _scores(self.sides, real, fake)


def _scores(sides: Objective, real: torch.Tensor, fake: torch.Tensor) -> Losses:
    """Return the mean verdict on real and made images: probabilities where there are any.

    A relativistic one is of being more real than the other side's mean.
    """
    real, fake = real.detach(), fake.detach()
    if sides.relative:
        real, fake = real - fake.mean(), fake - real.mean()
    if sides.probabilities:
        real, fake = real.sigmoid(), fake.sigmoid()
    return {"d_real": real.mean(), "d_fake": fake.mean()}


def descend(
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
