"""What a run must agree on: with its data, and with the state that it goes on from."""

from pathlib import Path

from superres.config import Experiment, Params
from superres.data.manifest import REBUILD, data_hash, read_pack
from superres.errors import ConfigError, DataError
from superres.training.lineage import digest

# What may change between start and end of a run: it changes no figure, or is kept in the state.
FREE = {"threads", "device", "state_every", "keep_states", "parts", "prefetch"}


def run_key(name: str, experiment: Experiment, params: Params, pack: Path) -> str:
    """Hash what a state must agree with to be continued."""
    return digest(
        {
            "name": name,
            "experiment": experiment.model_dump(mode="json", exclude=_unsaid(experiment)),
            "seed": params.seed,
            "perceptual": params.perceptual.weights,
            "training": params.training.model_dump(exclude=FREE),
            "data": data_hash(pack),
        }
    )


def _unsaid(experiment: Experiment) -> set[str]:
    """Return the keys that a state need not agree with: new ones that say nothing, too."""
    new = {"frames": None, "init_layers": "all"}
    return {"demo"} | {key for key, value in new.items() if getattr(experiment, key) == value}


def require_clips(name: str, experiment: Experiment, kind: str) -> None:
    """Raise ConfigError when a network of video is to learn from pictures, or the reverse."""
    if kind == "video" and experiment.frames is None:
        raise ConfigError(
            f"experiment '{name}': its network is of video, so it needs `frames`, the length of a "
            "training clip, as 5."
        )
    if kind != "video" and experiment.frames is not None:
        raise ConfigError(
            f"experiment '{name}': `frames` is for networks of video (recurrent, video_srgan, "
            "volume); leave it out."
        )


def require_one_scale(name: str, experiment: Experiment, params: Params, pack: Path) -> None:
    """Raise ConfigError or DataError when experiment, params.yaml and pack name several scales."""
    packed = read_pack(pack)["scale"]
    if experiment.kind == "features":
        if experiment.hr_patch % packed:
            raise ConfigError(
                f"experiment '{name}': hr_patch {experiment.hr_patch} is not a multiple of the "
                f"scale {packed} of {pack}"
            )
        return
    scale = experiment.model["scale"]
    if scale != params.scale:
        raise ConfigError(
            f"experiment '{name}' is for scale {scale}, params.yaml says {params.scale}: change "
            "one of them."
        )
    if packed != scale:
        raise DataError(f"{pack}: pairs for scale {packed}, wanted {scale}. {REBUILD}")
