"""The parts of an experiment file that say how its networks learn."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from superres.config.params import NonNegative, Positive, Share
from superres.config.schema import Frozen

Rate = Annotated[float, Field(gt=0, le=1)]
Weight = Annotated[float, Field(gt=0)]


class OptimizerSpec(Frozen):
    """The optimizer of one network."""

    name: Literal["adam", "adamw"] = "adam"
    learning_rate: Rate = 1e-4
    betas: tuple[Share, Share] = (0.9, 0.999)
    weight_decay: Annotated[float, Field(ge=0)] = 0.0


class ScheduleSpec(Frozen):
    """The learning rate over the steps of the whole run."""

    name: Literal["constant", "cosine", "step", "multistep"] = "constant"
    warmup: Share = 0.0  # share of all steps with a linearly rising rate
    every: Annotated[float, Field(gt=0, le=1)] = 0.2  # step: a factor after each such share
    milestones: tuple[Share, ...] = ()  # multistep: shares of all steps
    gamma: Rate = 0.5  # step, multistep: factor each time
    final: Share = 0.01  # cosine: factor at the end


class Ramp(Frozen):
    """How the weight of the adversarial loss rises from 0 at a phase's start."""

    steps: Positive  # generator updates until the full weight
    shape: Literal["linear", "cosine"] = "linear"


class Adversarial(Frozen):
    """How generator and discriminator play in a phase."""

    objective: Literal[
        "bce", "minimax", "lsgan", "hinge", "wgan", "wgan-gp", "ragan", "probability"
    ] = "bce"
    d_steps: Positive = 1  # discriminator updates per generator update
    label_smoothing: Annotated[float, Field(ge=0, lt=0.5)] = 0.0  # bce, minimax, lsgan, ragan
    gradient_penalty: Weight | None = None  # wgan-gp: 10 where nothing is said; others: none
    weight_clip: Weight = 0.01  # wgan: largest absolute weight of the critic
    d_warmup: NonNegative = 0  # first steps of the phase: the discriminator learns alone
    ramp: Ramp | None = None  # after d_warmup

    @model_validator(mode="after")
    def _smoothing_has_labels(self) -> "Adversarial":
        labelled = ("bce", "minimax", "lsgan", "ragan")
        if self.label_smoothing and self.objective not in labelled:
            raise ValueError(
                f"objective '{self.objective}' has no labels to smooth; label_smoothing is for "
                f"{', '.join(labelled)}"
            )
        return self

    def scaled(self, fraction: float) -> "Adversarial":
        """Return the game of a phase with this fraction of its steps."""
        ramp = self.ramp
        if ramp is not None:
            ramp = ramp.model_copy(update={"steps": max(1, round(ramp.steps * fraction))})
        warmup = round(self.d_warmup * fraction)
        return self.model_copy(update={"d_warmup": warmup, "ramp": ramp})


class Phase(Frozen):
    """A stretch of the run with fixed loss weights."""

    steps: Positive
    losses: Annotated[dict[str, Weight], Field(min_length=1)]
    adversarial: Adversarial | None = None
    learning_rate: Rate | None = None  # None: the optimizer's

    @model_validator(mode="after")
    def _adversarial_is_whole(self) -> "Phase":
        if ("adversarial" in self.losses) != (self.adversarial is not None):
            raise ValueError(
                "the loss 'adversarial' needs the section 'adversarial: {objective: ...}' "
                "in the same phase, and the section needs the loss"
            )
        if self.adversarial is not None and self.adversarial.d_warmup >= self.steps:
            raise ValueError(
                f"d_warmup {self.adversarial.d_warmup} leaves none of the phase's {self.steps} "
                "steps to the generator"
            )
        return self

    def scaled(self, fraction: float) -> "Phase":
        """Return the phase with this fraction of its steps, at least one."""
        steps = max(1, round(self.steps * fraction))
        game = self.adversarial.scaled(fraction) if self.adversarial else None
        if game is not None and game.d_warmup >= steps:
            game = game.model_copy(update={"d_warmup": steps - 1})
        return self.model_copy(update={"steps": steps, "adversarial": game})


class Watched(Frozen):
    """A validation metric, and whether more or less of it is better.

    `accuracy` is of feature networks; `lpips` needs its weights here.
    """

    metric: Literal["psnr", "ssim", "mse", "lpips", "accuracy"] = "psnr"
    mode: Literal["max", "min"] = "max"

    @model_validator(mode="after")
    def _mode_is_of_the_metric(self) -> "Watched":
        wanted = "min" if self.metric in ("mse", "lpips") else "max"
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
