"""Videos being upscaled: one at a time, each in a folder of its own, every one can be stopped.

<folder>/<task_id>/ holds job.json (status and progress), the upload, the finished segments and,
at the end, video.mp4 alone.
"""

import errno
import logging
import queue
import shutil
import tempfile
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, get_args

from superres.errors import InputError
from superres.serving import measures
from superres.serving.errors import UnavailableError, explained
from superres.serving.job import Job, Progress, Status
from superres.serving.job_folder import locked, require_space
from superres.serving.logs import request_id
from superres.serving.pool import stand_back

log = logging.getLogger(__name__)

WAITING = 4  # videos that may wait behind the running one
KEPT = 20  # completed jobs whose results stay, however young
KEPT_NOTES = 200  # failed and cancelled ones, of which only job.json is left
SWEEP_SECONDS = 30.0
STOP_SECONDS = 20.0  # how long a cancellation waits for the running frame
MOST_BYTES = 4 << 30
SUBMIT = "/upscale_video/submit"  # whose words explain what failed

Work = Callable[[Job, Progress], None]  # job.upload -> job.result; raises once job.stop is set


class Jobs:
    """The table of video jobs and the thread that works it off, at a lower priority.

    `folder` keeps jobs and results over a restart; None is a temporary folder. A folder belongs
    to one running service. Results are removed `ttl_seconds` after they are done, and no video is
    taken, or goes on, while all of them have more than `most_bytes` on disk.
    """

    def __init__(
        self,
        folder: Path | None,
        work: Work,
        ttl_seconds: float,
        most_bytes: int = MOST_BYTES,
        niceness: int = 0,
    ) -> None:
        self._temporary = None if folder else tempfile.TemporaryDirectory(prefix="superres-jobs-")
        self._folder = Path(self._temporary.name) if self._temporary else Path(folder or "")
        self._folder.mkdir(parents=True, exist_ok=True)
        self._lock_file = locked(self._folder)
        self._work = work
        self._ttl_seconds = ttl_seconds
        self._most_bytes = most_bytes
        self._niceness = niceness
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._jobs = {job.task_id: job for job in Job.restore(self._folder)}
        self._queue: queue.Queue[Job | None] = queue.Queue()
        for job in sorted(self._waiting(), key=lambda job: (job.status, job.created)):
            self._queue.put(job)  # "interrupted" before "pending"
        self._thread = threading.Thread(target=self._loop, name="superres-jobs", daemon=True)

    def start(self) -> None:
        """Begin with what waits; does nothing the second time."""
        with self._lock:
            if self._thread.ident is None:
                self._thread.start()

    def submit(self, upload: IO[bytes], model: str, check: Callable[[Path], int | None]) -> Job:
        """Store the upload, let `check` look at it (-> number of frames), put it in the queue.

        Raises UnavailableError when enough videos wait or lie on disk, and what `check` raises.
        """
        self.require_room()
        job = Job(uuid.uuid4().hex, self._folder, model)
        with self._lock:
            self._require_line()
            self._jobs[job.task_id] = job
        try:
            self._store(job, upload, check)
        except BaseException as error:
            self._forget(job)
            if isinstance(error, InputError):
                message = str(error).replace(f"{job.upload}: ", "")
                raise InputError(message, code=error.code, status=error.status) from None
            if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise UnavailableError("the disk is full", code="quota", retry_after=60) from None
            raise
        self._queue.put(job)
        self._count()
        self.start()
        return job

    def require_room(self) -> None:
        """Raise UnavailableError when enough videos wait or lie on disk: none need be read then."""
        self._sweep()
        require_space(self._folder, self._most_bytes, self._seconds_to_room())
        self._require_line()

    def get(self, task_id: str) -> Job:
        """Return the job; InputError 404 when there is none (any more)."""
        self._sweep()
        job = self._jobs.get(task_id)
        if job is None:
            message = f"there is no task '{task_id[:64]}' (any more)"
            raise InputError(message, code="unknown_task", status=404)
        return job

    def describe(self, job: Job) -> dict[str, Any]:
        """Return what the job says of itself, its place in the line and when its result goes."""
        ends = job.finished + self._ttl_seconds if job.is_over else None
        expires = None if ends is None else datetime.fromtimestamp(ends, UTC).isoformat()
        return {**job.describe(), "queue_position": self.position(job), "expires_at": expires}

    def position(self, job: Job) -> int:
        """Return how many videos will be worked on before this one."""
        before = [other for other in self._waiting() if other.created < job.created]
        running = any(other.status == "in_progress" for other in list(self._jobs.values()))
        return len(before) + running if job.waits else 0

    def cancel(self, task_id: str) -> Job:
        """Stop the job and wait until it has stopped; InputError 409 when it is over already."""
        job = self.get(task_id)
        with self._lock:
            if job.is_over:
                message = f"task '{task_id}' is over already: {job.status}"
                raise InputError(message, code="already_over", status=409)
            job.stop.set()
            if job.waits:
                job.finish("canceled")
        job.over.wait(STOP_SECONDS)
        self._count()
        return job

    def close(self) -> None:
        """Stop the running job and the thread; what is not over goes on at the next start."""
        self._closing.set()
        for job in list(self._jobs.values()):
            job.stop.set()
        self._queue.put(None)
        if self._thread.ident is not None:
            self._thread.join(STOP_SECONDS)
        self._lock_file.close()
        if self._temporary is not None:
            self._temporary.cleanup()

    def _require_line(self) -> None:
        if len(self._waiting()) >= WAITING:
            measures.refused("videos")
            raise UnavailableError(f"{WAITING} videos are waiting already", retry_after=60)

    def _store(self, job: Job, upload: IO[bytes], check: Callable[[Path], int | None]) -> None:
        job.folder.mkdir()
        with job.upload.open("wb") as file:
            shutil.copyfileobj(upload, file, 1 << 20)
        require_space(self._folder, self._most_bytes, self._seconds_to_room())
        job.frames = check(job.upload)
        job.save()

    def _loop(self) -> None:
        stand_back(self._niceness)  # pictures have a client that waits
        while True:
            try:
                job = self._queue.get(timeout=SWEEP_SECONDS)
            except queue.Empty:
                self._sweep()
                continue
            if job is None:
                return
            token = request_id.set(job.request_id)
            self._run(job)
            request_id.reset(token)
            self._count()

    def _run(self, job: Job) -> None:
        with self._lock:
            if job.stop.is_set():
                return
            job.begin()
        self._count()
        _note(job, "begins")

        def progress(done: int, frames: int | None) -> None:
            if job.progress(done, frames):
                require_space(self._folder, self._most_bytes, self._seconds_to_room())

        try:
            self._work(job, progress)
        except Exception as error:
            if job.stop.is_set():
                job.interrupt() if self._closing.is_set() else job.finish("canceled")
            else:
                if not isinstance(error, InputError):
                    log.error("video %s failed", job.task_id, exc_info=error)
                job.finish("failed", _explained(error, job))
        else:
            job.finish("completed")
        _note(job, f"is {job.status}")

    def _waiting(self) -> list[Job]:
        return [job for job in list(self._jobs.values()) if job.waits]

    def _count(self) -> None:
        found = Counter(job.status for job in list(self._jobs.values()))
        measures.videos({status: found[status] for status in get_args(Status)})

    def _seconds_to_room(self) -> int:
        """Return how long the oldest result still lies there."""
        jobs = list(self._jobs.values())
        ends = [job.finished + self._ttl_seconds for job in jobs if job.status == "completed"]
        return max(1, round(min(ends, default=time.time() + 60) - time.time()))

    def _sweep(self) -> None:
        over = [job for job in list(self._jobs.values()) if job.is_over]
        over.sort(key=lambda job: -job.finished)
        # Apart: tasks that somebody cancels must not drive out what others wait for.
        results = [job for job in over if job.status == "completed"]
        notes = [job for job in over if job.status != "completed"]
        oldest = time.time() - self._ttl_seconds
        for group, most in ((results, KEPT), (notes, KEPT_NOTES)):
            for number, job in enumerate(group):
                if job.finished < oldest or number >= most:
                    self._forget(job)

    def _forget(self, job: Job) -> None:
        self._jobs.pop(job.task_id, None)
        shutil.rmtree(job.folder, ignore_errors=True)


def _note(job: Job, what: str) -> None:
    """Write a line of the log; the request that handed the video in stands in it."""
    names = ("task_id", "status", "model", "version", "frames_done", "elapsed_seconds")
    facts = {name: value for name, value in job.describe().items() if name in names}
    log.info("video %s %s", job.task_id, what, extra={"facts": facts})


def _explained(error: Exception, job: Job) -> dict[str, str]:
    told: dict[str, str] = explained(error, SUBMIT)["error"]
    return {**told, "message": told["message"].replace(f"{job.upload}: ", "")}
