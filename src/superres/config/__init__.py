"""What to run: params.yaml and experiments/*.yaml as frozen, fully checked values."""

from superres.config.experiment import (
    Adversarial,
    Best,
    EarlyStopping,
    Experiment,
    KeepBest,
    OptimizerSpec,
    Phase,
    ScheduleSpec,
    load_experiment,
    resolve_budget,
)
from superres.config.params import (
    DataParams,
    EvaluationParams,
    GateParams,
    Params,
    PerceptualParams,
    ServingParams,
    Source,
    TrackingParams,
    TrainingParams,
    load_params,
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
    "OptimizerSpec",
    "Params",
    "PerceptualParams",
    "Phase",
    "ScheduleSpec",
    "ServingParams",
    "Source",
    "TrackingParams",
    "TrainingParams",
    "load_experiment",
    "load_params",
    "resolve_budget",
]
