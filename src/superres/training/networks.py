"""The networks of a run with their optimizers and moving average: everything that learns."""

import copy
from typing import Any

import torch
from torch import nn

from superres.config import Experiment, OptimizerSpec, Phase, TrainingParams
from superres.data.sampler import Batch
from superres.errors import ModelError
from superres.models import build, build_discriminator
from superres.training.engine import Engine, Learner, Losses, Measure
from superres.training.plan import rate_factor


class Networks:
    """Generator, discriminator when there is one, their optimizers, and the generator's EMA."""

    def __init__(
        self,
        experiment: Experiment,
        device: str,
        seed: int,
        network: nn.Module | None = None,
        engine: Engine | None = None,
    ) -> None:
        """`network`: learns in place of the generator that the experiment names."""
        torch.manual_seed(seed)
        self.experiment = experiment
        self.engine = engine or Engine(TrainingParams(), device)
        self.generator = network or build(**experiment.model)
        _laid_out(self.generator.to(device))
        self.discriminator: nn.Module | None = None
        if experiment.discriminator is not None:
            self.discriminator = build_discriminator(**experiment.discriminator)
            _laid_out(self.discriminator.to(device))
        fused = self.engine.fused
        self.optimizer = _optimizer(experiment.optimizer, self.generator, fused)
        self.discriminator_optimizer: torch.optim.Optimizer | None = None
        spec = experiment.discriminator_optimizer or experiment.optimizer
        if self.discriminator is not None:
            self.discriminator_optimizer = _optimizer(spec, self.discriminator, fused)
        self.ema = copy.deepcopy(self.generator) if experiment.ema is not None else None
        self.averaged: int | torch.Tensor = 0  # updates in the EMA; counted on the device if fused
        self.engine.prepare("generator", self.generator)
        if self.discriminator is not None:
            self.engine.prepare("discriminator", self.discriminator)

    @property
    def scored(self) -> nn.Module:
        """Return the generator that is validated and kept: the EMA where there is one."""
        return self.generator if self.ema is None else self.ema

    def set_rates(self, step: int, phase: Phase) -> float:
        """Give both optimizers the rate of update number `step`; return the generator's."""
        factor = rate_factor(self.experiment, step)
        spec = self.experiment.discriminator_optimizer or self.experiment.optimizer
        rate = (phase.learning_rate or self.experiment.optimizer.learning_rate) * factor
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        if self.discriminator_optimizer is not None:
            for group in self.discriminator_optimizer.param_groups:
                group["lr"] = (phase.learning_rate or spec.learning_rate) * factor
        return rate

    def learn(self, batch: Batch, measure: Measure) -> Losses:
        """Make one generator update; return the figures of `measure`, `loss` and `gradient`."""
        clip = self.experiment.grad_clip
        learner = Learner("generator", self.generator, self.optimizer, clip)
        told = self.engine.follow(learner, batch, measure)
        self.average(torch.isfinite(told["gradient"]))
        return told

    def judge(self, batch: Batch, measure: Measure) -> Losses:
        """Make one discriminator update; as `learn`. ModelError where there is none."""
        optimizer = self.discriminator_optimizer
        if self.discriminator is None or optimizer is None:
            raise ModelError("an adversarial phase needs a discriminator")
        clip = self.experiment.grad_clip
        learner = Learner("discriminator", self.discriminator, optimizer, clip)
        return self.engine.follow(learner, batch, measure)

    @torch.no_grad()
    def average(self, made: torch.Tensor | None = None) -> None:
        """Move the EMA one step towards the generator, buffers (batch norm) included.

        `made`: whether there was a step, as the device knows; None: there was.

        The decay rises to its value with the updates, so that a short run does not remember
        its start.
        """
        if self.ema is None or self.experiment.ema is None:
            return
        made = torch.tensor(True) if made is None else made
        weight: float | torch.Tensor
        if self.engine.fused:  # without waiting for the device to say whether it was made
            self.averaged = self.averaged + made.double()
            decay = ((1 + self.averaged) / (10 + self.averaged)).clamp(max=self.experiment.ema)
            weight = torch.where(made, 1 - decay, 0).float()
        elif made:
            self.averaged += 1
            weight = 1 - min(self.experiment.ema, (1 + self.averaged) / (10 + self.averaged))
        else:
            return
        pairs = zip(self.ema.parameters(), self.generator.parameters(), strict=True)
        for mean, value in pairs:
            mean.lerp_(value, weight)
        for kept, buffer in zip(self.ema.buffers(), self.generator.buffers(), strict=True):
            kept.copy_(buffer)

    def state(self) -> dict[str, Any]:
        """Return everything that learns."""
        parts = {name: part.state_dict() for name, part in self._parts().items()}
        return {**parts, "averaged": int(self.averaged), "engine": self.engine.state()}

    def restore(self, state: dict[str, Any]) -> None:
        """Take everything back."""
        for name, part in self._parts().items():
            part.load_state_dict(state[name])
        self.averaged = state["averaged"]
        self.engine.restore(state["engine"])

    def shared(self) -> list[torch.Tensor]:
        """Return every weight and buffer: what all processes of a run must agree on."""
        networks = (self.generator, self.discriminator, self.ema)
        return [value for one in networks if one is not None for value in one.state_dict().values()]

    def _parts(self) -> dict[str, Any]:
        parts = {
            "generator": self.generator,
            "optimizer": self.optimizer,
            "discriminator": self.discriminator,
            "discriminator_optimizer": self.discriminator_optimizer,
            "ema": self.ema,
        }
        return {name: part for name, part in parts.items() if part is not None}


def _laid_out(network: nn.Module) -> None:
    """Lay the weights out channels-last; 3-D convolutions, which torch refuses, stay."""
    if all(value.dim() != 5 for value in network.parameters()):
        network.to(memory_format=torch.channels_last)


def _optimizer(spec: OptimizerSpec, network: nn.Module, fused: bool) -> torch.optim.Optimizer:
    kind: type[torch.optim.Adam] = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[spec.name]
    betas = (spec.betas[0], spec.betas[1])
    return kind(
        network.parameters(),
        lr=spec.learning_rate,
        betas=betas,
        weight_decay=spec.weight_decay,
        fused=True if fused else None,
    )
