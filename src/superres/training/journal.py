"""What a run writes down: the Tracker protocol, its JSON-lines form, a fan-out and a null form.

The JSON-lines log is always written; `superres import-run` can bring it into MLflow later, so a
training needs no tracking server and no MLflow.
"""

import json
import os
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

from superres.atomic import write_bytes, write_text
from superres.errors import StorageError

Status = Literal["FINISHED", "FAILED", "KILLED"]


@dataclass(frozen=True)
class RunInfo:
    """What a run is, known before its first step."""

    name: str
    params: dict[str, str]
    tags: dict[str, str]
    folder: Path  # runs/<experiment>
    resume: bool = False
    step: int = 0  # where a resumed run goes on; later log lines are of the lost stretch


class Tracker(Protocol):
    """Records one run. No method may raise because of its store, nor make the training wait."""

    @property
    def run_id(self) -> str | None:
        """Return the store's name of the run, when it has one."""

    def start(self, run: RunInfo) -> None:
        """Begin or, with `run.resume`, continue the run."""

    def metrics(self, step: int, values: Mapping[str, float]) -> None:
        """Record figures of one step."""

    def image(self, step: int, name: str, png: bytes) -> None:
        """Record a picture."""

    def tag(self, step: int, name: str, value: str) -> None:
        """Label the run with something found on the way."""

    def finish(self, status: Status, model_folder: Path | None) -> None:
        """End the run."""


class NullTracker:
    """Records nothing."""

    run_id: str | None = None

    def start(self, run: RunInfo) -> None:
        """Ignore the run."""

    def metrics(self, step: int, values: Mapping[str, float]) -> None:
        """Ignore the figures."""

    def image(self, step: int, name: str, png: bytes) -> None:
        """Ignore the picture."""

    def tag(self, step: int, name: str, value: str) -> None:
        """Ignore the label."""

    def finish(self, status: Status, model_folder: Path | None) -> None:
        """Ignore the end."""


class JsonlTracker:
    """Appends to <folder>/log.jsonl; pictures go to <folder>/images."""

    run_id: str | None = None

    def __init__(self) -> None:
        self.folder = Path()

    def start(self, run: RunInfo) -> None:
        """Begin the log, or cut a resumed one back to the step the state is of."""
        self.folder = run.folder
        self.folder.mkdir(parents=True, exist_ok=True)
        kept = _lines_until(self._path, run.step) if run.resume else []
        try:
            write_text(self._path, "".join(kept))
        except OSError as error:
            raise self._not_written(error) from None
        if not kept:
            self._write("start", name=run.name, params=run.params, tags=run.tags)

    def metrics(self, step: int, values: Mapping[str, float]) -> None:
        """Append the figures of one step."""
        self._write("metrics", step=step, values=dict(values))

    def image(self, step: int, name: str, png: bytes) -> None:
        """Keep a picture beside the log."""
        file = self.folder / "images" / f"{name}-{step:08d}.png"
        try:
            write_bytes(file, png)
        except OSError as error:
            raise StorageError(f"{file}: the picture cannot be written ({error}).") from None
        relative = file.relative_to(self.folder).as_posix()
        self._write("image", step=step, name=name, file=relative)

    def tag(self, step: int, name: str, value: str) -> None:
        """Append a label."""
        self._write("tag", step=step, name=name, value=value)

    def finish(self, status: Status, model_folder: Path | None) -> None:
        """Append how the run ended; the model's path is relative to the run folder."""
        model = os.path.relpath(model_folder, self.folder) if model_folder else None
        self._write("finish", status=status, model=model)

    @property
    def _path(self) -> Path:
        return self.folder / "log.jsonl"

    def _write(self, kind: str, **content: Any) -> None:
        line = json.dumps({"kind": kind, "time": time.time(), **content})
        size = self._path.stat().st_size if self._path.exists() else 0
        try:
            with self._path.open("a", encoding="utf-8") as stream:
                stream.write(line + "\n")
        except OSError as error:
            os.truncate(self._path, size)  # no torn line in the middle of what follows
            raise self._not_written(error) from None

    def _not_written(self, error: OSError) -> StorageError:
        return StorageError(
            f"{self._path}: the journal cannot be written ({error}). The state saved last is "
            "whole; make room and start the same command again."
        )


class Trackers:
    """Several trackers as one."""

    def __init__(self, *trackers: Tracker) -> None:
        self.trackers = trackers

    @property
    def run_id(self) -> str | None:
        """Return the first name any of the stores gives the run."""
        return next((tracker.run_id for tracker in self.trackers if tracker.run_id), None)

    def start(self, run: RunInfo) -> None:
        """Begin the run everywhere."""
        for tracker in self.trackers:
            tracker.start(run)

    def metrics(self, step: int, values: Mapping[str, float]) -> None:
        """Record figures everywhere."""
        for tracker in self.trackers:
            tracker.metrics(step, values)

    def image(self, step: int, name: str, png: bytes) -> None:
        """Record a picture everywhere."""
        for tracker in self.trackers:
            tracker.image(step, name, png)

    def tag(self, step: int, name: str, value: str) -> None:
        """Label the run everywhere."""
        for tracker in self.trackers:
            tracker.tag(step, name, value)

    def finish(self, status: Status, model_folder: Path | None) -> None:
        """End the run everywhere, also after one that could not write that down."""
        failed = []
        for tracker in self.trackers:
            try:
                tracker.finish(status, model_folder)
            except StorageError as error:
                failed.append(error)
        if failed:
            raise failed[0]


class ProgressFile:
    """Writes <folder>/progress.json, at most once a second, for whoever follows the run.

    Nothing depends on it: on a full disk it is left as it was. `writes` False: it writes nothing.
    """

    def __init__(self, folder: Path, steps: int, writes: bool = True) -> None:
        self.path = folder / "progress.json"
        self.steps = steps
        self._latest: dict[str, Any] = {"step": 0, "steps": steps, "phase": 0}
        self._written = 0.0
        self._writes = writes

    def write(self, step: int, *, phase: int, eta_seconds: float) -> None:
        """Say where the run stands."""
        self._latest |= {"step": step, "phase": phase, "eta_seconds": round(eta_seconds, 1)}
        if time.monotonic() - self._written >= 1:
            self._replace("running")

    def end(self, status: str) -> None:
        """Say how the run ended: done, interrupted or failed."""
        self._latest["eta_seconds"] = 0.0
        self._replace(status)

    def _replace(self, status: str) -> None:
        self._written = time.monotonic()
        if self._writes:
            with suppress(OSError):
                write_text(self.path, json.dumps({**self._latest, "status": status}))


def _lines_until(path: Path, step: int) -> list[str]:
    """Return the log's lines of steps up to `step`; a torn last line is dropped.

    So is what is written when a run ends, by the run that was cut off while it did that.
    """
    kept: list[str] = []
    if not path.is_file():
        return kept
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        ends = entry["kind"] == "finish" or "seconds" in entry.get("values", ())
        if not ends and entry.get("step", 0) <= step:
            kept.append(line + "\n")
    return kept
