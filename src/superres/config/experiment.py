"""experiments/<name>.yaml: one network, its losses and its schedule, as data."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from superres.config.params import Budget, NonNegative, Positive
from superres.config.phases import (
    EarlyStopping,
    KeepBest,
    OptimizerSpec,
    Phase,
    Rate,
    ScheduleSpec,
)
from superres.config.schema import Frozen, parse, read_yaml
from superres.errors import ConfigError

Spec = dict[str, Any]  # {"name": ..., option: value, ...}; the constructor checks the options


class Demo(Frozen):
    """What `budget: demo` trains instead: minutes on two CPU cores."""

    steps: Positive  # all phases together; each keeps its share
    batch_size: Positive | None = None
    hr_patch: Positive | None = None
    learning_rate: Rate | None = None
    model: dict[str, Any] = Field(default={})  # overriding options of the network
    discriminator: dict[str, Any] = Field(default={})
    from_scratch: bool = False  # without `init`, whose weights are of the whole network


class Experiment(Frozen):
    """One experiment file."""

    source: str  # the report or paper it comes from
    expected: str  # what the source measured, what to expect here
    # features: `model` is a feature network (vgg19, vgg16, squeeze, alex; divisor) that learns
    # `target` and becomes models/runs/<name>/features.safetensors, for perceptual.weights.
    kind: Literal["generator", "features"] = "generator"
    # features: what is told from a crop: its image, data set, folder of classes, or clip.
    target: Literal["images", "sources", "folders", "clips"] | None = None
    model: Spec
    discriminator: Spec | None = None
    # Weights to start from. Generators: a model folder, the name of a trained experiment or of a
    # shipped model (fast-x4), champion. Features: torchvision, or a file or folder as in
    # perceptual.weights.
    init: str | None = None
    # shared: only what both networks have in one shape, as the trunk of another scale.
    init_layers: Literal["all", "shared"] = "all"
    init_discriminator: str | None = None  # runs/<experiment>, or a .safetensors file
    batch_size: Positive = 16
    hr_patch: Positive = 96  # HR pixels
    # Networks of video learn from clips of so many frames, others from pictures (None).
    frames: Annotated[int, Field(ge=2)] | None = None
    optimizer: OptimizerSpec = OptimizerSpec()
    discriminator_optimizer: OptimizerSpec | None = None  # None: as the generator's
    schedule: ScheduleSpec = ScheduleSpec()
    phases: Annotated[tuple[Phase, ...], Field(min_length=1)]
    ema: Annotated[float, Field(gt=0, lt=1)] | None = None  # decay per step
    grad_clip: Annotated[float, Field(gt=0)] | None = None  # norm
    keep: Literal["last"] | KeepBest = "last"
    early_stopping: EarlyStopping | None = None
    max_skipped: NonNegative = 10  # updates in a row with a non-finite loss before the run stops
    demo: Demo | None = None

    @model_validator(mode="after")
    def _is_consistent(self) -> "Experiment":
        for key, spec in (("model", self.model), ("discriminator", self.discriminator)):
            if spec is not None and not isinstance(spec.get("name"), str):
                raise ValueError(f"'{key}' needs a 'name'")
        self._watches_what_its_kind_has()
        if self.kind == "features":
            self._is_a_whole_feature_experiment()
            return self
        scale = self.model.get("scale")
        if not isinstance(scale, int) or scale < 1:
            raise ValueError("'model' needs an integer 'scale' from 1")
        if self.hr_patch % scale:
            raise ValueError(
                f"hr_patch {self.hr_patch} is not a multiple of the model's scale {scale}"
            )
        if self.target is not None:
            raise ValueError("'target' is for 'kind: features' only")
        if self.discriminator is None and any(phase.adversarial for phase in self.phases):
            raise ValueError("an adversarial phase needs a 'discriminator'")
        if self.init is None and self.init_layers != "all":
            raise ValueError(f"'init_layers: {self.init_layers}' needs an 'init'")
        if self.discriminator is None and self.init_discriminator is not None:
            raise ValueError("'init_discriminator' needs a 'discriminator'")
        return self

    def _is_a_whole_feature_experiment(self) -> None:
        if self.target is None:
            raise ValueError("'kind: features' needs a 'target': images, sources, folders or clips")
        if self.discriminator is not None or self.init_discriminator is not None:
            raise ValueError("'kind: features' has no discriminator")
        named = {name for phase in self.phases for name in phase.losses}
        if named != {"cross_entropy"}:
            raise ValueError("'kind: features' has the one loss 'cross_entropy'")

    def _watches_what_its_kind_has(self) -> None:
        keep = self.keep.best if isinstance(self.keep, KeepBest) else None
        for watched in (keep, self.early_stopping):
            if watched is not None and (watched.metric == "accuracy") != (self.kind == "features"):
                raise ValueError(
                    f"metric '{watched.metric}' is not one of kind '{self.kind}': accuracy is "
                    "of features, psnr, ssim, mse and lpips of generators"
                )

    @property
    def steps(self) -> int:
        """Updates of all phases."""
        return sum(phase.steps for phase in self.phases)

    @property
    def watched(self) -> set[str]:
        """Names of the validation metrics that decide something."""
        keep = {self.keep.best.metric} if isinstance(self.keep, KeepBest) else set()
        return keep | ({self.early_stopping.metric} if self.early_stopping else set())


def load_experiment(name_or_path: str, root: Path = Path("experiments")) -> Experiment:
    """Read experiments/<name>.yaml, or a file by path.

    Raises ConfigError naming the known experiments, or the file and the faulty key.
    """
    path = Path(name_or_path)
    if path.suffix not in (".yaml", ".yml"):
        path = root / f"{name_or_path}.yaml"
        if not path.is_file():
            known = ", ".join(sorted(file.stem for file in root.glob("*.yaml"))) or "none"
            raise ConfigError(f"experiment '{name_or_path}': no file {path}; known: {known}.")
    return parse(Experiment, read_yaml(path), path)


def resolve_budget(experiment: Experiment, budget: Budget) -> Experiment:
    """Return the experiment as this budget trains it.

    full: as written. A fraction: every phase gets that share of its steps, at least one.
    demo: the file's `demo` section; without one, 1/100 of the steps.
    """
    if budget == "full":
        return experiment
    if budget != "demo" or experiment.demo is None:
        return _scaled(experiment, 0.01 if budget == "demo" else budget)
    demo = experiment.demo
    changed: dict[str, Any] = {"model": {**experiment.model, **demo.model}}
    if experiment.discriminator is not None:
        changed["discriminator"] = {**experiment.discriminator, **demo.discriminator}
    if demo.batch_size is not None:
        changed["batch_size"] = demo.batch_size
    if demo.hr_patch is not None:
        changed["hr_patch"] = demo.hr_patch
    if demo.from_scratch:
        changed |= {"init": None, "init_layers": "all", "init_discriminator": None}
    scaled = _scaled(experiment, demo.steps / experiment.steps)
    content = scaled.model_dump(exclude_unset=True) | changed
    if demo.learning_rate is not None:
        content["optimizer"] = {
            **experiment.optimizer.model_dump(),
            "learning_rate": demo.learning_rate,
        }
    return parse(Experiment, content, "the experiment under budget demo")


def _scaled(experiment: Experiment, fraction: float) -> Experiment:
    phases = tuple(phase.scaled(fraction) for phase in experiment.phases)
    return experiment.model_copy(update={"phases": phases})
