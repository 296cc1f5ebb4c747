"""One run on several processes, as `torchrun` starts them: who is who, and what they exchange.

The batch of an experiment is that of all processes together: every process draws the same numbers
and cuts its own share of the crops. So one run has the same batches, learning rates and steps on
any number of devices. Gradients, losses and batch statistics are averaged by explicit all-reduces
of one flat tensor; networks stay plain modules with plain state dicts.
"""

import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

import torch
from torch import distributed as dist

from superres.errors import ConfigError

log = logging.getLogger(__name__)

Told = TypeVar("Told")
SEED_STEP = 1_000_003  # between the seeds of neighbouring ranks
PATIENCE = timedelta(minutes=30)  # for a process that validates, or that reads a slow disk


@dataclass(frozen=True)
class Processes:
    """The processes of a run; with one process every exchange is free and changes nothing."""

    rank: int = 0
    world: int = 1
    local: int = 0  # rank on this machine, which is the number of its device

    @property
    def leads(self) -> bool:
        """Whether this process validates, saves, tracks and speaks."""
        return self.rank == 0

    def share(self, size: int) -> slice:
        """Return which crops of a batch of `size` are this process's.

        Raises ConfigError when they cannot be shared equally.
        """
        if size % self.world:
            raise ConfigError(
                f"batch_size {size} cannot be shared by {self.world} processes: change "
                "batch_size, or --nproc-per-node, so that one is a multiple of the other."
            )
        each = size // self.world
        return slice(self.rank * each, (self.rank + 1) * each)

    def seed(self, seed: int) -> int:
        """Return the seed of what this process draws for itself, as dropout."""
        return seed + SEED_STEP * self.rank

    @torch.no_grad()
    def average(self, tensors: Sequence[torch.Tensor]) -> None:
        """Replace float tensors, on one device, by their means over all processes."""
        if self.world == 1 or not tensors:
            return
        flat = torch.cat([tensor.reshape(-1).float() for tensor in tensors])
        dist.all_reduce(flat)
        flat /= self.world
        parts = torch.split(flat, [tensor.numel() for tensor in tensors])
        for tensor, part in zip(tensors, parts, strict=True):
            tensor.copy_(part.view_as(tensor))

    @torch.no_grad()
    def copy(self, tensors: Sequence[torch.Tensor]) -> None:
        """Replace tensors by those of the first process."""
        if self.world > 1:
            for tensor in tensors:
                dist.broadcast(tensor, 0)

    def any(self, asked: bool) -> bool:
        """Tell whether any process was asked."""
        if self.world == 1:
            return asked
        flag = torch.tensor(int(asked))
        dist.all_reduce(flag, dist.ReduceOp.MAX)
        return bool(flag)

    def told(self, value: Told) -> Told:
        """Return the first process's value."""
        if self.world == 1:
            return value
        box = [value]
        dist.broadcast_object_list(box, 0, device=torch.device("cpu"))
        return box[0]

    def gathered(self, tensor: torch.Tensor) -> list[torch.Tensor]:
        """Return every process's tensor, on the host, by rank."""
        if self.world == 1:
            return [tensor]
        found = [torch.empty_like(tensor) for _ in range(self.world)]
        dist.all_gather(found, tensor)
        return found

    def wait(self) -> None:
        """Wait until all processes are here."""
        self.any(False)


ALONE = Processes()


def own_device(device: str, found: Processes) -> str:
    """Return which of a machine's GPUs this process computes on."""
    return f"cuda:{found.local}" if device == "cuda" and found.world > 1 else device


def processes(environment: Mapping[str, str] | None = None) -> Processes:
    """Return what `torchrun` set in the environment: RANK, WORLD_SIZE, LOCAL_RANK."""
    given = os.environ if environment is None else environment
    try:
        found = Processes(*(int(given.get(*name)) for name in _VARIABLES))
    except ValueError as error:
        raise ConfigError(
            f"RANK, WORLD_SIZE, LOCAL_RANK: {error}; start with torchrun, or unset them."
        ) from None
    if not 0 <= found.rank < found.world:
        raise ConfigError(f"RANK is {found.rank} of WORLD_SIZE {found.world}; start with torchrun.")
    return found


_VARIABLES = (("RANK", "0"), ("WORLD_SIZE", "1"), ("LOCAL_RANK", "0"))


@contextmanager
def joined(device: str) -> Iterator[Processes]:
    """Connect the processes for as long as the block runs: NCCL between GPUs, gloo otherwise.

    Once a process: several runs one after another are inside of one such block.
    """
    found = processes()
    if found.world == 1 or dist.is_initialized():
        yield found
        return
    on_gpu = device.startswith("cuda")
    if on_gpu:
        torch.cuda.set_device(device)
    dist.init_process_group("cpu:gloo,cuda:nccl" if on_gpu else "gloo", timeout=PATIENCE)
    log.info("process %d of %d on %s", found.rank, found.world, device)
    try:
        yield found
    finally:
        dist.destroy_process_group()
