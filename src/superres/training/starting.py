"""Weights that a run starts from: another model's generator, another run's discriminator."""

import logging
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import nn

from superres.atomic import write_bytes
from superres.checkpoint import load_model
from superres.config import Experiment
from superres.errors import ModelError
from superres.losses.weights import read_tensors
from superres.models.recurrent import Recurrent
from superres.models.steady import Steady
from superres.training.networks import Networks

log = logging.getLogger(__name__)

DISCRIMINATOR = "discriminator.safetensors"  # in a run folder, when the run ends


def start_from(networks: Networks, experiment: Experiment, runs: Path) -> str:
    """Give the networks the weights that `init` and `init_discriminator` name.

    Return what they are, for the run's tags. Raises ModelError naming what does not fit.
    """
    found = []
    if experiment.init is not None:
        base = load_model(experiment.init, scale=int(experiment.model["scale"]))
        place = f"init: {experiment.init} ({base.version})"
        weights = dict(base.generator.state_dict())
        if isinstance(networks.generator, Recurrent | Steady) and base.info.name == "fast":
            weights = networks.generator.from_image_network(weights)
        taken = ""
        if experiment.init_layers == "shared":
            weights, taken = shared(networks.generator, weights, place)
        fit(networks.generator, weights, place)
        if networks.ema is not None:
            networks.ema.load_state_dict(networks.generator.state_dict())
        found.append(base.version + taken)
    if experiment.init_discriminator is not None and networks.discriminator is not None:
        file = _discriminator_file(experiment.init_discriminator, runs)
        fit(networks.discriminator, read_tensors(file), f"init_discriminator: {file}")
        found.append(file.as_posix())
    return ", ".join(found) or "none"


def fit(network: nn.Module, weights: dict[str, Any], place: str) -> None:
    """Load weights that must be of the very same layers; ModelError names those that are not."""
    ours = network.state_dict()
    other = [
        f"{name} is {tuple(weights[name].shape)}, wanted {tuple(value.shape)}"
        for name, value in ours.items()
        if name in weights and weights[name].shape != value.shape
    ]
    other += [f"{name} is missing" for name in ours if name not in weights]
    other += [f"{name} is not part of the network" for name in weights if name not in ours]
    if other:
        more = f" and {len(other) - 4} more" if len(other) > 4 else ""
        raise ModelError(
            f"{place} does not fit this experiment's network: {'; '.join(other[:4])}{more}. "
            "'model' and 'discriminator' must have the options they were trained with."
        )
    with torch.no_grad():
        network.load_state_dict(weights)


def shared(network: nn.Module, weights: dict[str, Any], place: str) -> tuple[dict[str, Any], str]:
    """Return the network's own weights with those put in that have its names and shapes.

    The second says how many values were taken, for the run's tags; the log names the layers that
    begin anew. Raises ModelError when nothing fits.
    """
    ours = network.state_dict()
    fits = {
        name: weights[name]
        for name, value in ours.items()
        if name in weights and weights[name].shape == value.shape
    }
    if not fits:
        raise ModelError(f"{place} has no layer of a name and shape of this experiment's network.")
    values, whole = (sum(value.numel() for value in part.values()) for part in (fits, ours))
    anew = [name for name in ours if name not in fits]
    log.warning("%s: %d of %d values taken; anew: %s", place, values, whole, ", ".join(anew))
    return {**ours, **fits}, f" ({values:,} of {whole:,} values)"


def keep_discriminator(networks: Networks, folder: Path) -> None:
    """Write the discriminator, where there is one, for a run that goes on with it."""
    if networks.discriminator is None:
        return
    weights = networks.discriminator.state_dict()
    content = save({name: value.contiguous().cpu() for name, value in weights.items()})
    write_bytes(folder / DISCRIMINATOR, content)


def _discriminator_file(named: str, runs: Path) -> Path:
    """Return the file of a run folder, a run's name, or the file itself."""
    for place in (Path(named), runs / named):
        file = place / DISCRIMINATOR if place.is_dir() else place
        if file.is_file():
            return file
    raise ModelError(
        f"init_discriminator '{named}': no {DISCRIMINATOR} there. Accepted: the folder or name of "
        "a finished adversarial run (runs/srgan-mse, srgan-mse), or a .safetensors file."
    )
