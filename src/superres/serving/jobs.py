"""Videos being upscaled: one at a time, each in a folder of its own, every one can be stopped.

<folder>/<task_id>/ holds job.json (status and progress), the upload and, at the end, video.mp4.
"""

import logging
import queue
import shutil
import tempfile
import threading
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import IO

from superres.atomic import opened_alone
from superres.errors import ConfigError, InputError, SuperresError
from superres.serving.errors import UnavailableError, error_body
from superres.serving.job import Job

log = logging.getLogger(__name__)

WAITING = 4  # videos that may wait behind the running one
KEPT = 20  # finished jobs whose results stay, however young
SWEEP_SECONDS = 30.0
STOP_SECONDS = 20.0  # how long a cancellation waits for the running frame

Progress = Callable[[int, int | None], None]
Work = Callable[[Job, Progress], None]  # job.upload -> job.result; raises once job.stop is set


class Jobs:
    """The table of video jobs and the thread that works it off.

    `folder` keeps jobs and results over a restart; None is a temporary folder. A folder belongs
    to one running service. Results are removed `ttl_seconds` after they are done.
    """

    def __init__(self, folder: Path | None, work: Work, ttl_seconds: float) -> None:
        self._temporary = None if folder else tempfile.TemporaryDirectory(prefix="superres-jobs-")
        self._folder = Path(self._temporary.name) if self._temporary else Path(folder or "")
        self._folder.mkdir(parents=True, exist_ok=True)
        self._lock_file = _locked(self._folder / ".lock")
        self._work = work
        self._ttl_seconds = ttl_seconds
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._jobs = {job.task_id: job for job in Job.restore(self._folder)}
        self._queue: queue.Queue[Job | None] = queue.Queue()
        self._thread = threading.Thread(target=self._loop, name="superres-jobs", daemon=True)
        self._thread.start()

    def submit(self, upload: IO[bytes], model: str, check: Callable[[Path], int | None]) -> Job:
        """Store the upload, let `check` look at it (-> number of frames), put it in the queue.

        Raises UnavailableError when enough videos wait, and what `check` raises.
        """
        self._sweep()
        job = Job(uuid.uuid4().hex, self._folder, model)
        with self._lock:
            if len(self._pending()) >= WAITING:
                message = f"{WAITING} videos are waiting already"
                raise UnavailableError(message, retry_after=60)
            self._jobs[job.task_id] = job
        try:
            job.folder.mkdir()
            with job.upload.open("wb") as file:
                shutil.copyfileobj(upload, file, 1 << 20)
            job.frames = check(job.upload)
            job.save()
        except BaseException as error:
            self._forget(job)
            if isinstance(error, InputError):
                message = _without_path(error, job)
                raise InputError(message, code=error.code, status=error.status) from None
            raise
        self._queue.put(job)
        return job

    def get(self, task_id: str) -> Job:
        """Return the job; InputError 404 when there is none (any more)."""
        self._sweep()
        job = self._jobs.get(task_id)
        if job is None:
            message = f"there is no task '{task_id}' (any more)"
            raise InputError(message, code="unknown_task", status=404)
        return job

    def position(self, job: Job) -> int:
        """Return how many videos will be worked on before this one."""
        before = [other for other in self._pending() if other.created < job.created]
        running = any(other.status == "in_progress" for other in list(self._jobs.values()))
        return len(before) + running if job.status == "pending" else 0

    def cancel(self, task_id: str) -> Job:
        """Stop the job and wait until it has stopped; InputError 409 when it is over already."""
        job = self.get(task_id)
        with self._lock:
            if job.is_over:
                message = f"task '{task_id}' is over already: {job.status}"
                raise InputError(message, code="already_over", status=409)
            job.stop.set()
            if job.status == "pending":
                job.finish("canceled")
        job.over.wait(STOP_SECONDS)
        return job

    def close(self) -> None:
        """Stop the running job and the thread; jobs that are not over count as failed."""
        self._closing.set()
        for job in list(self._jobs.values()):
            job.stop.set()
        self._queue.put(None)
        self._thread.join(STOP_SECONDS)
        self._lock_file.close()
        if self._temporary is not None:
            self._temporary.cleanup()

    def _loop(self) -> None:
        while True:
            try:
                job = self._queue.get(timeout=SWEEP_SECONDS)
            except queue.Empty:
                self._sweep()
                continue
            if job is None:
                return
            self._run(job)

    def _run(self, job: Job) -> None:
        with self._lock:
            if job.stop.is_set():
                return
            job.begin()
        try:
            self._work(job, job.progress)
        except Exception as error:
            if job.stop.is_set():
                job.interrupt() if self._closing.is_set() else job.finish("canceled")
                return
            if not isinstance(error, InputError):
                log.error("video %s failed", job.task_id, exc_info=error)
            job.finish("failed", _explained(error, job))
        else:
            job.finish("completed")

    def _pending(self) -> list[Job]:
        return [job for job in list(self._jobs.values()) if job.status == "pending"]

    def _sweep(self) -> None:
        over = sorted(
            (job for job in list(self._jobs.values()) if job.is_over), key=lambda job: job.finished
        )
        oldest = time.time() - self._ttl_seconds
        for number, job in enumerate(reversed(over)):
            if job.finished < oldest or number >= KEPT:
                self._forget(job)

    def _forget(self, job: Job) -> None:
        self._jobs.pop(job.task_id, None)
        shutil.rmtree(job.folder, ignore_errors=True)


def _explained(error: Exception, job: Job) -> dict[str, str]:
    if isinstance(error, InputError):
        body = error_body(error.code, _without_path(error, job), error.status)
    elif isinstance(error, SuperresError):
        body = error_body("failed", str(error), 500)
    else:
        body = error_body("failed", "an unexpected error, see the log of the service", 500)
    explained: dict[str, str] = body["error"]
    return explained


def _without_path(error: Exception, job: Job) -> str:
    return str(error).replace(f"{job.upload}: ", "")


def _locked(path: Path) -> IO[str]:
    file = opened_alone(path)
    if file is None:
        raise ConfigError(
            f"SUPERRES_JOBS: another service uses {path.parent}; give each its own folder."
        )
    return file
