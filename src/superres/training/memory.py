"""Training with little memory: batches in parts, and activations computed twice."""

import logging
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, TypeVar

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from superres.errors import ModelError

log = logging.getLogger(__name__)

Made = TypeVar("Made")


class Parts:
    """In how many parts a batch goes through the networks; more when memory runs out.

    The gradient is the mean over the parts. What looks at a whole batch looks at a part: batch
    norm's statistics, and means inside relativistic losses.
    """

    def __init__(self, count: int = 1) -> None:
        self.count = count

    def attempt(self, size: int, compute: Callable[[int], Made], undo: Callable[[], None]) -> Made:
        """Return `compute(parts)`; out of memory: `undo`, and again in twice as many parts.

        Raises ModelError when one picture of the batch of `size` is too much.
        """
        self.count = min(self.count, size)
        while True:
            try:
                return compute(self.count)
            except (torch.OutOfMemoryError, RuntimeError) as error:
                if not is_out_of_memory(error):
                    raise
                told = str(error).partition("\n")[0]
            undo()  # outside of the handler, whose traceback holds the failed attempt's tensors
            self._more(size, told)

    def _more(self, size: int, told: str) -> None:
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        if self.count >= size:
            raise ModelError(
                f"out of memory with a single picture of a batch of {size} ({told}). Lower "
                "hr_patch, set training.checkpoint_activations: true, or take a smaller network."
            )
        before, self.count = self.count, min(2 * self.count, size)
        log.warning(
            "OUT OF MEMORY with %d of %d pictures at once (%s): from here on a batch goes through "
            "in %d parts of at most %d. The gradient is still that of %d pictures; batch norm sees "
            "one part at a time. training.parts: %d starts like this.",
            -(-size // before),
            size,
            told,
            self.count,
            -(-size // self.count),
            size,
            self.count,
        )


def is_out_of_memory(error: BaseException) -> bool:
    """Tell whether a device, or the host, had no memory left."""
    return isinstance(error, torch.OutOfMemoryError) or (
        isinstance(error, RuntimeError) and "can't allocate memory" in str(error)
    )


def checkpoint_blocks(network: nn.Module) -> int:
    """Let the network's blocks forget what they computed and compute it again for the gradient.

    Blocks are modules with parts of their own inside a Sequential, or else the Sequentials
    (Chen et al., 2016). Gradients, random numbers and batch statistics are those of before.
    Returns how many blocks there are.
    """
    blocks = _blocks(network)
    for block in blocks:
        block.forward = _Twice(block, block.forward)
    return len(blocks)


class _Twice:
    """A block's forward that keeps its input only."""

    def __init__(self, block: nn.Module, forward: Callable[..., Any]) -> None:
        self.block = block
        self.forward = forward

    def __call__(self, *given: Any) -> Any:
        if not (self.block.training and torch.is_grad_enabled()):
            return self.forward(*given)
        return checkpoint(self.forward, *given, use_reentrant=False, context_fn=self._contexts)

    def _contexts(self) -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
        return nullcontext(), _statistics_kept(self.block)


@contextmanager
def _statistics_kept(block: nn.Module) -> Iterator[None]:
    """Keep batch norm from counting a batch that it has counted: let it count in a copy."""
    norms = [part for part in block.modules() if isinstance(part, nn.modules.batchnorm._BatchNorm)]
    counted = [dict(norm.named_buffers(recurse=False)) for norm in norms]
    for norm, buffers in zip(norms, counted, strict=True):
        for name, value in buffers.items():
            setattr(norm, name, value.clone())
    try:
        yield
    finally:
        for norm, buffers in zip(norms, counted, strict=True):
            for name, value in buffers.items():
                setattr(norm, name, value)


def _blocks(network: nn.Module) -> list[nn.Module]:
    containers = [
        part for part in network.modules() if isinstance(part, nn.Sequential | nn.ModuleList)
    ]
    inside = [
        child
        for container in containers
        for child in container
        if any(True for _ in child.children())
    ]
    chosen = inside or [part for part in containers if isinstance(part, nn.Sequential)]
    within = {id(part) for block in chosen for part in block.modules() if part is not block}
    return [block for block in chosen if id(block) not in within]
