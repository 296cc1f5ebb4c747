"""A generator made ready to compute: re-parameterised, folded, widened, channels-last."""

import copy
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from superres.inference.widening import widen_tail

if TYPE_CHECKING:
    from superres.inference.backends import Backend
    from superres.models import Generator


def prepared(generator: "Generator", device: torch.device) -> nn.Module:
    """Return a copy of the network that computes the same faster; the original is left alone."""
    network = copy.deepcopy(generator.deployed()).eval().requires_grad_(False)
    for module in list(network.modules()):
        if isinstance(module, nn.Sequential):
            _fold(module)
    widen_tail(network)
    return network.to(device).to(memory_format=torch.channels_last)


def _fold(steps: nn.Sequential) -> None:
    """Multiply each batch norm's factors into the convolution before it."""
    for index, (first, second) in enumerate(pairwise(list(steps))):
        if isinstance(first, nn.Conv2d) and isinstance(second, nn.BatchNorm2d):
            steps[index] = fuse_conv_bn_eval(first, second)
            steps[index + 1] = nn.Identity()


def activation_bytes(network: nn.Module, side: int) -> float:
    """Return the most bytes per LR pixel that a layer's input and output take together."""
    most = 0

    def look(module: nn.Module, inputs: Any, output: Any) -> None:
        nonlocal most
        tensors = [value for value in (*inputs, output) if isinstance(value, torch.Tensor)]
        most = max(most, sum(value.numel() * value.element_size() for value in tensors))

    hooks = [module.register_forward_hook(look) for module in network.modules()]
    device = next((value.device for value in network.parameters()), torch.device("cpu"))
    with torch.inference_mode():
        network(torch.zeros(1, 3, side, side, device=device))
    for hook in hooks:
        hook.remove()
    return most / side**2


def cuda_bytes(backend: "Backend", device: torch.device, side: int) -> tuple[int, float]:
    """Return the free bytes of a GPU and the peak bytes per LR pixel that a tile needs."""
    torch.cuda.reset_peak_memory_stats(device)
    before = torch.cuda.memory_allocated(device)
    backend(np.zeros((1, 3, side, side), np.float32))
    need = max(1, torch.cuda.max_memory_allocated(device) - before) / side**2
    torch.cuda.empty_cache()
    free, _ = torch.cuda.mem_get_info(device)
    return free, need
