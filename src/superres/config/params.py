"""params.yaml: what to run here."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from superres.config.schema import Frozen, parse, read_yaml
from superres.errors import ConfigError

Positive = Annotated[int, Field(ge=1)]
NonNegative = Annotated[int, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]
MetricName = Literal["lpips", "niqe", "consistency", "checkerboard", "temporal"]
Budget = Literal["demo", "full"] | Annotated[float, Field(gt=0, le=1)]


class Source(Frozen):
    """One data set: a name of the catalog, or a local folder or video under a name of your own."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]*$")]
    # None: what the catalog says; frames: pictures, every folder a clip and its files the frames
    kind: Literal["images", "frames", "video"] | None = None
    path: str | None = None  # folder or file; None: the catalog's own
    lr: str | None = None  # real pairs: the folder of the LR pictures, named as those in `path`
    split: Literal["auto", "train", "val", "test"] = "auto"
    every: Positive = 1  # videos: keep every n-th frame
    first: NonNegative = 0  # videos: frames to skip at the start
    max_frames: Positive | None = None  # videos: stop after so many kept frames
    # Videos: keep only runs of so many frames inside one scene, each a clip of its own (7:
    # septuplets); they begin `clip_stride` kept frames apart, None: one after another.
    clip_length: Annotated[int, Field(ge=2)] | None = None
    clip_stride: Positive | None = None

    @model_validator(mode="after")
    def _clips_do_not_overlap(self) -> "Source":
        if self.clip_stride is not None and self.clip_stride < (self.clip_length or math.inf):
            raise ValueError("clip_stride must be at least clip_length, which it needs")
        if self.max_frames is not None and self.max_frames < (self.clip_length or 1):
            raise ValueError("max_frames must be at least clip_length: only whole clips are kept")
        return self

    @model_validator(mode="after")
    def _lr_has_an_hr(self) -> "Source":
        if self.lr is not None and self.path is None:
            raise ValueError("lr is the other side of `path`, which is missing")
        return self


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
    # Training makes the LR of every crop anew with `degradation`, on its device; the packs hold
    # one LR of each picture all the same, with which val and test are measured.
    on_the_fly: bool = False
    max_shift: Annotated[float, Field(gt=0)] = 0.5  # HR pixels; a real pair further off is bad
    shard_bytes: Positive = 1 << 30  # HR pixels in one file; a picture is never divided
    # Threads, 0: one per core, at most 8; "processes", "dask", or a Dask scheduler's address.
    workers: NonNegative | str = 0

    @model_validator(mode="after")
    def _on_the_fly_needs_a_chain(self) -> "DataParams":
        if self.on_the_fly and self.degradation is None:
            raise ValueError("on_the_fly needs a `degradation`: steps, or bicubic, bd, real-world")
        return self

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
    keep_states: Positive = 3  # the newest so many states stay; a damaged one is passed over
    # Arithmetic of forward and backward passes; weights, losses and optimizers stay fp32.
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    fp32_networks: tuple[Literal["generator", "discriminator", "features"], ...] = ()
    parts: Positive = 1  # a batch goes through in so many parts; doubled when memory runs out
    checkpoint_activations: bool = False  # blocks are computed twice: less memory, more time
    compile: Literal["off", "default", "graphs"] = "off"  # torch.compile; graphs: CUDA graphs
    fused: bool | Literal["auto"] = "auto"  # optimizer in one kernel; auto: on a GPU
    prefetch: NonNegative = 0  # batches cut ahead by a thread
    read_every: NonNegative = 0  # steps between looks at losses; 0: 1 on a CPU, 10 on a GPU
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
    # uint8: SR as its file would be; luma: that and whole levels of luma; none: neither
    rounding: Literal["uint8", "luma", "none"] = "uint8"
    self_ensemble: bool = False  # the mean of eight turned and mirrored results, at 8x the time
    sets: tuple[str, ...] = ()  # beside the pack's test split: set5, set14, bsd100, urban100, vid4
    # Beside PSNR and SSIM; lpips is left out with a note where its weights are not.
    metrics: tuple[MetricName, ...] = ("lpips", "niqe", "consistency", "checkerboard", "temporal")
    lpips: Literal["squeeze", "alex", "vgg"] = "squeeze"  # the network of that distance
    repeats: Positive = 3  # timed runs per model


class GateParams(Frozen):
    """What a challenger must show before it is served."""

    # Where nothing is champion yet, this shipped model is judged first: auto (the best of
    # models/pretrained for the scale), none, or its name.
    first_champion: str = "auto"
    # auto: LPIPS for networks trained with a discriminator, where its weights are; else PSNR-Y.
    metric: Literal["auto", "psnr_y", "lpips"] = "auto"
    min_gain_over_bicubic: float = 0.1  # dB PSNR-Y, on every test set
    min_gain_over_champion: Annotated[float, Field(ge=0)] = 0.02  # dB PSNR-Y, mean over the sets
    confidence: Annotated[float, Field(gt=0, lt=1)] = 0.95  # of the interval of that gain
    min_lpips_gain_over_bicubic: float = 0.01  # on every test set; adversarial networks
    min_lpips_gain_over_champion: Annotated[float, Field(ge=0)] = 0.002
    psnr_floor: Annotated[float, Field(ge=0)] = 1.0  # dB an adversarial network may lose to bicubic
    max_flicker_ratio_to_bicubic: Annotated[float, Field(gt=0)] = 1.0  # video networks
    max_ms_ratio_to_bicubic: Annotated[float, Field(gt=0)] = 2000.0  # time budget
    max_memory_mib: Positive = 4096  # at the peak, for one picture of 480x270
    max_parameters: Positive = 5_000_000
    max_size_mib: Annotated[float, Field(gt=0)] = 100.0  # weights, exported form and card
    max_colour_shift: Annotated[float, Field(gt=0)] = 4.0  # grey levels, worst image


class ServingParams(Frozen):
    """Limits of the HTTP service."""

    max_bytes: Positive = 32 << 20
    max_pixels: Positive = 16_000_000
    max_output_pixels: Positive = 64_000_000
    max_video_bytes: Positive = 256 << 20
    max_frames: Positive = 3_000
    max_seconds: Annotated[float, Field(gt=0)] = 120.0
    max_files: Positive = 200  # pictures in one archive
    threads: Positive = 4
    max_waiting: NonNegative = 32  # requests that may wait for a thread; one more is refused
    timeout_seconds: Positive = 120
    upload_seconds: Positive = 300  # an upload that takes longer is given up
    tile: NonNegative | Literal["auto"] = "auto"
    backend: Literal["auto", "torch", "onnx", "openvino"] = "auto"
    port: Annotated[int, Field(ge=1, le=65535)] = 3000
    result_ttl_seconds: Positive = 3_600
    jobs_bytes: Positive = 4 << 30  # uploads and results of videos on disk
    # Priority of videos below pictures: 10 is a tenth of a contended core, 0 none below (Linux).
    video_niceness: Annotated[int, Field(ge=0, le=19)] = 10


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
        apply_override(content, override)
    return parse(Params, content, path)


def apply_override(content: dict[str, Any], override: str) -> None:
    """Set one value from `dotted.key=value`; ConfigError when it has another form."""
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
