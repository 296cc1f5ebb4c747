"""Distances between the features of a VGG19 (Simonyan and Zisserman, 2015; Ledig et al., 2017)."""

from itertools import pairwise

import torch
from torch import nn

# Widths of torchvision's vgg19.features; "M" halves the size.
VGG19 = (64, 64, "M", 128, 128, "M", *[256] * 4, "M", *[512] * 4, "M", *[512] * 4, "M")
MEAN = (0.485, 0.456, 0.406)  # of ImageNet, RGB in [0, 1]
STD = (0.229, 0.224, 0.225)


def _layers() -> dict[str, int]:
    """Return the index of the ReLU after each convolution: 'vgg19_54' is conv5_4's."""
    names: dict[str, int] = {}
    block, convolution, index = 1, 0, 0
    for width in VGG19:
        if width == "M":
            block, convolution, index = block + 1, 0, index + 1
            continue
        convolution += 1
        names[f"vgg19_{block}{convolution}"] = index + 1
        index += 2
    return names


PERCEPTUAL_LAYERS = _layers()


class FeatureNetwork(nn.Module):
    """VGG19's convolutions under torchvision's names, `divisor` times narrower when trained here.

    `origin` says where the weights come from and stands in the run's tags and the model card.
    """

    def __init__(self, divisor: int = 1, origin: str = "untrained") -> None:
        super().__init__()
        self.divisor = divisor
        self.origin = origin
        widths = [3] + [width // divisor for width in VGG19 if isinstance(width, int)]
        sizes = iter(pairwise(widths))
        steps: list[nn.Module] = []
        for width in VGG19:
            if width == "M":
                steps.append(nn.MaxPool2d(2))
            else:
                before, after = next(sizes)
                steps += [nn.Conv2d(before, after, 3, padding=1), nn.ReLU()]
        self.features = nn.Sequential(*steps)
        self.register_buffer("mean", torch.tensor(MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(STD).view(1, 3, 1, 1), persistent=False)

    mean: torch.Tensor
    std: torch.Tensor

    def forward(self, image: torch.Tensor, layer: int) -> torch.Tensor:
        """Return the features of `image (N, 3, H, W) in [0, 1]` after layer index `layer`."""
        features = (image - self.mean) / self.std
        for index in range(layer + 1):
            features = self.features[index](features)
        return features


class PerceptualLoss(nn.Module):
    """Mean squared distance between features, after the layer's ReLU as in Ledig et al. (2017)."""

    def __init__(self, network: FeatureNetwork, layer: int) -> None:
        super().__init__()
        self.network = network.eval().requires_grad_(False)
        self.layer = layer

    def forward(self, sr: torch.Tensor, hr: torch.Tensor) -> torch.Tensor:
        """Compare images `(N, 3, H, W)` in [0, 1]."""
        with torch.no_grad():
            target = self.network(hr, self.layer)
        return nn.functional.mse_loss(self.network(sr, self.layer), target)
