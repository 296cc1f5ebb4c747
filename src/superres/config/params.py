"""params.yaml: what to run here."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from superres.config.schema import Frozen, parse, read_yaml
from superres.errors import ConfigError

Positive = Annotated[int, Field(ge=1)]
NonNegative = Annotated[int, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]
Budget = Literal["demo", "full"] | Annotated[float, Field(gt=0, le=1)]


class Source(Frozen):
    """One data set: a name of the catalog, or a local folder or video under a name of your own."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]*$")]
    kind: Literal["images", "video"] | None = None  # None: what the catalog says
    path: str | None = None  # folder or file; None: the catalog's own
    split: Literal["auto", "train", "val", "test"] = "auto"
    every: Positive = 1  # videos: keep every n-th frame
    first: NonNegative = 0  # videos: frames to skip at the start
    max_frames: Positive | None = None  # videos: stop after so many kept frames


class DataParams(Frozen):
    """How raw pictures become LR/HR pairs."""

    sources: Annotated[tuple[Source, ...], Field(min_length=1)]
    kernel: Literal["bicubic", "bilinear", "lanczos3", "box"] = "bicubic"
    border: Literal["replicate", "reflect"] = "replicate"
    min_side: Positive = 64  # HR pixels; smaller pictures are quarantined
    max_bad_share: Share = 0.1  # above this share of bad files the stage fails
    # None: kernel and border. Else steps as [{name: blur, sigma: 1.6}, {name: subsample}], or the
    # name of a preset: bicubic, r1, bd, real-world. Random steps follow `seed`.
    degradation: tuple[dict[str, Any], ...] | str | None = None
    shard_bytes: Positive = 1 << 30  # HR pixels in one file; a picture is never divided
    # Threads, 0: one per core, at most 8; "processes", "dask", or a Dask scheduler's address.
    workers: NonNegative | str = 0

    @field_validator("sources")
    @classmethod
    def _names_are_unique(cls, sources: tuple[Source, ...]) -> tuple[Source, ...]:
        names = [source.name for source in sources]
        if len(set(names)) != len(names):
            raise ValueError(f"source names must be unique, found {names}")
        return sources


class TrainingParams(Frozen):
    """How a training runs on this machine; what it learns is in the experiment file."""

    device: str = "auto"  # auto | cpu | cuda | cuda:1
    threads: NonNegative = 0  # CPU threads; 0: all cores
    log_every: Positive = 20  # steps
    validate_every: Positive = 100  # steps
    state_every: Positive = 50  # steps between resumable states
    validation_images: Positive = 8


class PerceptualParams(Frozen):
    """Where the VGG weights of perceptual losses come from."""

    # auto: local cache, else download, else train a feature network here (said loudly);
    # torchvision: cache or download, else an error; here: train one; anything else: a file.
    weights: str = "auto"


class TrackingParams(Frozen):
    """Where runs are recorded."""

    uri: str | None = None  # None: SQLite beside params.yaml
    experiment: str = "superres"


class EvaluationParams(Frozen):
    """The protocol of every figure in the report."""

    shave: NonNegative | None = None  # HR pixels cut from each border; None: the scale
    repeats: Positive = 3  # timed runs per model


class GateParams(Frozen):
    """What a challenger must show before it is served."""

    min_gain_over_bicubic: float = 0.1  # dB PSNR, on every test set
    min_gain_over_champion: Annotated[float, Field(ge=0)] = 0.02  # dB PSNR, mean
    max_ms_ratio_to_bicubic: Annotated[float, Field(gt=0)] = 2000.0  # time budget
    max_parameters: Positive = 5_000_000
    max_colour_shift: Annotated[float, Field(gt=0)] = 4.0  # grey levels, worst image


class ServingParams(Frozen):
    """Limits of the HTTP service."""

    max_bytes: Positive = 32 << 20
    max_pixels: Positive = 16_000_000
    max_output_pixels: Positive = 64_000_000
    max_video_bytes: Positive = 256 << 20
    max_frames: Positive = 3_000
    max_seconds: Annotated[float, Field(gt=0)] = 120.0
    threads: Positive = 4
    timeout_seconds: Positive = 120
    tile: NonNegative | Literal["auto"] = "auto"
    backend: Literal["auto", "torch", "onnx"] = "auto"
    port: Annotated[int, Field(ge=1, le=65535)] = 3000
    result_ttl_seconds: Positive = 3_600


class Params(Frozen):
    """Everything in params.yaml."""

    seed: NonNegative = 1
    scale: Annotated[int, Field(ge=2, le=8)] = 4
    budget: Budget = "demo"
    experiments: Annotated[tuple[str, ...], Field(min_length=1)]
    data: DataParams
    training: TrainingParams = TrainingParams()
    perceptual: PerceptualParams = PerceptualParams()
    tracking: TrackingParams = TrackingParams()
    evaluation: EvaluationParams = EvaluationParams()
    gate: GateParams = GateParams()
    serving: ServingParams = ServingParams()

    @model_validator(mode="after")
    def _experiments_are_unique(self) -> "Params":
        if len(set(self.experiments)) != len(self.experiments):
            raise ValueError(f"experiments must be named once each, found {self.experiments}")
        return self


def load_params(path: Path = Path("params.yaml"), overrides: Sequence[str] = ()) -> Params:
    """Read and check params.yaml; `overrides` are `dotted.key=value` strings, values in YAML.

    Raises ConfigError naming the file, every faulty key and what is accepted.
    """
    content = read_yaml(path)
    for override in overrides:
        _apply(content, override)
    return parse(Params, content, path)


def _apply(content: dict[str, Any], override: str) -> None:
    import yaml

    dotted, separator, value = override.partition("=")
    if not separator or not dotted:
        raise ConfigError(f"override '{override}': expected the form key.subkey=value.")
    *parents, last = dotted.split(".")
    target = content
    for parent in parents:
        child = target.setdefault(parent, {})
        if not isinstance(child, dict):
            raise ConfigError(f"override '{override}': '{parent}' has no keys below it.")
        target = child
    try:
        target[last] = yaml.safe_load(value)
    except yaml.YAMLError as error:
        raise ConfigError(f"override '{override}': the value is not valid YAML: {error}") from None
