"""The live tracker: a training's events into MLflow, without the training waiting for it."""

import json
import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from superres.atomic import write_text
from superres.errors import ConfigError
from superres.tracking.machine import Machine
from superres.tracking.run import Label, Point, Run, Still
from superres.tracking.spool import Spool
from superres.tracking.store import Settings, brief, connect

if TYPE_CHECKING:
    from superres.training.journal import RunInfo, Status

log = logging.getLogger(__name__)

MARKER = "mlflow.json"  # in a run folder: the MLflow run it is recorded in
PATIENCE_SECONDS = 60.0  # at the end, for the store to take what is left
KILLED_SECONDS = 5.0  # the same when the process was told to go
SAMPLE_SECONDS = 10.0  # between two samples of the machine's load


@dataclass(frozen=True)
class End:
    """How a run ended, and the model folder it left."""

    time: float
    status: "Status"
    model_folder: Path | None


class MlflowTracker:
    """A Tracker (superres.training.journal) that records into MLflow from a thread of its own.

    A store that does not answer costs one warning with the cure and the rest of the record; the
    run's journal keeps everything.
    """

    def __init__(
        self,
        settings: Settings,
        root: Path | None = None,
        *,
        patience_seconds: float = PATIENCE_SECONDS,
        sample_seconds: float = SAMPLE_SECONDS,
    ) -> None:
        self._settings = settings
        self._root = (root or Path()).resolve()
        self._patience_seconds = patience_seconds
        self._sample_seconds = sample_seconds
        self._recorder: Recorder | None = None
        self._spool: Spool[Point | Still | Label] | None = None
        self._folder = Path()

    @property
    def run_id(self) -> str | None:
        """Return MLflow's name of the run; waits, a little, while it is still being opened.

        Made for the end of a training: earlier it may take the seconds MLflow needs to start.
        """
        if self._spool is None or self._recorder is None:
            return None
        self._spool.wait_until_open(self._patience_seconds)
        return self._recorder.run.run_id if self._recorder.run else None

    def start(self, run: "RunInfo") -> None:
        """Begin to open the run, or with `run.resume` the one that the run folder names."""
        self._folder = run.folder
        self._recorder = Recorder(self._settings, self._root, run, self._sample_seconds)
        self._spool = Spool(self._recorder, self._warn)
        self._spool.start()

    def metrics(self, step: int, values: Mapping[str, float]) -> None:
        """Queue the figures of one step."""
        if self._spool:
            self._spool.put(Point(time.time(), step, dict(values)))

    def image(self, step: int, name: str, png: bytes) -> None:
        """Queue a picture."""
        if self._spool:
            self._spool.put(Still(time.time(), step, name, png))

    def tag(self, step: int, name: str, value: str) -> None:
        """Queue a label."""
        if self._spool:
            self._spool.put(Label(name, value))

    def finish(self, status: "Status", model_folder: Path | None) -> None:
        """Write what is queued, the model folder and the status, within the time allowed."""
        if self._spool is None or self._recorder is None:
            return
        self._recorder.end = End(time.time(), status, model_folder)
        killed = min(KILLED_SECONDS, self._patience_seconds)
        self._spool.close(killed if status == "KILLED" else self._patience_seconds)

    def _warn(self, reason: Exception) -> None:
        log.warning(
            "MLflow lacks this run, or a part of it: %s\n"
            "The training goes on and its journal is whole; later: superres import-run %s",
            reason if isinstance(reason, ConfigError) else brief(reason),
            self._folder,
        )


class Recorder:
    """Writes one training's events into an MLflow run; runs in the spool's thread."""

    def __init__(
        self, settings: Settings, root: Path, info: "RunInfo", sample_seconds: float
    ) -> None:
        self.run: Run | None = None
        self.end: End | None = None
        self._settings = settings
        self._root = root
        self._info = info
        self._began = time.time()
        self._step = info.step
        self._sample_seconds = sample_seconds
        self._next_sample = 0.0
        self._machine: Machine | None = None

    def open(self) -> None:
        """Open the run that the marker in the run folder names, or a new one."""
        store = connect(self._settings, self._root)
        run = store.reopen(read_marker(self._info.folder)) if self._info.resume else None
        if run is None:
            run = store.create(self._info.name, self._began, self._info.tags)
        else:
            run.read_back()
            run.running()
        run.describe(self._info.params, self._info.tags)
        write_marker(self._info.folder, run)
        self._machine = Machine()
        self.run = run

    def write(self, events: Sequence[Point | Still | Label]) -> None:
        """Write the figures as one batch, then pictures and labels."""
        assert self.run is not None
        assert self._machine is not None
        points = [event for event in events if isinstance(event, Point)]
        self._step = max((point.step for point in points), default=self._step)
        now = time.time()
        if now >= self._next_sample:
            self._next_sample = now + self._sample_seconds
            # Steps of these are seconds, as in MLflow's own: they are drawn over time.
            points.append(Point(now, round(now - self.run.started), self._machine.sample()))
        self.run.points(points)
        for event in events:
            if isinstance(event, Still):
                self.run.still(event)
            elif isinstance(event, Label):
                self.run.tag(event.name, event.value)

    def close(self) -> None:
        """Write the time spent, the model folder and how it ended."""
        assert self.run is not None
        assert self.end is not None
        spent = (self.run.metric("wall_seconds") or 0.0) + self.end.time - self._began
        self.run.points([Point(self.end.time, self._step, {"wall_seconds": round(spent, 3)})])
        if self.end.model_folder:
            self.run.model(self.end.model_folder)
        self.run.end(self.end.status, self.end.time)


def read_marker(folder: Path) -> str | None:
    """Return the MLflow run a run folder is recorded in, if any."""
    try:
        return str(json.loads((folder / MARKER).read_text(encoding="utf-8"))["run_id"])
    except (OSError, ValueError, KeyError):
        return None


def write_marker(folder: Path, run: Run) -> None:
    """Note in the run folder where it is recorded; resuming and importing go on there."""
    write_text(folder / MARKER, json.dumps({"run_id": run.run_id, "link": run.link}) + "\n")
