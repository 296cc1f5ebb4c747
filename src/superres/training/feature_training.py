"""`kind: features`: a feature network learns from the data at hand, then serves as a loss.

R1's idea: features of the pictures that are to be enlarged. It tells from a crop which image,
data set, folder of classes or clip it is of (Dosovitskiy et al., 2014, for images).
"""

import json
import logging
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import nn

from superres.atomic import replaced_folder
from superres.config import Experiment
from superres.data.manifest import Row, read_manifest
from superres.data.sampler import Sampler
from superres.errors import ConfigError, DataError, ModelError
from superres.losses import FeatureNetwork
from superres.losses.feature_network import LAYERS
from superres.training.features import from_path, from_torchvision, start_widely

log = logging.getLogger(__name__)

BATCHES = 4  # of crops that accuracy is measured on
FILE = "features.safetensors"


class FeatureClassifier(nn.Module):
    """A feature network and the linear judge that it learns under."""

    def __init__(self, network: FeatureNetwork, classes: int, labels: torch.Tensor) -> None:
        super().__init__()
        self.network = network
        self.last = max(LAYERS[network.net].values())
        with torch.no_grad():
            width = network(torch.zeros(1, 3, 64, 64), self.last).shape[1]
        self.judge = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, classes))
        self.register_buffer("labels", labels, persistent=False)

    labels: torch.Tensor  # class of each image of the sampler

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Return logits `(N, classes)` for `image (N, 3, H, W) in [0, 1]`."""
        told: torch.Tensor = self.judge(self.network(image, self.last))
        return told


class Accuracy:
    """Share of crops told right: of the split "val" where it has the classes, else new crops."""

    def __init__(self, pack: Path, experiment: Experiment, seed: int, device: str) -> None:
        self.batch_size = experiment.batch_size
        known = classes(pack, experiment)
        split, names = "train", class_names(pack, experiment, "train")
        if experiment.target in ("sources", "folders"):
            held_out = class_names(pack, experiment, "val")
            if held_out and set(held_out) <= set(known):
                split, names = "val", held_out
        patch = experiment.hr_patch
        self.sampler = Sampler(pack, split, hr_patch=patch, seed=seed + 1, device=device)
        self.labels = torch.tensor([known.index(name) for name in names], device=device)
        self.start = self.sampler.state()

    def scores(self, generator: nn.Module) -> dict[str, float]:
        """Return the accuracy on always the same crops."""
        self.sampler.restore(self.start)
        training, right = generator.training, 0
        generator.eval()
        with torch.inference_mode():
            for _ in range(BATCHES):
                batch = self.sampler.batch(self.batch_size)
                told = generator(batch.hr).argmax(dim=1)
                right += int((told == self.labels[batch.images]).sum())
        generator.train(training)
        return {"val/accuracy": right / (BATCHES * self.batch_size)}

    def shown(self, generator: nn.Module) -> list[Any]:
        """Return nothing: a classifier makes no pictures."""
        return []


def class_names(pack: Path, experiment: Experiment, split: str) -> list[str]:
    """Return the class of each image that the sampler draws from."""
    rows = [row for row in read_manifest(pack) if row.split == split]
    usable = [row for row in rows if min(row.height, row.width) >= experiment.hr_patch]
    return [_class_of(row, experiment.target or "images") for row in usable]


def classes(pack: Path, experiment: Experiment) -> list[str]:
    """Return the classes to tell apart; DataError when there are not two."""
    found = sorted(set(class_names(pack, experiment, "train")))
    if len(found) < 2:
        raise DataError(
            f"{pack}: target '{experiment.target}' finds {len(found)} classes in the training "
            "pictures, and two are the least. Accepted: images, sources, folders, clips."
        )
    return found


def _class_of(row: Row, target: str) -> str:
    if target == "sources":
        return row.source
    if target == "folders":
        return f"{row.source}/{Path(row.path).parent.as_posix()}"
    return row.clip or row.id if target == "clips" else row.id


def build_classifier(experiment: Experiment, pack: Path, seed: int) -> FeatureClassifier:
    """Return the network of a feature experiment with its first weights."""
    options = {key: value for key, value in experiment.model.items() if key != "name"}
    if set(options) - {"divisor"}:
        raise ConfigError(f"feature network: unknown options {sorted(options)}; accepted: divisor")
    known = classes(pack, experiment)
    names = class_names(pack, experiment, "train")
    torch.manual_seed(seed)
    network = FeatureNetwork(int(options.get("divisor", 1)), net=experiment.model["name"])
    start_widely(network)
    if experiment.init is not None:
        _start_from(network, experiment.init)
    labels = torch.tensor([known.index(name) for name in names])
    return FeatureClassifier(network, len(known), labels)


def _start_from(network: FeatureNetwork, init: str) -> None:
    """Take weights over; layers that a partial file lacks keep their random start."""
    net = network.net
    given = from_torchvision(net) if init == "torchvision" else from_path(Path(init), net)
    if given.divisor != network.divisor:
        raise ModelError(
            f"init: {init} has divisor {given.divisor}, the experiment's model {network.divisor}"
        )
    network.load_state_dict(given.state_dict(), strict=False)
    network.mean, network.std = given.mean, given.std
    log.info("feature network: the first %d layers from %s", len(given.features), given.origin)


def write_features(folder: Path, classifier: FeatureClassifier, facts: dict[str, Any]) -> Path:
    """Write features.safetensors, features.json and README.md as a whole.

    The folder, or the file in it, is what `perceptual.weights` takes.
    """
    network = classifier.network
    origin = f"{facts['version']} ({network.net}/{network.divisor}, {facts['learned']})"
    metadata = {"net": network.net, "origin": origin, "statistics": facts["statistics"]}
    weights = {name: value.contiguous().cpu() for name, value in network.state_dict().items()}
    card = (
        f"# {facts['version']}\n\nA feature network for perceptual losses: {origin}. Set "
        f"`perceptual.weights: {folder.as_posix()}` in params.yaml and name its layers in an "
        f"experiment's losses (`{network.net}_22`). Its figures are not comparable with those of "
        f"ImageNet's features.\n\nFrom: {facts['source']}. Validation: {facts['metrics']}.\n"
    )
    with replaced_folder(folder) as staging:
        (staging / FILE).write_bytes(save(weights, metadata))
        text = json.dumps(facts, indent=2, sort_keys=True) + "\n"
        (staging / "features.json").write_text(text, encoding="utf-8")
        (staging / "README.md").write_text(card, encoding="utf-8")
    return folder
