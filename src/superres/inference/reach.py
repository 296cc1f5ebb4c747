"""How far a network sees, measured: for networks whose halo nobody wrote down."""

import torch
from torch import nn

# Of full range: were every pixel beyond the halo wrong by as much as can be, the result would
# move by less than a twentieth of a grey level.
TOLERANCE = 0.05 / 255
SIDES = (48, 96, 160)  # LR pixels of the pictures looked at


def measured_halo(network: nn.Module, scale: int, multiple_of: int = 1) -> int:
    """Return the LR pixels around a place that decide what the network makes of it.

    By the gradient of the middle pixel after all LR pixels: exact for networks of convolutions
    that reach less than 80 pixels, an estimate for networks that look at the whole picture.
    """
    halo = 0
    for side in SIDES:
        size = -(-side // multiple_of) * multiple_of
        halo = _reach(network, scale, size)
        if halo < size // 2 - 2:
            break
    return halo


def _reach(network: nn.Module, scale: int, size: int) -> int:
    noise = torch.Generator().manual_seed(size)
    lr = torch.rand(1, 3, size, size, generator=noise).requires_grad_()
    middle = scale * (size // 2)
    sr = network(lr)
    block = sr[:, :, middle : middle + scale, middle : middle + scale]
    (gradient,) = torch.autograd.grad(block.abs().sum(), lr)
    weight = gradient[0].abs().sum(dim=0) / (3 * scale**2)
    centre = size // 2
    distance = torch.arange(size).sub(centre).abs()
    rings = torch.maximum(distance[:, None], distance[None, :])
    for halo in range(size // 2 + 1):
        if float(weight[rings > halo].sum()) < TOLERANCE:
            return halo
    return size // 2
