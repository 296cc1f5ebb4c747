"""One video job: its status and progress, in memory and in job.json beside the upload."""

import json
import logging
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from superres.atomic import write_text
from superres.serving.errors import error_body
from superres.serving.logs import request_id

log = logging.getLogger(__name__)

# BentoML's words, and one of ours: the service has ended, the next one goes on with it.
Status = Literal["pending", "in_progress", "interrupted", "completed", "failed", "canceled"]
Progress = Callable[[int, int | None], None]

SAVE_SECONDS = 1.0  # between two writes of the progress
MOST_INTERRUPTIONS = 5  # a video that ends the service so often is not tried again


class Job:
    """A video on its way; times are seconds since 1970. `stop` asks for its end, `over` is it."""

    def __init__(self, task_id: str, table: Path, model: str) -> None:
        self.task_id = task_id
        self.folder = table / task_id
        self.model = model
        self.version: str | None = None  # the weights it began with
        self.request_id = request_id.get()  # of who handed it in, for the log
        self.status: Status = "pending"
        self.created = time.time()
        self.started = 0.0
        self.finished = 0.0
        self.done = 0
        self.frames: int | None = None
        self.interruptions = 0
        self.error: dict[str, str] | None = None
        self.stop = threading.Event()
        self.over = threading.Event()
        self._saved = 0.0
        self._first: tuple[int, float] | None = None  # frames and time at this service's first word

    @property
    def upload(self) -> Path:
        """The video as it came."""
        return self.folder / "upload"

    @property
    def result(self) -> Path:
        """The upscaled video, there once the job is completed."""
        return self.folder / "video.mp4"

    @property
    def is_over(self) -> bool:
        """Tell whether nothing will happen any more."""
        return self.status in ("completed", "failed", "canceled")

    @property
    def waits(self) -> bool:
        """Tell whether it is in the line."""
        return self.status in ("pending", "interrupted")

    def begin(self) -> None:
        """Note that the work has begun, or goes on."""
        self.status = "in_progress"
        self.started = self.started or time.time()
        self.save()

    def begin_anew(self) -> bool:
        """Remove what an earlier service had done; tell whether there was anything."""
        was = self.done > 0 or any(self.folder.glob(".*.parts"))
        self._clear({self.upload.name, "job.json"})
        self.done, self._first = 0, None
        return was

    def progress(self, done: int, frames: int | None) -> bool:
        """Note the frames done and, if known, how many there are; tell whether it was saved."""
        self.done, self.frames = done, frames
        if self._first is None:
            self._first = (done, time.time())
        if time.time() - self._saved <= SAVE_SECONDS:
            return False
        self.save()
        return True

    def finish(self, status: Status, error: dict[str, str] | None = None) -> None:
        """Note the end; of the files only the result stays."""
        self._clear({"job.json", self.result.name} if status == "completed" else {"job.json"})
        self.finished = time.time()
        self.error = error
        self.status = status
        self.save()
        self.over.set()

    def interrupt(self) -> None:
        """Note that the service ended before the job did; finished segments stay."""
        self.interruptions += 1
        if self.interruptions >= MOST_INTERRUPTIONS:
            message = f"the service ended {self.interruptions} times while it worked on this video"
            self.finish("failed", error_body("interrupted", message, 503)["error"])
            return
        self.status = "interrupted"
        self.save()
        self.over.set()

    def describe(self) -> dict[str, Any]:
        """Return status, percentage and estimated seconds left as plain JSON values."""
        now = self.finished or time.time()
        content = {
            "task_id": self.task_id,
            "status": self.status,
            "model": self.model,
            "version": self.version,
            "percent": _percent(self.status, self.done, self.frames),
            "frames_done": self.done,
            "frames": self.frames,
            "elapsed_seconds": round(now - self.started if self.started else 0.0, 1),
            "eta_seconds": self._seconds_left(),
            "interruptions": self.interruptions,
            "created_at": datetime.fromtimestamp(self.created, UTC).isoformat(),
        }
        return content if self.error is None else {**content, "error": self.error}

    def save(self) -> None:
        """Write job.json."""
        self._saved = time.time()
        times = {"created": self.created, "started": self.started, "finished": self.finished}
        known = {**self.describe(), **times, "request_id": self.request_id}
        write_text(self.folder / "job.json", json.dumps(known))

    @classmethod
    def restore(cls, table: Path) -> "Iterator[Job]":
        """Read the jobs of an earlier service; what it had begun and not finished is interrupted.

        What is no job, an upload that broke off among it, is removed.
        """
        for folder in sorted(path for path in table.iterdir() if path.is_dir()):
            try:
                content = json.loads((folder / "job.json").read_text(encoding="utf-8"))
                job = cls(folder.name, table, content["model"])
                job.status, job.error = content["status"], content.get("error")
                job.done, job.frames = content["frames_done"], content["frames"]
                job.created, job.started = content["created"], content["started"]
                job.finished = content["finished"]
                job.version, job.request_id = content.get("version"), content.get("request_id")
                job.interruptions = content.get("interruptions", 0)
            except (OSError, ValueError, KeyError, TypeError) as error:
                log.warning("%s: not a job, removed (%r)", folder, error)
                shutil.rmtree(folder, ignore_errors=True)
                continue
            if job.status == "in_progress":
                job.interrupt()
            job.over.clear()
            if job.is_over:
                job.over.set()
            yield job

    def _seconds_left(self) -> float | None:
        if self.status != "in_progress" or not self.frames or self._first is None:
            return None
        frames, since = self._first
        if self.done <= frames:
            return None
        left = max(0, self.frames - self.done)
        return round((time.time() - since) / (self.done - frames) * left, 1)

    def _clear(self, kept: set[str]) -> None:
        for path in self.folder.iterdir():
            if path.name in kept:
                continue
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)


def _percent(status: Status, done: int, frames: int | None) -> float | None:
    if status == "completed":
        return 100.0
    if not done and status == "pending":
        return 0.0
    # The last frame is not the end: the sound is put between the pictures after it.
    return min(99.9, round(100 * done / frames, 1)) if frames else None
