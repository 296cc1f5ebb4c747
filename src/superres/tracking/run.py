"""One MLflow run: what is written, and what is already there."""

import io
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from mlflow import MlflowClient

    from superres.training.journal import Status

BATCH_METRICS = 1000  # MLflow's limits for one request
BATCH_PARAMS = 100
LONGEST_VALUE = 5000

Item = TypeVar("Item")


@dataclass(frozen=True)
class Point:
    """Metrics of one step; `time` in seconds since the epoch."""

    time: float
    step: int
    values: Mapping[str, float]


@dataclass(frozen=True)
class Still:
    """A PNG drawn at one step."""

    time: float
    step: int
    name: str
    png: bytes


@dataclass(frozen=True)
class Label:
    """Something found on the way, as a tag of the run."""

    name: str
    value: str


class Run:
    """A run that can be written to; every method speaks to the store and may fail."""

    def __init__(
        self, client: "MlflowClient", run_id: str, *, started: float, link: str | None
    ) -> None:
        self.run_id = run_id
        self.started = started  # seconds since the epoch
        self.link = link
        self._client = client
        self._metrics: set[tuple[str, int]] = set()
        self._stills: set[tuple[str, int]] = set()

    def read_back(self) -> None:
        """Look up what the run holds, so that the same step is not written twice."""
        for key in self._client.get_run(self.run_id).data.metrics:
            history = self._client.get_metric_history(self.run_id, key)
            self._metrics.update((key, metric.step) for metric in history)
        for artifact in self._client.list_artifacts(self.run_id, "images"):
            named = re.fullmatch(r"images/(.+)\+step\+(\d+)\+timestamp\+.*\.png", artifact.path)
            if named:
                self._stills.add((named[1], int(named[2])))

    def describe(self, params: Mapping[str, str], tags: Mapping[str, str]) -> None:
        """Write parameters and tags; a parameter changed on the way becomes a tag.

        MLflow never changes a parameter, and a resumed run may, for instance, use more threads.
        """
        from mlflow.entities import Param, RunTag

        known = self._client.get_run(self.run_id).data.params
        params = {_key(key): _value(value) for key, value in params.items()}
        changed = {key for key, value in params.items() if known.get(key, value) != value}
        labels = {_key(key): _value(value) for key, value in tags.items()}
        labels |= {f"resumed.{key}": params[key] for key in changed}
        report = re.match(r"R\d\b", labels.get("source", ""))
        if report:
            labels["report"] = report[0]  # which of the five reports: a column to filter by
        if "git_commit" in labels:
            labels["mlflow.source.git.commit"] = labels["git_commit"]  # what MLflow's page shows
        new = [Param(key, value) for key, value in params.items() if key not in known]
        for batch in _batches(new, BATCH_PARAMS):
            self._client.log_batch(self.run_id, params=batch)
        for some in _batches([RunTag(*label) for label in labels.items()], BATCH_PARAMS):
            self._client.log_batch(self.run_id, tags=some)

    def points(self, points: Iterable[Point]) -> None:
        """Write the figures that are not there yet."""
        from mlflow.entities import Metric

        metrics = [
            Metric(_key(key), float(value), round(point.time * 1000), point.step)
            for point in points
            for key, value in point.values.items()
            if (_key(key), point.step) not in self._metrics
        ]
        for batch in _batches(metrics, BATCH_METRICS):
            self._client.log_batch(self.run_id, metrics=batch)

    def still(self, still: Still) -> None:
        """Write a picture where MLflow's page shows it with a slider over the steps."""
        from PIL import Image

        key = _key(still.name).replace(":", "_")
        if (key.replace("/", "~"), still.step) in self._stills:
            return
        with Image.open(io.BytesIO(still.png)) as picture:
            self._client.log_image(
                self.run_id,
                picture,
                key=key,
                step=still.step,
                timestamp=round(still.time * 1000),
                synchronous=True,
            )

    def model(self, folder: Path) -> None:
        """Write the model folder as the run's artifact folder `model`."""
        self._client.log_artifacts(self.run_id, str(folder), "model")

    def tag(self, key: str, value: str) -> None:
        """Write one tag."""
        self._client.set_tag(self.run_id, _key(key), _value(value))

    def tags(self) -> dict[str, str]:
        """Return the run's tags."""
        return dict(self._client.get_run(self.run_id).data.tags)

    def metric(self, key: str) -> float | None:
        """Return the last value of a metric."""
        value = self._client.get_run(self.run_id).data.metrics.get(key)
        return None if value is None else float(value)

    def running(self) -> None:
        """Mark a run that ended as going on."""
        self._client.update_run(self.run_id, status="RUNNING")

    def end(self, status: "Status", ended: float) -> None:
        """Mark the run as ended; `ended` in seconds since the epoch."""
        self._client.set_terminated(self.run_id, status, round(ended * 1000))


def _batches(items: Sequence[Item], size: int) -> list[Sequence[Item]]:
    return [items[start : start + size] for start in range(0, len(items), size)]


def _key(name: str) -> str:
    return re.sub(r"[^0-9A-Za-z_\-. /:]", "_", name)[:250]


def _value(value: str) -> str:
    return str(value)[:LONGEST_VALUE]
