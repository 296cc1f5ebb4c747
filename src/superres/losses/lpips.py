"""LPIPS, the learned distance of deep features (Zhang et al., 2018), version 0.1."""

import importlib.util
from pathlib import Path
from typing import Literal

import torch
from torch import nn

from superres.errors import ModelError
from superres.losses.feature_network import FeatureNetwork
from superres.losses.weights import (
    PREFIXES,
    find_weights,
    load_features,
    reaches,
    read_tensors,
    shared_weights,
    torchvision_cache,
)

Net = Literal["squeeze", "alex", "vgg"]
LPIPS_NETS: tuple[Net, ...] = ("squeeze", "alex", "vgg")
# After which layers the features are compared: every ReLU that feeds a pooling, and the last.
TAPS = {
    "squeeze": (1, 4, 7, 9, 10, 11, 12),
    "alex": (1, 4, 7, 9, 11),
    "vgg": (3, 8, 15, 22, 29),
}
BACKBONES = {"squeeze": "squeeze", "alex": "alex", "vgg": "vgg16"}
# Where wheels that carry the linear heads keep them.
CARRIERS = {"torchmetrics": "functional/image/lpips_models", "lpips": "weights/v0.1"}
EPSILON = 1e-8  # under the root of a length: keeps the gradient of dead features finite


class LPIPS(nn.Module):
    """Weighted squared distances of unit-length features, averaged over space, summed over layers.

    Its weights never learn; gradients pass to the images.
    """

    def __init__(self, network: FeatureNetwork, heads: dict[str, torch.Tensor], net: Net) -> None:
        """Raises ModelError when the heads do not fit the features."""
        super().__init__()
        self.taps = TAPS[net]
        if len(network.features) <= self.taps[-1]:
            raise ModelError(
                f"LPIPS({net}): the weights ({network.origin}) end before layer {self.taps[-1]}."
            )
        self.network = network
        try:
            for place in range(len(self.taps)):
                head = heads[f"lin{place}.model.1.weight"].float().reshape(1, -1, 1, 1)
                self.register_buffer(f"head{place}", head)
        except (KeyError, AttributeError, RuntimeError) as error:
            raise ModelError(f"LPIPS({net}): the linear heads do not fit ({error!r}).") from None
        self.origin = f"lpips {net}: {network.origin}"
        self.eval().requires_grad_(False)

    def forward(self, sr: torch.Tensor, hr: torch.Tensor) -> torch.Tensor:
        """Return the distance of each pair of images `(N, 3, H, W)` in [0, 1] as `(N,)`."""
        ours = self.network.several(sr, self.taps)
        theirs = self.network.several(hr, self.taps)
        total = sr.new_zeros(len(sr))
        for place, (one, other) in enumerate(zip(ours, theirs, strict=True)):
            weighted = (_unit(one) - _unit(other)).square() * self.get_buffer(f"head{place}")
            total = total + weighted.sum(dim=1).mean(dim=(1, 2))
        return total


class LPIPSLoss(nn.Module):
    """The mean of LPIPS over a batch."""

    def __init__(self, distance: LPIPS) -> None:
        super().__init__()
        self.distance = distance

    def forward(self, sr: torch.Tensor, hr: torch.Tensor) -> torch.Tensor:
        """Compare images `(N, 3, H, W)` in [0, 1]."""
        told: torch.Tensor = self.distance(sr, hr).mean()
        return told


def _unit(features: torch.Tensor) -> torch.Tensor:
    return features / (features.square().sum(dim=1, keepdim=True) + EPSILON).sqrt()


def load_lpips(net: Net = "squeeze", weights: Path | None = None) -> LPIPS:
    """Return LPIPS: `(sr, hr)` of `(N, 3, H, W)` in [0, 1] -> `(N,)`, 0 for equal images.

    `weights` is a folder with the network's file and `lpips_linear/<net>.pth`. None: torchvision's
    cache with heads of an installed wheel (lpips, torchmetrics), else SUPERRES_SHARED_DATA/weights.
    Raises ModelError naming what is missing.
    """
    file, head = lpips_files(net, weights)
    return LPIPS(load_features(file, BACKBONES[net]), read_tensors(head), net)


def lpips_files(net: Net, weights: Path | None = None) -> tuple[Path, Path]:
    """Return the files of the network and of its heads that `load_lpips` reads; else ModelError."""
    if net not in LPIPS_NETS:
        raise ModelError(f"LPIPS network '{net}': accepted: {', '.join(LPIPS_NETS)}")
    backbone = BACKBONES[net]
    places = [weights] if weights is not None else [torchvision_cache(), shared_weights()]
    file = _first([find_weights(place, backbone) for place in places])
    partial = reaches(file, backbone) if file else None
    file = None if partial else file
    head = _first([_heads(place, net) for place in places] + ([] if weights else _carried(net)))
    missing = []
    if file is None:
        found = f" (found to {partial})" if partial else ""
        missing.append(f"{PREFIXES[backbone]}*.pth, ImageNet's whole weights of {backbone}{found}")
    if head is None:
        missing.append(f"lpips_linear/{net}.pth, the linear heads")
    if file is None or head is None:
        searched = ", ".join(str(place) for place in places)
        raise ModelError(f"LPIPS({net}) lacks {' and '.join(missing)}; searched: {searched}.")
    return file, head


def _first(files: list[Path | None]) -> Path | None:
    return next((file for file in files if file is not None), None)


def _heads(place: Path, net: str) -> Path | None:
    file = place / "lpips_linear" / f"{net}.pth"
    return file if file.is_file() else None


def _carried(net: str) -> list[Path | None]:
    """Return the heads inside installed wheels, found without importing them."""
    found: list[Path | None] = []
    for package, inside in CARRIERS.items():
        spec = importlib.util.find_spec(package)
        for root in (spec.submodule_search_locations or []) if spec else []:
            file = Path(root) / inside / f"{net}.pth"
            found += [file] if file.is_file() else []
    return found
