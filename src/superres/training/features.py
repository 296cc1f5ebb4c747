"""Where the feature network of a perceptual loss comes from.

In this order: a local file, torchvision's cache or download, or a network trained here on the
data at hand. The last is said loudly, in the log, in the run's tags and in the model card: its
figures are not comparable with those of ImageNet features.
"""

import logging
from http.client import HTTPException
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import nn

from superres.data.sampler import Sampler
from superres.errors import ConfigError, ModelError
from superres.losses.perceptual import PERCEPTUAL_LAYERS, FeatureNetwork

log = logging.getLogger(__name__)

TRAINED_HERE = "trained-here (slim VGG19, which photograph is this crop from)"
DIVISOR = 8  # of VGG19's widths, when trained here
STEPS, BATCH, RATE = 100, 8, 1e-3


def feature_network(weights: str, sampler: Sampler, kept: Path, seed: int) -> FeatureNetwork:
    """Return the VGG19 features that `weights` asks for: auto | torchvision | here | a file.

    A network trained here is kept at `kept`, so that a resumed run goes on with the same one.
    """
    device = sampler.device
    if weights not in ("auto", "torchvision", "here"):
        return _from_file(Path(weights)).to(device)
    if weights == "here" or (weights == "auto" and kept.is_file()):
        return _trained_here(sampler, kept, seed).to(device)
    try:
        return _from_torchvision().to(device)
    except (OSError, HTTPException, ImportError, RuntimeError) as error:
        if weights == "torchvision":
            raise ModelError(
                f"VGG19 weights cannot be had from torchvision ({error}). Give a file in "
                "params.yaml (perceptual.weights) or 'auto'."
            ) from None
        log.warning(
            "NO IMAGENET WEIGHTS: VGG19 could not be downloaded (%s). The perceptual loss uses "
            "a small feature network trained here on the data at hand. Give a file in "
            "params.yaml (perceptual.weights) for figures comparable with the papers'.",
            error,
        )
    return _trained_here(sampler, kept, seed).to(device)


def _from_torchvision() -> FeatureNetwork:
    from torchvision.models import VGG19_Weights

    chosen = VGG19_Weights.IMAGENET1K_V1
    state = chosen.get_state_dict(progress=False, check_hash=True, weights_only=True)
    return _filled(dict(state), "imagenet (torchvision)")


def _from_file(path: Path) -> FeatureNetwork:
    if not path.is_file():
        raise ConfigError(
            f"perceptual.weights: no file {path}. Accepted: auto, torchvision, here, or a "
            ".safetensors or .pth file of VGG19's weights under torchvision's names."
        )
    try:
        if path.suffix == ".safetensors":
            state: dict[str, Any] = load_file(str(path))
        else:
            state = dict(torch.load(path, map_location="cpu", weights_only=True))
    except Exception as error:  # every reader fails in its own way; all mean: not such a file
        raise ModelError(f"{path}: not a weights file ({error}).") from None
    return _filled(state, f"file ({path.name})")


def _filled(state: dict[str, Any], origin: str) -> FeatureNetwork:
    wanted = {name: value for name, value in state.items() if name.startswith("features.")}
    try:
        filters = len(wanted["features.0.weight"])  # 64, fewer in a network trained here
        network = FeatureNetwork(max(1, 64 // filters), origin)
        network.load_state_dict(wanted)
    except (LookupError, ArithmeticError, TypeError, RuntimeError) as error:
        raise ModelError(f"VGG19 weights from {origin} do not fit: {error!r}") from None
    return network


def _trained_here(sampler: Sampler, kept: Path, seed: int) -> FeatureNetwork:
    if kept.is_file():
        network = _from_file(kept)
        network.origin = TRAINED_HERE
        return network
    network = _train(sampler, seed)
    kept.parent.mkdir(parents=True, exist_ok=True)
    staging = kept.with_suffix(".partial")
    save_file(network.state_dict(), str(staging))
    staging.replace(kept)
    return network


def _train(sampler: Sampler, seed: int) -> FeatureNetwork:
    """Learn to tell from which photograph a crop is (Dosovitskiy et al., 2014)."""
    torch.manual_seed(seed)
    network = FeatureNetwork(DIVISOR, TRAINED_HERE)
    for module in network.features:
        if isinstance(module, nn.Conv2d) and module.bias is not None:
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            nn.init.zeros_(module.bias)
    widest = 512 // DIVISOR
    judge = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(widest, sampler.images))
    network.to(sampler.device)
    judge.to(sampler.device)
    learned = [*network.parameters(), *judge.parameters()]
    optimizer = torch.optim.Adam(learned, lr=RATE)
    state, last = sampler.state(), max(PERCEPTUAL_LAYERS.values())
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
