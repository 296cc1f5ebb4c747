"""Convolutional networks whose features are compared, under torchvision's names.

VGG19 and VGG16 (Simonyan and Zisserman, 2015), SqueezeNet 1.1 (Iandola et al., 2016) and AlexNet
(Krizhevsky, 2014). A network may be narrower (`divisor`) or end early (`depth`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import nn

from superres.errors import ModelError

MEAN = (0.485, 0.456, 0.406)  # of ImageNet, RGB in [0, 1]
STD = (0.229, 0.224, 0.225)

_VGG_BLOCKS = {"vgg19": (2, 2, 4, 4, 4), "vgg16": (2, 2, 3, 3, 3)}
_VGG_WIDTHS = (64, 128, 256, 512, 512)
# SqueezeNet 1.1: (squeeze, expand) of each Fire; None halves the size.
_FIRES = (None, (16, 64), (16, 64), None, (32, 128), (32, 128), None)
_LAST_FIRES = ((48, 192), (48, 192), (64, 256), (64, 256))
# AlexNet: (filters, kernel, stride, padding); None halves the size.
_ALEX = (
    (64, 11, 4, 2),
    None,
    (192, 5, 1, 2),
    None,
    (384, 3, 1, 1),
    (256, 3, 1, 1),
    (256, 3, 1, 1),
    None,
)


@dataclass(frozen=True)
class Statistics:
    """What a network subtracts from RGB in [0, 1], and then divides by."""

    mean: Sequence[float] = MEAN
    std: Sequence[float] = STD


IMAGENET = Statistics()


class Fire(nn.Module):
    """SqueezeNet's module: 1x1 down, then 1x1 and 3x3 up side by side."""

    def __init__(self, channels: int, squeeze: int, expand: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(channels, squeeze, 1)
        self.expand1x1 = nn.Conv2d(squeeze, expand, 1)
        self.expand3x3 = nn.Conv2d(squeeze, expand, 3, padding=1)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Return `(N, 2 * expand, H, W)`."""
        few = self.squeeze(features).relu()
        return torch.cat([self.expand1x1(few).relu(), self.expand3x3(few).relu()], dim=1)


class FeatureNetwork(nn.Module):
    """The convolutions of `net`: vgg19 | vgg16 | squeeze | alex.

    `origin` says where the weights come from and stands in the run's tags and the model card.
    `depth` layers are kept (None: all). Layer names: `layer_index("vgg19", "54")`.
    """

    def __init__(
        self,
        divisor: int = 1,
        origin: str = "untrained",
        *,
        net: str = "vgg19",
        depth: int | None = None,
        statistics: Statistics = IMAGENET,
    ) -> None:
        super().__init__()
        if net not in NETS:
            raise ModelError(f"feature network '{net}': accepted: {', '.join(NETS)}")
        self.net = net
        self.divisor = divisor
        self.origin = origin
        self.features = nn.Sequential(*_steps(net, divisor)[:depth])
        for name, values in (("mean", statistics.mean), ("std", statistics.std)):
            shaped = torch.tensor(tuple(values)).view(1, 3, 1, 1)
            self.register_buffer(name, shaped, persistent=False)

    mean: torch.Tensor
    std: torch.Tensor

    def forward(self, image: torch.Tensor, layer: int) -> torch.Tensor:
        """Return the features of `image (N, 3, H, W) in [0, 1]` after layer index `layer`."""
        return self.several(image, (layer,))[0]

    def several(self, image: torch.Tensor, layers: Sequence[int]) -> list[torch.Tensor]:
        """Return the features after each of the rising layer indices.

        Raises ModelError when the image is too small for a network that halves it so often.
        """
        features, found = (image - self.mean) / self.std, []
        for index in range(layers[-1] + 1):
            try:
                features = self.features[index](features)
            except RuntimeError as error:
                if "too small" not in str(error) and "can't be greater" not in str(error):
                    raise
                height, width = image.shape[-2:]
                raise ModelError(
                    f"{self.net}'s {layer_name(self.net, layers[-1])} needs more than "
                    f"{width}x{height} pixels: raise hr_patch, or compare an earlier layer."
                ) from None
            if index in layers:
                found.append(features)
        return found


def _steps(net: str, divisor: int) -> list[nn.Module]:
    if net == "squeeze":
        return _squeeze(divisor)
    return _alex(divisor) if net == "alex" else _vgg(net, divisor)


def _vgg(net: str, divisor: int) -> list[nn.Module]:
    steps: list[nn.Module] = []
    before = 3
    for count, width in zip(_VGG_BLOCKS[net], _VGG_WIDTHS, strict=True):
        widths = [before, *[width // divisor] * count]
        for inside, outside in pairwise(widths):
            steps += [nn.Conv2d(inside, outside, 3, padding=1), nn.ReLU()]
        steps.append(nn.MaxPool2d(2))
        before = widths[-1]
    return steps


def _squeeze(divisor: int) -> list[nn.Module]:
    width = 64 // divisor
    steps: list[nn.Module] = [nn.Conv2d(3, width, 3, stride=2), nn.ReLU()]
    for fire in (*_FIRES, *_LAST_FIRES):
        if fire is None:
            steps.append(nn.MaxPool2d(3, 2, ceil_mode=True))
        else:
            steps.append(Fire(width, fire[0] // divisor, fire[1] // divisor))
            width = 2 * (fire[1] // divisor)
    return steps


def _alex(divisor: int) -> list[nn.Module]:
    steps: list[nn.Module] = []
    width = 3
    for one in _ALEX:
        if one is None:
            steps.append(nn.MaxPool2d(3, 2))
            continue
        filters, kernel, stride, padding = one
        convolution = nn.Conv2d(width, filters // divisor, kernel, stride, padding)
        steps += [convolution, nn.ReLU()]
        width = filters // divisor
    return steps


def _vgg_layers(net: str) -> dict[str, int]:
    names: dict[str, int] = {}
    index = 0
    for block, count in enumerate(_VGG_BLOCKS[net], start=1):
        for number in range(1, count + 1):
            names[f"conv{block}_{number}"] = index
            names[f"relu{block}_{number}"] = names[f"{block}{number}"] = index + 1
            index += 2
        index += 1
    return names


# SqueezeNet's fires are counted as in its paper, from 2; their features come after the ReLU.
_SQUEEZE_LAYERS = {"conv1": 0, "relu1": 1, "fire2": 3, "fire3": 4, "fire4": 6, "fire5": 7} | {
    f"fire{number}": number + 3 for number in range(6, 10)
}
_ALEX_LAYERS = {
    f"{kind}{number}": index + (kind == "relu")
    for number, index in enumerate((0, 3, 6, 8, 10), start=1)
    for kind in ("conv", "relu")
}
LAYERS: dict[str, dict[str, int]] = {
    **{net: _vgg_layers(net) for net in _VGG_BLOCKS},
    "squeeze": _SQUEEZE_LAYERS,
    "alex": _ALEX_LAYERS,
}
NETS = tuple(LAYERS)


def layer_index(net: str, layer: str) -> int:
    """Return the index of a layer called as in `vgg19_<layer>`: 54, relu5_4, conv5_4, fire9."""
    try:
        return LAYERS[net][layer]
    except KeyError:
        accepted = ", ".join(LAYERS.get(net, NETS))
        raise ModelError(f"feature layer '{net}_{layer}': accepted: {accepted}") from None


def layer_name(net: str, index: int) -> str:
    """Return the name of a layer index, as relu2_2; a layer without a name is called by number."""
    return next((name for name, at in LAYERS[net].items() if at == index), f"layer {index}")
