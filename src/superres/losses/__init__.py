"""Every loss term by name: `build_term("mse")`, `build_term("vgg19_54", features)`.

A term is `term(sr, hr) -> scalar`, both images `(N, 3, H, W)` in [0, 1]; those of TEMPORAL_LOSSES
take clips `(N, T, 3, H, W)`, which the others take frame by frame. "adversarial" is the one term
that needs a discriminator: training.updates computes it with losses.adversarial.
"""

from collections.abc import Iterable, Mapping

from torch import nn

from superres.errors import ModelError
from superres.losses.feature_network import LAYERS, FeatureNetwork
from superres.losses.lpips import LPIPS, LPIPS_NETS, LPIPSLoss
from superres.losses.perceptual import PerceptualLoss, perceptual_layer
from superres.losses.pixel import PIXEL_LOSSES
from superres.losses.shifted import SHIFTED, Shifted
from superres.losses.temporal import TEMPORAL_LOSSES, PerFrame

__all__ = [
    "LOSSES",
    "FeatureNetwork",
    "Features",
    "build_term",
    "feature_nets",
    "is_loss",
    "needs_features",
]

Features = Mapping[str, nn.Module]  # by what feature_nets calls them

_LPIPS = {"lpips": "lpips_squeeze"} | {f"lpips_{net}": f"lpips_{net}" for net in LPIPS_NETS}
_LAYERED = tuple(f"{net}_{layer}" for net, layers in LAYERS.items() for layer in layers)
# Features have an absolute form besides, with "_l1" at the end: vgg19_54_l1.
LOSSES: tuple[str, ...] = (
    "adversarial",
    *sorted(PIXEL_LOSSES),
    *sorted(TEMPORAL_LOSSES),
    *_LPIPS,
    *sorted(_LAYERED),
)
_TOLD = (
    f"adversarial, {', '.join(sorted(PIXEL_LOSSES))}, {', '.join(_LPIPS)}, of clips "
    f"{', '.join(sorted(TEMPORAL_LOSSES))}, and features as "
    "vgg19_54, vgg19_relu5_4, vgg19_conv5_4 (before the ReLU), vgg16_relu5_3, squeeze_fire9, "
    "alex_relu5, each also with _l1 at the end; lpips and features also with _shifted after that"
)


def is_loss(name: str) -> bool:
    """Tell whether an experiment may name this term."""
    plain = name.removesuffix(SHIFTED)
    if plain != name:
        return bool(feature_nets([plain]))
    return name in LOSSES or perceptual_layer(name) is not None


def feature_nets(names: Iterable[str]) -> list[str]:
    """Return which networks the terms compare images with, as vgg19 or lpips_squeeze."""
    found = set()
    for name in (one.removesuffix(SHIFTED) for one in names):
        layer = perceptual_layer(name)
        if name in _LPIPS:
            found.add(_LPIPS[name])
        elif layer is not None:
            found.add(layer.net)
    return sorted(found)


def needs_features(names: Iterable[str]) -> bool:
    """Tell whether any of the terms compares features of a network."""
    return bool(feature_nets(names))


def build_term(name: str, features: Features | None = None) -> nn.Module:
    """Make the term called `name`; ModelError names what is accepted."""
    if name in TEMPORAL_LOSSES:
        return TEMPORAL_LOSSES[name]()
    if name in PIXEL_LOSSES:
        return PerFrame(PIXEL_LOSSES[name]())
    needed = feature_nets([name])
    plain = name.removesuffix(SHIFTED)
    if plain != name and needed:
        return Shifted(build_term(plain, features))
    if not needed:
        raise ModelError(f"loss '{name}' is not known; accepted: {_TOLD}")
    network = (features or {}).get(needed[0])
    if isinstance(network, LPIPS):
        return PerFrame(LPIPSLoss(network))
    layer = perceptual_layer(name)
    if layer is None or not isinstance(network, FeatureNetwork):
        raise ModelError(f"loss '{name}' needs a feature network ({needed[0]})")
    return PerFrame(PerceptualLoss(network, layer.at, absolute=layer.absolute))
