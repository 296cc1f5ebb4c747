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
from superres.losses.temporal import TEMPORAL_LOSSES, PingPong, there_and_back
from superres.training.engine import Losses
from superres.training.networks import Networks
from superres.training.plan import adversarial_share

log = logging.getLogger(__name__)

Draw = Callable[[], Batch]


class Update(Protocol):
    """Draws what it needs and changes the networks once; returns named scalars, detached."""

    def __call__(self, draw: Draw, done: int = 0) -> Losses:
        """Make one update, `done` updates of the phase having been made before it."""


def make_update(networks: Networks, phase: Phase, features: Features | None) -> Update:
    """Return the update of a phase."""
    if networks.experiment.kind == "features":
        return Classified(networks)
    _require_clips(networks, phase)
    terms = {
        name: build_term(name, features).to(next(networks.generator.parameters()).device)
        for name in phase.losses
        if name != "adversarial"
    }
    if phase.adversarial is None:
        return Supervised(networks, phase, terms)
    return Adversarial(networks, phase, terms)


def _require_clips(networks: Networks, phase: Phase) -> None:
    """Raise ModelError for terms, or a discriminator, of clips where there are none."""
    if networks.experiment.frames is not None:
        return
    wanted = sorted(set(phase.losses) & TEMPORAL_LOSSES.keys())
    if getattr(networks.discriminator, "for_clips", False):
        wanted.append("discriminator 'clip'")
    if wanted:
        raise ModelError(f"{', '.join(wanted)}: of clips; the experiment needs `frames`, as 5")


class Supervised:
    """The generator against the ground truth."""

    def __init__(self, networks: Networks, phase: Phase, terms: dict[str, nn.Module]) -> None:
        self.networks = networks
        self.phase = phase
        self.terms = terms

    def __call__(self, draw: Draw, done: int = 0) -> Losses:
        """Make one generator update on one batch."""
        self.networks.generator.train()
        return self._generate(draw(), dict(self.phase.losses))

    def _generate(self, batch: Batch, weights: dict[str, float]) -> Losses:
        """Make one generator update."""

        def measure(part: Batch) -> tuple[torch.Tensor, Losses]:
            losses = self._losses(part)
            total = torch.stack([weights[name] * value for name, value in losses.items()])
            return total.sum(), {name: value.detach() for name, value in losses.items()}

        return self.networks.learn(batch, measure)

    def _losses(self, part: Batch) -> Losses:
        """Return every term of the phase."""
        return self._judged(part)[1]

    def _judged(self, part: Batch) -> tuple[torch.Tensor, Losses]:
        """Return SR and every term that needs no discriminator."""
        back = [name for name, term in self.terms.items() if isinstance(term, PingPong)]
        lr = there_and_back(part.lr) if back else part.lr
        whole = self.networks.generator(lr)
        sr = whole[:, : part.lr.shape[1]] if back else whole
        told = {
            name: term(whole if name in back else sr, part.hr) for name, term in self.terms.items()
        }
        return sr, told


class Classified:
    """A feature network against the classes of its crops."""

    def __init__(self, networks: Networks) -> None:
        self.networks = networks

    def __call__(self, draw: Draw, done: int = 0) -> Losses:
        """Make one update on one batch."""
        classifier = self.networks.generator.train()

        def measure(part: Batch) -> tuple[torch.Tensor, Losses]:
            wanted = classifier.get_buffer("labels")[part.images]
            return nn.functional.cross_entropy(classifier(part.hr), wanted), {}

        return self.networks.learn(draw(), measure)


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
        critic = self.critic
        self.networks.generator.train()
        critic.train().requires_grad_(True)
        for _ in range(self.game.d_steps):
            batch = draw()
            told = self._judge(batch)
        if done < self.game.d_warmup:
            return told
        batch = draw() if self.game.d_steps > 1 else batch
        critic.requires_grad_(False)  # the generator's gradient passes through, weights stay
        weights = dict(self.phase.losses)
        weights["adversarial"] *= adversarial_share(self.game, done)
        return self._generate(batch, weights) | told

    def _losses(self, part: Batch) -> Losses:
        """Return every term of the phase, what the discriminator says among them."""
        sr, losses = self._judged(part)
        if self.sides.relative:
            with torch.no_grad():
                real = self._said(part.hr)
            losses["adversarial"] = self.sides.generator(self._said(sr), real)
        else:
            losses["adversarial"] = self.sides.generator(self._said(sr))
        return losses

    def _said(self, images: torch.Tensor) -> torch.Tensor:
        """Return the critic's logits; one that sees pictures judges every frame of a clip."""
        if images.dim() == 5 and not getattr(self.critic, "for_clips", False):
            images = images.flatten(0, 1)
        logits: torch.Tensor = self.critic(images)
        return logits

    def _judge(self, batch: Batch) -> Losses:
        """Make one discriminator update; return its loss, gradient and mean scores."""
        told = self.networks.judge(batch, self._verdict)
        if self.sides.clipped:
            clip_weights(self.critic, self.game.weight_clip)
        del told["loss"]
        told["d_gradient"] = told.pop("gradient")
        return told

    def _verdict(self, part: Batch) -> tuple[torch.Tensor, Losses]:
        with torch.no_grad():
            made = self.networks.generator(part.lr)
        real, fake = self._said(part.hr), self._said(made)
        told = self.sides.discriminator(real, fake, self.game.label_smoothing)
        named = {"discriminator": told.detach()} | _scores(self.sides, real, fake)
        if self.penalty:
            penalty = gradient_penalty(self._said, part.hr, made)
            named["penalty"] = penalty.detach()
            told = told + self.penalty * penalty
        return told, named


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
