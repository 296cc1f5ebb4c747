"""Weights of feature networks from files: .safetensors, .pth (tensors only), .npz, or a folder.

A folder may hold several: files whose names begin as torchvision's (vgg19, vgg16, squeezenet,
alexnet) and `lpips_linear/{squeeze,alex,vgg}.pth`, as `../shared/data/weights` does.
"""

import os
from pathlib import Path
from typing import Any

import torch

from superres.errors import ModelError
from superres.losses.feature_network import (
    IMAGENET,
    NETS,
    FeatureNetwork,
    Statistics,
    layer_name,
)

FILES = (".safetensors", ".pth", ".npz")
PREFIXES = {"vgg19": "vgg19", "vgg16": "vgg16", "squeeze": "squeezenet1_1", "alex": "alexnet"}
FIRST_FILTERS = 64  # of the first layer of each of these networks
# An .npz is of the original VGG: BGR in 0..255 minus a mean (Simonyan and Zisserman, 2015).
ORIGINAL = Statistics([123.68 / 255, 116.779 / 255, 103.939 / 255], [1 / 255] * 3)


def shared_weights() -> Path:
    """Return where weights for all projects of this machine lie (SUPERRES_SHARED_DATA)."""
    return Path(os.environ.get("SUPERRES_SHARED_DATA", "../shared/data")) / "weights"


def torchvision_cache() -> Path:
    """Return where torchvision keeps what it downloaded (TORCH_HOME)."""
    return Path(torch.hub.get_dir()) / "checkpoints"


def find_weights(place: Path, net: str) -> Path | None:
    """Return the file of `net`'s weights: `place` itself, or one of that name in the folder."""
    if not place.is_dir():
        return place if place.is_file() else None
    found = [file for file in sorted(place.iterdir()) if file.suffix in FILES]
    named = [file for file in found if file.name.startswith(PREFIXES[net])]
    trained = [file for file in found if file.name == "features.safetensors"]  # superres train
    if not named and trained and _metadata(trained[0]).get("net") == net:
        named = trained
    return named[0] if named else None


def reaches(file: Path, net: str) -> str | None:
    """Return the last named layer of a file that ends early (.npz); None for a whole network."""
    if file.suffix != ".npz":
        return None
    depth = len(load_features(file, net).features)
    whole = len(FeatureNetwork(FIRST_FILTERS, net=net).features)
    return layer_name(net, depth - 1) if depth < whole else None


def load_features(file: Path, net: str) -> FeatureNetwork:
    """Read the weights of `net`, whole, narrow or only its first layers.

    Raises ModelError when the file is damaged or of something else.
    """
    state, origin = read_tensors(file), f"file ({file.name})"
    statistics = IMAGENET
    if file.suffix == ".npz":
        statistics = ORIGINAL
        state = _turned(state)
    if file.suffix == ".safetensors":
        told = _metadata(file)
        origin = told.get("origin", origin)
        statistics = ORIGINAL if told.get("statistics") == "original" else statistics
        if told.get("net", net) != net:
            raise ModelError(
                f"{file}: weights of {told['net']}; a loss asks for those of {net}. Give a "
                "folder with both (perceptual.weights)."
            )
    return fill(state, net, origin, statistics)


def _turned(state: dict[str, Any]) -> dict[str, Any]:
    """Let the first layer take RGB instead of BGR."""
    first = state.get("features.0.weight")
    if not isinstance(first, torch.Tensor) or first.dim() != 4:
        return state
    return {**state, "features.0.weight": first.flip(1)}


def fill(
    state: dict[str, Any], net: str, origin: str, statistics: Statistics = IMAGENET
) -> FeatureNetwork:
    """Return the network with these weights; ModelError when they do not fit."""
    wanted = {name: value for name, value in state.items() if name.startswith("features.")}
    try:
        divisor = max(1, FIRST_FILTERS // len(wanted["features.0.weight"]))
        depth = _depth(wanted, FeatureNetwork(divisor, origin, net=net))
        network = FeatureNetwork(divisor, origin, net=net, depth=depth, statistics=statistics)
        network.load_state_dict(wanted)
    except (LookupError, ArithmeticError, TypeError, RuntimeError, ValueError) as error:
        raise ModelError(f"{net} weights from {origin} do not fit: {error!r}") from None
    return network


def _depth(state: dict[str, Any], whole: FeatureNetwork) -> int | None:
    """Return how many layers the weights reach, None for all: gaps are left to the loader."""
    last = max(int(name.split(".")[1]) for name in state)
    # Fires end in a ReLU of their own; a convolution is followed by one.
    after = last + 1 if last + 1 < len(whole.features) else last
    is_relu = isinstance(whole.features[after], torch.nn.ReLU)
    reach = after + 1 if is_relu else last + 1
    learned = [int(name.split(".")[1]) for name in whole.state_dict()]
    return reach if reach <= max(learned) else None


def read_tensors(file: Path) -> dict[str, Any]:
    """Return a file's tensors by name; ModelError when it is not such a file."""
    try:
        if file.suffix == ".safetensors":
            from safetensors.torch import load_file

            return dict(load_file(str(file)))
        if file.suffix == ".npz":
            return _from_npz(file)
        return dict(torch.load(file, map_location="cpu", weights_only=True))
    except Exception as error:  # every reader fails in its own way; all mean: not such a file
        raise ModelError(f"{file}: not a weights file ({error}).") from None


def _from_npz(file: Path) -> dict[str, Any]:
    import numpy as np

    # Opened here: NumPy leaves a damaged file open.
    with file.open("rb") as stream, np.load(stream, allow_pickle=False) as content:
        return {name: torch.from_numpy(content[name]) for name in content.files}


def _metadata(file: Path) -> dict[str, str]:
    """Return what `superres train` noted in a feature network's file."""
    from safetensors import safe_open

    try:
        with safe_open(str(file), framework="pt") as content:
            told: dict[str, str] = content.metadata() or {}
    except Exception as error:
        raise ModelError(f"{file}: not a weights file ({error}).") from None
    return {key: value for key, value in told.items() if key != "net" or value in NETS}
