"""A network through torch.compile, for the shapes that come again: whole frames and inner tiles."""

import logging
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Literal

from superres.inference.tiled import is_out_of_memory

if TYPE_CHECKING:
    import torch
    from torch import nn

    Run = Callable[[torch.Tensor], torch.Tensor]

log = logging.getLogger(__name__)

Compile = Literal["off", "default", "graphs"]

SHAPES = 4  # each costs seconds to compile, and torch gives up after eight


def compiled(network: "nn.Module", how: Compile, device: "torch.device") -> "Run":
    """Return what computes the network; itself with "off".

    "graphs" also records the kernels of CUDA and replays them at once; a CPU has none, there it is
    "default".
    """
    if how == "off":
        return network
    return Compiled(network, with_graphs=how == "graphs" and device.type == "cuda")


class Compiled:
    """A compiled network beside the plain one, which computes what comes once.

    A graph belongs to the thread that recorded it, and films come in a thread each: one thread of
    its own runs them all.
    """

    def __init__(self, network: "nn.Module", *, with_graphs: bool) -> None:
        import torch

        self._plain: Run = network
        mode = "reduce-overhead" if with_graphs else "default"
        self._fast: Run | None = torch.compile(network, mode=mode, dynamic=False)
        self._with_graphs = with_graphs
        self._seen: Counter[tuple[int, ...]] = Counter()
        self._worker = ThreadPoolExecutor(1, "superres-compiled")

    def __call__(self, lr: "torch.Tensor") -> "torch.Tensor":
        """Compute `lr (N, 3, h, w)`."""
        return self._worker.submit(self._run, lr).result()

    def _run(self, lr: "torch.Tensor") -> "torch.Tensor":
        import torch

        with torch.inference_mode():
            if self._fast is None or not self._comes_again(tuple(lr.shape)):
                return self._plain(lr)
            try:
                if not self._with_graphs:
                    return self._fast(lr)
                begin: Any = torch.compiler.cudagraph_mark_step_begin
                begin()
                return self._fast(lr).clone()  # the next run writes over a graph's own memory
            except Exception as error:  # of a compiler that is missing, or knows an operation not
                if is_out_of_memory(error):
                    raise
                reason = next(iter(str(error).splitlines()), type(error).__name__)
                log.warning("torch.compile failed, going on without it: %s", reason)
                self._fast = None
                return self._plain(lr)

    def _comes_again(self, shape: tuple[int, ...]) -> bool:
        if shape not in self._seen and len(self._seen) >= SHAPES:
            rare = min(self._seen, key=lambda one: self._seen[one])
            if self._seen[rare] > 1:
                return False  # all that are known were compiled
            del self._seen[rare]
        self._seen[shape] += 1
        return self._seen[shape] > 1
