"""What to run: params.yaml and experiments/*.yaml as frozen, fully checked values."""

from superres.config.experiment import Experiment, load_experiment, resolve_budget
from superres.config.params import (
    DataParams,
    EvaluationParams,
    GateParams,
    MetricName,
    Params,
    PerceptualParams,
    ServingParams,
    Source,
    TrackingParams,
    TrainingParams,
    load_params,
)
from superres.config.phases import (
    Adversarial,
    Best,
    EarlyStopping,
    KeepBest,
    OptimizerSpec,
    Phase,
    Ramp,
    ScheduleSpec,
    Watched,
)

__all__ = [
    "Adversarial",
    "Best",
    "DataParams",
    "EarlyStopping",
    "EvaluationParams",
    "Experiment",
    "GateParams",
    "KeepBest",
    "MetricName",
    "OptimizerSpec",
    "Params",
    "PerceptualParams",
    "Phase",
    "Ramp",
    "ScheduleSpec",
    "ServingParams",
    "Source",
    "TrackingParams",
    "TrainingParams",
    "Watched",
    "load_experiment",
    "load_params",
    "resolve_budget",
]
