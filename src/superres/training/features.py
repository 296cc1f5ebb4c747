"""Where the feature networks of perceptual losses come from.

In this order: a local file, torchvision's cache or download, or a network trained here on the
data at hand. The last is said loudly, in the log, in the run's tags and in the model card: its
figures are not comparable with those of ImageNet features.
"""

import logging
from http.client import HTTPException
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import nn

from superres.data.sampler import Sampler
from superres.errors import ConfigError, ModelError
from superres.losses import FeatureNetwork, Features
from superres.losses.feature_network import LAYERS
from superres.losses.lpips import BACKBONES, LPIPS_NETS, load_lpips
from superres.losses.weights import fill, find_weights, load_features, shared_weights

log = logging.getLogger(__name__)

TRAINED_HERE = "trained-here (slim VGG19, which photograph is this crop from)"
DIVISOR = 8  # of VGG19's widths, when trained here
STEPS, BATCH, RATE = 100, 8, 1e-3
# torchvision's names of the weights of each network.
TORCHVISION = {
    "vgg19": "VGG19_Weights",
    "vgg16": "VGG16_Weights",
    "squeeze": "SqueezeNet1_1_Weights",
    "alex": "AlexNet_Weights",
}
NO_DOWNLOAD = (OSError, HTTPException, ImportError, RuntimeError)


def feature_networks(
    weights: str, nets: list[str], sampler: Sampler, kept: Path, seed: int
) -> Features:
    """Return the networks that `losses.feature_nets` names; each says its `origin`."""
    found: dict[str, nn.Module] = {}
    for net in nets:
        named, _, inside = net.partition("_")
        if named == "lpips":
            found[net] = lpips_network(weights, inside).to(sampler.device)
        else:
            file = kept if net == "vgg19" else kept.with_stem(f"{kept.stem}-{net}")
            found[net] = feature_network(weights, sampler, file, seed, net)
    return found


def feature_network(
    weights: str, sampler: Sampler, kept: Path, seed: int, net: str = "vgg19"
) -> FeatureNetwork:
    """Return the features of `net` that `weights` asks for: auto | torchvision | here | a path.

    A network trained here is kept at `kept`, so that a resumed run goes on with the same one.
    """
    device = sampler.device
    if weights not in ("auto", "torchvision", "here"):
        return from_path(Path(weights), net).to(device)
    if weights == "here" or (weights == "auto" and kept.is_file()):
        return _trained_here(sampler, kept, seed, net).to(device)
    try:
        return from_torchvision(net).to(device)
    except NO_DOWNLOAD as error:
        if weights == "torchvision":
            raise ModelError(
                f"{net.upper()} weights cannot be had from torchvision ({error}). Give a file in "
                "params.yaml (perceptual.weights) or 'auto'."
            ) from None
        if not net.startswith("vgg"):
            return _from_shared(net, error).to(device)
        log.warning(
            "NO IMAGENET WEIGHTS: %s could not be downloaded (%s). The perceptual loss uses "
            "a small feature network trained here on the data at hand. Give a file in "
            "params.yaml (perceptual.weights) for figures comparable with the papers'.",
            net.upper(),
            error,
        )
    return _trained_here(sampler, kept, seed, net).to(device)


def from_torchvision(net: str) -> FeatureNetwork:
    """Return `net` with ImageNet's weights, from torchvision's cache or its download."""
    from torchvision import models

    chosen = getattr(models, TORCHVISION[net]).IMAGENET1K_V1
    state = chosen.get_state_dict(progress=False, check_hash=True, weights_only=True)
    return fill(dict(state), net, "imagenet (torchvision)")


def from_path(path: Path, net: str) -> FeatureNetwork:
    """Return `net` from a file, or from a folder with a file of its name."""
    file = find_weights(path, net)
    if file is None:
        raise ConfigError(
            f"perceptual.weights: no {'weights of ' + net + ' in' if path.is_dir() else 'file'} "
            f"{path}. Accepted: auto, torchvision, here, a .safetensors, .pth or .npz file of "
            f"{net}'s weights under torchvision's names, or a folder with such files."
        )
    return load_features(file, net)


def _from_shared(net: str, error: Exception) -> FeatureNetwork:
    """Return a network that cannot be trained here: these are compared as they are."""
    file = find_weights(shared_weights(), net)
    if file is None:
        raise ModelError(
            f"{net} weights cannot be had from torchvision ({error}) and {shared_weights()} has "
            "none. Give a file in params.yaml (perceptual.weights)."
        )
    return load_features(file, net)


def lpips_network(weights: str, inside: str = "squeeze") -> nn.Module:
    """Return LPIPS on a network (squeeze, alex, vgg), its weights as `perceptual.weights` says."""
    net = next(one for one in LPIPS_NETS if one == inside)
    if weights not in ("auto", "torchvision", "here"):
        return load_lpips(net, Path(weights))
    try:
        return load_lpips(net)
    except ModelError as missing:
        try:
            from_torchvision(BACKBONES[net])  # fills the cache that is looked at next
        except NO_DOWNLOAD as error:
            raise ModelError(f"{missing} Download: {error}") from None
    return load_lpips(net)


def _trained_here(sampler: Sampler, kept: Path, seed: int, net: str) -> FeatureNetwork:
    if not net.startswith("vgg"):
        raise ModelError(
            f"perceptual.weights 'here' trains VGG networks; for {net} give a file or 'auto'."
        )
    origin = TRAINED_HERE.replace("VGG19", net.upper())
    if kept.is_file():
        network = load_features(kept, net)
        network.origin = origin
        return network
    network = _train(sampler, seed, net, origin)
    kept.parent.mkdir(parents=True, exist_ok=True)
    staging = kept.with_suffix(".partial")
    save_file(network.state_dict(), str(staging))
    staging.replace(kept)
    return network


def _train(sampler: Sampler, seed: int, net: str, origin: str) -> FeatureNetwork:
    """Learn to tell from which photograph a crop is (Dosovitskiy et al., 2014)."""
    torch.manual_seed(seed)
    network = FeatureNetwork(DIVISOR, origin, net=net)
    start_widely(network)
    widest = 512 // DIVISOR
    judge = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(widest, sampler.images))
    network.to(sampler.device)
    judge.to(sampler.device)
    learned = [*network.parameters(), *judge.parameters()]
    optimizer = torch.optim.Adam(learned, lr=RATE)
    state, last = sampler.state(), max(LAYERS[net].values())
    for step in range(STEPS):
        batch = sampler.batch(BATCH)
        told = judge(network(batch.hr, last))
        loss = nn.functional.cross_entropy(told, batch.images)
        optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        optimizer.step()
        if step % 50 == 49:
            right = (told.argmax(dim=1) == batch.images).float().mean()
            log.info("feature network: step %d, %.0f %% right", step + 1, 100 * right)
    sampler.restore(state)  # the run draws the same batches whoever made the features
    return network


def start_widely(network: FeatureNetwork) -> None:
    """Draw first weights that keep the size of features through many ReLUs (He et al., 2015)."""
    for module in network.features.modules():
        if isinstance(module, nn.Conv2d) and module.bias is not None:
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            nn.init.zeros_(module.bias)
