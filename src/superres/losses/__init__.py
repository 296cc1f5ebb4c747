"""Every loss term by name: `build_term("mse")`, `build_term("vgg19_54", features)`.

A term is `term(sr, hr) -> scalar`, both images `(N, 3, H, W)` in [0, 1]. "adversarial" is the one
term that needs a discriminator: training.updates computes it with losses.adversarial.
"""

from torch import nn

from superres.errors import ModelError
from superres.losses.perceptual import PERCEPTUAL_LAYERS, FeatureNetwork, PerceptualLoss
from superres.losses.pixel import PIXEL_LOSSES

__all__ = ["LOSSES", "FeatureNetwork", "build_term", "needs_features"]

LOSSES: tuple[str, ...] = ("adversarial", *sorted(PIXEL_LOSSES), *sorted(PERCEPTUAL_LAYERS))


def needs_features(names: list[str]) -> bool:
    """Tell whether any of the terms compares features of a VGG network."""
    return any(name in PERCEPTUAL_LAYERS for name in names)


def build_term(name: str, features: FeatureNetwork | None = None) -> nn.Module:
    """Make the term called `name`; ModelError names what is accepted."""
    if name in PIXEL_LOSSES:
        return PIXEL_LOSSES[name]()
    if name in PERCEPTUAL_LAYERS:
        if features is None:
            raise ModelError(f"loss '{name}' needs a feature network")
        return PerceptualLoss(features, PERCEPTUAL_LAYERS[name])
    raise ModelError(f"loss '{name}' is not known; accepted: {', '.join(LOSSES)}")
