"""The networks of a run with their optimizers and moving average: everything that learns."""

import copy
from typing import Any

import torch
from torch import nn

from superres.config import Experiment, OptimizerSpec, Phase
from superres.models import build, build_discriminator
from superres.training.plan import rate_factor


class Networks:
    """Generator, discriminator when there is one, their optimizers, and the generator's EMA."""

    def __init__(
        self, experiment: Experiment, device: str, seed: int, network: nn.Module | None = None
    ) -> None:
        """`network`: learns in place of the generator that the experiment names."""
        torch.manual_seed(seed)
        self.experiment = experiment
        self.generator = network or build(**experiment.model)
        self.generator.to(device).to(memory_format=torch.channels_last)
        self.discriminator: nn.Module | None = None
        if experiment.discriminator is not None:
            self.discriminator = build_discriminator(**experiment.discriminator)
            self.discriminator.to(device).to(memory_format=torch.channels_last)
        self.optimizer = _optimizer(experiment.optimizer, self.generator)
        self.discriminator_optimizer: torch.optim.Optimizer | None = None
        spec = experiment.discriminator_optimizer or experiment.optimizer
        if self.discriminator is not None:
            self.discriminator_optimizer = _optimizer(spec, self.discriminator)
        self.ema = copy.deepcopy(self.generator) if experiment.ema is not None else None
        self.averaged = 0  # updates in the EMA

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

    @torch.no_grad()
    def average(self) -> None:
        """Move the EMA one step towards the generator; buffers (batch norm) are copied.

        The decay rises to its value with the updates, so that a short run does not remember
        its start.
        """
        if self.ema is None or self.experiment.ema is None:
            return
        self.averaged += 1
        decay = min(self.experiment.ema, (1 + self.averaged) / (10 + self.averaged))
        pairs = zip(self.ema.parameters(), self.generator.parameters(), strict=True)
        for mean, value in pairs:
            mean.lerp_(value, 1 - decay)
        for kept, buffer in zip(self.ema.buffers(), self.generator.buffers(), strict=True):
            kept.copy_(buffer)

    def state(self) -> dict[str, Any]:
        """Return everything that learns."""
        parts = {name: part.state_dict() for name, part in self._parts().items()}
        return {**parts, "averaged": self.averaged}

    def restore(self, state: dict[str, Any]) -> None:
        """Take everything back."""
        for name, part in self._parts().items():
            part.load_state_dict(state[name])
        self.averaged = state["averaged"]

    def _parts(self) -> dict[str, Any]:
        parts = {
            "generator": self.generator,
            "optimizer": self.optimizer,
            "discriminator": self.discriminator,
            "discriminator_optimizer": self.discriminator_optimizer,
            "ema": self.ema,
        }
        return {name: part for name, part in parts.items() if part is not None}


def _optimizer(spec: OptimizerSpec, network: nn.Module) -> torch.optim.Optimizer:
    kind: type[torch.optim.Adam] = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[spec.name]
    betas = (spec.betas[0], spec.betas[1])
    return kind(
        network.parameters(), lr=spec.learning_rate, betas=betas, weight_decay=spec.weight_decay
    )
