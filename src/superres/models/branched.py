"""Convolutions that are wide in training and plain 3x3 when they are used; networks made of them.

Ding et al., 2021; ECBSR, Zhang et al., 2021; sums of kernels, not of features: Hu et al., 2022.
"""

from typing import Any, TypeVar

import torch
from torch import nn
from torch.nn import functional as F


class BranchedConv(nn.Module):
    """A 3x3 convolution as the sum of 3x3, 1x1, 1x1 -> 3x3 and identity branches."""

    def __init__(self, inside: int, outside: int, *, expansion: int, zero: bool) -> None:
        super().__init__()
        wide = expansion * outside
        self.direct = nn.Parameter(torch.zeros(outside, inside, 3, 3))
        self.point = nn.Parameter(torch.zeros(outside, inside))
        self.expand = nn.Parameter(torch.empty(wide, inside))
        self.squeeze = nn.Parameter(torch.zeros(outside, wide, 3, 3))
        self.bias = nn.Parameter(torch.zeros(outside))
        nn.init.kaiming_normal_(self.expand, nonlinearity="linear")
        if not zero:  # a last layer of zeros starts the network as exact bicubic
            nn.init.kaiming_normal_(self.direct, a=0.25)
            nn.init.normal_(self.squeeze, std=0.3 * (2 / (9 * wide)) ** 0.5)
        identity = torch.eye(outside) if inside == outside and not zero else None
        self.register_buffer("identity", identity, persistent=False)

    identity: torch.Tensor | None

    def kernel(self) -> torch.Tensor:
        """Return the 3x3 kernel `(outside, inside, 3, 3)` that all branches add up to."""
        middle = self.point if self.identity is None else self.point + self.identity
        wide = torch.einsum("owyx,wi->oiyx", self.squeeze, self.expand)
        return self.direct + wide + F.pad(middle[:, :, None, None], [1, 1, 1, 1])

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Convolve `features (N, inside, h, w)` with the summed kernel."""
        kernel = self.kernel().contiguous(memory_format=torch.channels_last)
        return F.conv2d(features, kernel, self.bias, padding=1)


class Layers:
    """Makes layers in the form for training, or the plain one for use."""

    def __init__(self, expansion: int, *, deployed: bool) -> None:
        self.expansion, self.deployed = expansion, deployed

    def layer(self, inside: int, outside: int, *, zero: bool = False) -> nn.Module:
        """Return a convolution; one of zeros makes nothing until it has learned."""
        if self.deployed:
            return nn.Conv2d(inside, outside, 3, padding=1)
        return BranchedConv(inside, outside, expansion=self.expansion, zero=zero)

    def trunk(self, inside: int, channels: int, layers: int, *, seen: int) -> nn.Sequential:
        """Return `layers` convolutions with PReLU; at first they look at `seen` channels only."""
        steps: list[nn.Module] = []
        for width in [inside] + [channels] * (layers - 1):
            steps += [self.layer(width, channels), nn.PReLU(channels)]
        for value in steps[0].parameters():
            if value.dim() > 1 and value.shape[1] == inside:
                nn.init.zeros_(value[:, seen:])  # what is carried
        return nn.Sequential(*steps)


Network = TypeVar("Network", bound=nn.Module)


@torch.no_grad()
def settled(trained: nn.Module, plain: Network) -> Network:
    """Give a plain network what a trained one of the same modules adds up to; return it."""
    for mine, theirs in zip(trained.modules(), plain.modules(), strict=True):
        if isinstance(mine, BranchedConv) and isinstance(theirs, nn.Conv2d):
            theirs.weight.copy_(mine.kernel())
            if theirs.bias is not None:
                theirs.bias.copy_(mine.bias)
        elif not list(mine.children()):
            theirs.load_state_dict(mine.state_dict())
    return plain.train(trained.training)


def widened(value: Any, like: Any) -> Any:
    """Give a first layer's weights the inputs that it did not have, all zero."""
    if like is None or value.dim() < 2 or value.shape == like.shape:
        return value
    wide = value.new_zeros(value.shape[0], like.shape[1], *value.shape[2:])
    wide[:, : value.shape[1]] = value
    return wide
