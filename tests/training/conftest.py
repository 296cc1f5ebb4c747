"""A small pack that all training tests read, and a tracker that remembers."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import pytest
import torch
from trainings import parameters, small_pack

from superres.config import Experiment
from superres.data.sampler import Sampler
from superres.training.journal import RunInfo, Status
from superres.training.trainer import Setting, Trainer
from superres.training.validation import Validation

torch.set_num_threads(1)  # more only stand in each other's way on networks this small


@pytest.fixture(scope="session")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_pack(tmp_path_factory.mktemp("training") / "pairs")


class Recorder:
    """A tracker that keeps what it is told."""

    run_id: str | None = "run-7"

    def __init__(self) -> None:
        self.started: list[RunInfo] = []
        self.figures: list[tuple[int, dict[str, float]]] = []
        self.images: list[tuple[int, str, bytes]] = []
        self.tags: list[tuple[int, str, str]] = []
        self.finished: list[tuple[Status, Path | None]] = []

    def start(self, run: RunInfo) -> None:
        self.started.append(run)

    def metrics(self, step: int, values: Mapping[str, float]) -> None:
        self.figures.append((step, dict(values)))

    def image(self, step: int, name: str, png: bytes) -> None:
        self.images.append((step, name, png))

    def tag(self, step: int, name: str, value: str) -> None:
        self.tags.append((step, name, value))

    def finish(self, status: Status, model_folder: Path | None) -> None:
        self.finished.append((status, model_folder))

    def of(self, name: str) -> dict[int, Any]:
        """Return step -> value of one figure."""
        return {step: values[name] for step, values in self.figures if name in values}


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


class MakeTrainer(Protocol):
    def __call__(
        self, experiment: Experiment, validation: Any = None, **training: Any
    ) -> Trainer: ...


@pytest.fixture
def make_trainer(pack: Path, tmp_path: Path) -> MakeTrainer:
    """Build a trainer on the small pack whose state is in the test's folder."""

    def make(experiment: Experiment, validation: Any = None, **training: Any) -> Trainer:
        params = parameters(**training).training
        sampler = Sampler(pack, "train", hr_patch=experiment.hr_patch, seed=1)
        setting = Setting(params, 1, "cpu", tmp_path / "runs" / "state.pt", "this")
        judged = validation or Validation(pack, 2, 1, "cpu")
        return Trainer(experiment, sampler, judged, setting)

    return make
