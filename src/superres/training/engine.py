"""How an update follows its gradient on this machine: parts, processes, bits, bad numbers."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Any

import torch
from torch import nn

from superres.config import TrainingParams
from superres.data.sampler import Batch
from superres.losses import FeatureNetwork, Features
from superres.training.distributed import ALONE, Processes
from superres.training.memory import Parts, checkpoint_blocks
from superres.training.precision import Precision
from superres.training.standing import random_states, set_random_states

log = logging.getLogger(__name__)

Losses = dict[str, torch.Tensor]  # named scalars, detached
Measure = Callable[[Batch], tuple[torch.Tensor, Losses]]  # what to follow, and what to tell
READ_EVERY = {"cpu": 1, "cuda": 10}


@dataclass(frozen=True)
class Learner:
    """A network that follows a gradient."""

    name: str  # generator | discriminator
    network: nn.Module
    optimizer: torch.optim.Optimizer
    clip: float | None  # largest norm of its gradient


class Engine:
    """Computes gradients and takes steps; the same for every network, loss and device."""

    def __init__(self, params: TrainingParams, device: str, processes: Processes = ALONE) -> None:
        self.params = params
        self.device = torch.device(device)
        self.processes = processes
        self.precision = Precision(params, device)
        self.parts = Parts(params.parts)
        self._statistics: list[torch.Tensor] = []  # of batch norm, in all networks
        self._counts: list[torch.Tensor] = []  # of batches in them

    @property
    def read_every(self) -> int:
        """Steps between two looks at figures on the device, each of which waits for it."""
        return self.params.read_every or READ_EVERY.get(self.device.type, 1)

    @property
    def fused(self) -> bool:
        """Whether an optimizer updates all weights in one kernel."""
        wanted = self.params.fused
        return self.device.type == "cuda" if wanted == "auto" else wanted

    def prepare(self, name: str, network: nn.Module) -> None:
        """Make a network, already on its device, compute as params.yaml says."""
        if self.params.checkpoint_activations:
            checkpoint_blocks(network)
        self.precision.lower(name, network)
        if self.params.compile != "off":
            graphs = self.params.compile == "graphs"
            network.compile(mode="reduce-overhead" if graphs else "default")
        for part in network.modules():
            if isinstance(part, nn.modules.batchnorm._BatchNorm):
                held = list(part.buffers(recurse=False))
                self._statistics += [value for value in held if value.is_floating_point()]
                self._counts += [value for value in held if not value.is_floating_point()]

    def state(self) -> dict[str, Any]:
        """Return what later steps depend on."""
        return {"parts": self.parts.count, "precision": self.precision.state()}

    def restore(self, state: dict[str, Any]) -> None:
        """Take it back."""
        self.parts.count = state["parts"]
        self.precision.restore(state["precision"])

    def prepare_features(self, features: Features) -> None:
        """Let the networks that perceptual losses compare with compute in fewer bits, too."""
        for network in features.values():
            for part in network.modules():
                if isinstance(part, FeatureNetwork):
                    self.precision.lower("features", part, "several")

    def fall_back(self, bad: list[str]) -> bool:
        """Let the networks whose figures are not finite go on in float32; False when they do."""
        critics = {"discriminator", "penalty"}
        own = [name for name in bad if name in critics or name.startswith("d_")]
        names = ["discriminator"] if own == bad else ["generator", "discriminator", "features"]
        changed = [name for name in names if self.precision.fall_back(name)]
        if changed:
            log.warning(
                "%s not finite in %s: %s goes on in fp32 (params.yaml: training.fp32_networks)",
                bad,
                self.params.precision,
                ", ".join(changed),
            )
        return bool(changed)

    def follow(self, learner: Learner, batch: Batch, measure: Measure) -> Losses:
        """Take one step along the mean gradient of `measure` over the batch of all processes.

        Returns its figures with `loss`, what was followed, and `gradient`, its norm. Where either
        is not finite nothing has changed but random numbers.
        """
        before = _Before([self._statistics, self._counts], self.device)
        told = self.parts.attempt(
            len(batch.lr),
            lambda parts: self._gradient(learner, cut(batch, parts), measure),
            before.restore,
        )
        learned = [one for one in learner.network.parameters() if one.grad is not None]
        gradients = [one.grad for one in learned if one.grad is not None]
        self.processes.average([*gradients, *told.values(), *self._statistics])
        self.precision.unscale(learner.name, learner.optimizer)
        norm = nn.utils.get_total_norm(gradients)
        norm = torch.where(torch.isfinite(told["loss"]), norm, told["loss"])
        made = torch.isfinite(norm)
        if _skips_itself(learner.optimizer):
            self._step_where(made, norm, learner, learned)
            before.restore_where(~made)
        elif made:
            self._step(norm, learner, learned)
        else:
            before.restore_where(~made)
        return told | {"gradient": norm}

    def _gradient(self, learner: Learner, parts: list[Batch], measure: Measure) -> Losses:
        """Compute the gradient of the mean over the parts; return the means of the figures."""
        learner.optimizer.zero_grad(set_to_none=True)
        whole, sums = sum(len(part.lr) for part in parts), Losses()
        for part in parts:
            loss, told = measure(part)
            share = len(part.lr) / whole
            scaled = self.precision.scaled(learner.name, loss)
            torch.autograd.backward(scaled if len(parts) == 1 else scaled * share)
            told = {"loss": loss.detach(), **told}
            if len(parts) == 1:
                return told
            for name, value in told.items():
                sums[name] = sums.get(name, torch.zeros_like(value)) + share * value
        return sums

    @staticmethod
    def _step(norm: torch.Tensor, learner: Learner, learned: Sequence[nn.Parameter]) -> None:
        if learner.clip is not None:
            nn.utils.clip_grads_with_norm_(learned, learner.clip, norm)
        learner.optimizer.step()

    def _step_where(
        self,
        made: torch.Tensor,
        norm: torch.Tensor,
        learner: Learner,
        learned: Sequence[nn.Parameter],
    ) -> None:
        """Take the step or not, as the device finds, without waiting to know which."""
        optimizer = learner.optimizer
        vars(optimizer)["found_inf"] = (~made).float()  # fused kernels look at it
        self._step(norm, learner, learned)
        del vars(optimizer)["found_inf"]


def cut(batch: Batch, parts: int) -> list[Batch]:
    """Return the batch in parts that differ by at most one picture."""
    if parts == 1:
        return [batch]
    chunks = [getattr(batch, field.name).tensor_split(parts) for field in fields(batch)]
    return [Batch(*tensors) for tensors in zip(*chunks, strict=True)]


def _skips_itself(optimizer: torch.optim.Optimizer) -> bool:
    """Tell whether the optimizer's kernel skips a step that it is told of on the device."""
    return bool(getattr(optimizer, "_step_supports_amp_scaling", False))


class _Before:
    """What forward passes change although no step is taken: batch statistics, random numbers."""

    def __init__(self, groups: list[list[torch.Tensor]], device: torch.device) -> None:
        """`groups`: tensors of one type each."""
        self._groups = [group for group in groups if group]
        self._device = str(device)
        self._random = random_states(self._device)
        self._flat = [_joined(group) for group in self._groups]

    def restore(self) -> None:
        """Put everything back, for the same forward passes once more."""
        set_random_states(self._random, self._device)
        for group, flat in zip(self._groups, self._flat, strict=True):
            _put(group, flat)

    def restore_where(self, unmade: torch.Tensor) -> None:
        """Put the statistics back where `unmade`, a truth on the device; random numbers go on."""
        for group, flat in zip(self._groups, self._flat, strict=True):
            _put(group, torch.where(unmade, flat, _joined(group)))


def _joined(group: list[torch.Tensor]) -> torch.Tensor:
    return torch.cat([value.reshape(-1) for value in group])


def _put(group: list[torch.Tensor], flat: torch.Tensor) -> None:
    parts = torch.split(flat, [value.numel() for value in group])
    torch._foreach_copy_(
        group, [part.view_as(into) for into, part in zip(group, parts, strict=True)]
    )
