"""experiments/<name>.yaml: one network, its losses and its schedule, as data."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from superres.config.params import Budget, NonNegative, Positive, Share
from superres.config.schema import Frozen, parse, read_yaml
from superres.errors import ConfigError

Rate = Annotated[float, Field(gt=0, le=1)]
Spec = dict[str, Any]  # {"name": ..., option: value, ...}; the constructor checks the options


class OptimizerSpec(Frozen):
    """The optimizer of one network."""

    name: Literal["adam", "adamw"] = "adam"
    learning_rate: Rate = 1e-4
    betas: tuple[Share, Share] = (0.9, 0.999)
    weight_decay: Annotated[float, Field(ge=0)] = 0.0


class ScheduleSpec(Frozen):
    """The learning rate over the steps of the whole run."""

    name: Literal["constant", "cosine", "multistep"] = "constant"
    warmup: Share = 0.0  # share of all steps with a linearly rising rate
    milestones: tuple[Share, ...] = ()  # multistep: shares of all steps
    gamma: Rate = 0.5  # multistep: factor at each milestone
    final: Share = 0.01  # cosine: factor at the end


class Adversarial(Frozen):
    """How generator and discriminator play in a phase."""

    objective: Literal["bce", "minimax", "lsgan", "hinge"] = "bce"
    d_steps: Positive = 1  # discriminator updates per generator update
    label_smoothing: Annotated[float, Field(ge=0, lt=0.5)] = 0.0


class Phase(Frozen):
    """A stretch of the run with fixed loss weights."""

    steps: Positive
    losses: Annotated[dict[str, Annotated[float, Field(gt=0)]], Field(min_length=1)]
    adversarial: Adversarial | None = None
    learning_rate: Rate | None = None  # None: the optimizer's

    @model_validator(mode="after")
    def _adversarial_is_whole(self) -> "Phase":
        if ("adversarial" in self.losses) != (self.adversarial is not None):
            raise ValueError(
                "the loss 'adversarial' needs the section 'adversarial: {objective: ...}' "
                "in the same phase, and the section needs the loss"
            )
        return self


class Watched(Frozen):
    """A validation metric, and whether more or less of it is better."""

    metric: Literal["psnr", "ssim", "mse"] = "psnr"
    mode: Literal["max", "min"] = "max"

    @model_validator(mode="after")
    def _mode_is_of_the_metric(self) -> "Watched":
        wanted = "min" if self.metric == "mse" else "max"
        if self.mode != wanted:
            raise ValueError(f"metric '{self.metric}' needs mode '{wanted}'")
        return self


class Best(Watched):
    """Keep the weights of the best validation."""


class KeepBest(Frozen):
    """`keep: {best: {metric: psnr, mode: max}}`."""

    best: Best


class EarlyStopping(Watched):
    """End the run when a validation metric stops improving."""

    patience: Positive = 5  # validations without improvement
    min_delta: Annotated[float, Field(ge=0)] = 0.0


class Demo(Frozen):
    """What `budget: demo` trains instead: minutes on two CPU cores."""

    steps: Positive  # all phases together; each keeps its share
    batch_size: Positive | None = None
    hr_patch: Positive | None = None
    learning_rate: Rate | None = None
    model: dict[str, Any] = Field(default={})  # overriding options of the network
    discriminator: dict[str, Any] = Field(default={})


class Experiment(Frozen):
    """One experiment file."""

    source: str  # the report or paper it comes from
    expected: str  # what the source measured, what to expect here
    model: Spec
    discriminator: Spec | None = None
    batch_size: Positive = 16
    hr_patch: Positive = 96  # HR pixels
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
        scale = self.model.get("scale")
        if not isinstance(scale, int) or scale < 1:
            raise ValueError("'model' needs an integer 'scale' from 1")
        if self.hr_patch % scale:
            raise ValueError(
                f"hr_patch {self.hr_patch} is not a multiple of the model's scale {scale}"
            )
        if self.discriminator is None and any(phase.adversarial for phase in self.phases):
            raise ValueError("an adversarial phase needs a 'discriminator'")
        return self

    @property
    def steps(self) -> int:
        """Generator updates of all phases."""
        return sum(phase.steps for phase in self.phases)


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
    scaled = _scaled(experiment, demo.steps / experiment.steps)
    content = scaled.model_dump(exclude_unset=True) | changed
    if demo.learning_rate is not None:
        content["optimizer"] = {
            **experiment.optimizer.model_dump(),
            "learning_rate": demo.learning_rate,
        }
    return parse(Experiment, content, "the experiment under budget demo")


def _scaled(experiment: Experiment, fraction: float) -> Experiment:
    phases = tuple(
        phase.model_copy(update={"steps": max(1, round(phase.steps * fraction))})
        for phase in experiment.phases
    )
    return experiment.model_copy(update={"phases": phases})
