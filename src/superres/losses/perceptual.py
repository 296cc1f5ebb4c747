"""Distances between the features of a network (Johnson et al., 2016; Ledig et al., 2017).

A name is `<net>_<layer>[_l1]`: `vgg19_54` is VGG19's conv5_4 after its ReLU (also
`vgg19_relu5_4`), `vgg19_conv5_4` the same before it, `vgg16_relu5_3_l1` an absolute distance.
"""

from typing import NamedTuple

import torch
from torch import nn

from superres.errors import ModelError
from superres.losses.feature_network import LAYERS, FeatureNetwork, layer_index, layer_name

L1 = "_l1"


class Layer(NamedTuple):
    """What a perceptual term compares."""

    net: str
    at: int  # its index
    absolute: bool = False  # mean absolute instead of mean squared distance


def perceptual_layer(name: str) -> Layer | None:
    """Return what the term called `name` compares; None when it is not a perceptual term."""
    plain = name.removesuffix(L1)
    net, _, layer = plain.partition("_")
    if layer not in LAYERS.get(net, {}):
        return None
    return Layer(net, layer_index(net, layer), absolute=plain != name)


class PerceptualLoss(nn.Module):
    """Mean squared (or absolute) distance between features after layer index `layer`."""

    def __init__(self, network: FeatureNetwork, layer: int, *, absolute: bool = False) -> None:
        """Raises ModelError when the network's weights end before the layer."""
        super().__init__()
        there = len(network.features)
        if layer >= there:
            raise ModelError(
                f"loss on {network.net}'s {layer_name(network.net, layer)}: the weights "
                f"({network.origin}) end with {layer_name(network.net, there - 1)}. Choose a layer "
                "up to there, or give whole weights (perceptual.weights)."
            )
        self.network = network.eval().requires_grad_(False)
        self.layer = layer
        self.distance = nn.functional.l1_loss if absolute else nn.functional.mse_loss

    def forward(self, sr: torch.Tensor, hr: torch.Tensor) -> torch.Tensor:
        """Compare images `(N, 3, H, W)` in [0, 1]."""
        with torch.no_grad():
            target = self.network(hr, self.layer)
        return self.distance(self.network(sr, self.layer), target)
