"""One video job: its status and progress, in memory and in job.json beside the upload."""

import json
import logging
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from superres.atomic import write_text
from superres.serving.errors import error_body

log = logging.getLogger(__name__)

Status = Literal["pending", "in_progress", "completed", "failed", "canceled"]  # BentoML's words

SAVE_SECONDS = 1.0  # between two writes of the progress


class Job:
    """A video on its way; times are seconds since 1970. `stop` asks for its end, `over` is it."""

    def __init__(self, task_id: str, table: Path, model: str) -> None:
        self.task_id = task_id
        self.folder = table / task_id
        self.model = model
        self.status: Status = "pending"
        self.created = time.time()
        self.started = 0.0
        self.finished = 0.0
        self.done = 0
        self.frames: int | None = None
        self.error: dict[str, str] | None = None
        self.stop = threading.Event()
        self.over = threading.Event()
        self._saved = 0.0

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

    def begin(self) -> None:
        """Note that the work has begun."""
        self.status = "in_progress"
        self.started = time.time()
        self.save()

    def progress(self, done: int, frames: int | None) -> None:
        """Note the frames done and, if known, how many there are."""
        self.done, self.frames = done, frames
        if time.time() - self._saved > SAVE_SECONDS:
            self.save()

    def finish(self, status: Status, error: dict[str, str] | None = None) -> None:
        """Note the end; the upload is not needed any more."""
        self.upload.unlink(missing_ok=True)
        self.finished = time.time()
        self.error = error
        self.status = status
        self.save()
        self.over.set()

    def interrupt(self) -> None:
        """Note that the service ended before the job did."""
        message = "the service stopped before the video was done"
        self.finish("failed", error_body("interrupted", message, 503)["error"])

    def describe(self) -> dict[str, Any]:
        """Return status, percentage and estimated seconds left as plain JSON values."""
        now = self.finished or time.time()
        elapsed = now - self.started if self.started else 0.0
        total = self.frames
        left = None
        if self.status == "in_progress" and self.done and total:
            left = round(elapsed / self.done * max(0, total - self.done), 1)
        content = {
            "task_id": self.task_id,
            "status": self.status,
            "model": self.model,
            "percent": _percent(self.status, self.done, total),
            "frames_done": self.done,
            "frames": total,
            "elapsed_seconds": round(elapsed, 1),
            "eta_seconds": left,
            "created_at": datetime.fromtimestamp(self.created, UTC).isoformat(),
        }
        return content if self.error is None else {**content, "error": self.error}

    def save(self) -> None:
        """Write job.json."""
        self._saved = time.time()
        times = {"created": self.created, "started": self.started, "finished": self.finished}
        write_text(self.folder / "job.json", json.dumps({**self.describe(), **times}))

    @classmethod
    def restore(cls, table: Path) -> "Iterator[Job]":
        """Read the jobs of an earlier service; what it had not finished has failed."""
        for file in sorted(table.glob("*/job.json")):
            try:
                content = json.loads(file.read_text(encoding="utf-8"))
                job = cls(file.parent.name, table, content["model"])
                job.status, job.error = content["status"], content.get("error")
                job.done, job.frames = content["frames_done"], content["frames"]
                job.created, job.started = content["created"], content["started"]
                job.finished = content["finished"]
            except (OSError, ValueError, KeyError, TypeError) as error:
                log.warning("%s: not a job, passed over (%r)", file, error)
                continue
            if not job.is_over:
                job.interrupt()
            job.over.set()
            yield job


def _percent(status: Status, done: int, frames: int | None) -> float | None:
    if status == "completed":
        return 100.0
    if status == "pending":
        return 0.0
    # The last frame is not the end: the sound is put between the pictures after it.
    return min(99.9, round(100 * done / frames, 1)) if frames else None
