"""The threads of the service that compute; ready once the default model is warm."""

import asyncio
import logging
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

import anyio
import anyio.to_thread
from starlette.requests import ClientDisconnect, Request

from superres.config import ServingParams
from superres.serving.errors import UnavailableError
from superres.serving.job import Job
from superres.serving.jobs import Jobs, Progress
from superres.serving.models import Models
from superres.serving.pictures import video_limits

log = logging.getLogger(__name__)

Result = TypeVar("Result")
Question = Callable[[], bool]

WAITING_PER_THREAD = 4  # requests that may wait; one more is answered with 503
WATCH_SECONDS = 0.5  # between two looks whether the client is still there


class Runtime:
    """Limits, models, video jobs and a bounded number of threads for everything else.

    `jobs` is the folder of the video jobs; None is a temporary one.
    """

    def __init__(self, params: ServingParams, models: Models, jobs: Path | None = None) -> None:
        self.params = params
        self.models = models
        self.jobs = Jobs(jobs, self._upscale_video, params.result_ttl_seconds)
        self._threads = anyio.CapacityLimiter(params.threads)
        self._waiting = 0
        self._is_ready = threading.Event()
        self._failure: str | None = None

    def start(self) -> None:
        """Load and warm up the default model in a thread of its own."""
        threading.Thread(target=self.warm_up, name="superres-warm-up", daemon=True).start()

    def warm_up(self) -> None:
        """Open the default model and run it once; requests are refused until this is done."""
        import numpy as np

        try:
            self.models.get().pixels(np.zeros((64, 64, 3), np.uint8))
        except Exception as error:  # whatever it is, the answer must not be "loading" for ever
            self._failure = f"the model '{self.models.default}' cannot be served: {error}"
            log.exception("the model '%s' cannot be served", self.models.default)
        else:
            log.info("the model '%s' is ready", self.models.default)
            self._is_ready.set()

    @property
    def is_ready(self) -> bool:
        """Tell whether the default model is loaded and warm."""
        return self._is_ready.is_set()

    def require_ready(self) -> None:
        """Raise UnavailableError (503) until the model is loaded, or when it cannot be."""
        if self._failure is not None:
            raise UnavailableError(self._failure, code="model_unavailable", retry_after=60)
        if not self.is_ready:
            message = "the model is being loaded"
            raise UnavailableError(message, code="loading", retry_after=2)

    async def run(
        self, work: Callable[[Question], Result], request: Request | None = None
    ) -> Result:
        """Run `work(cancelled)` in a thread; `cancelled()` turns True when nobody waits any more.

        That is when the time is up or the client of `request`, whose body has been read, has
        left. Raises UnavailableError when too many wait already or the time is up.
        """
        self.require_ready()
        if self._waiting >= self.params.threads * (1 + WAITING_PER_THREAD):
            raise UnavailableError(f"{self._waiting} requests are being worked on or wait")
        given_up = threading.Event()
        watch = asyncio.create_task(_watch(request, given_up))
        self._waiting += 1
        try:
            with anyio.fail_after(self.params.timeout_seconds):
                return await anyio.to_thread.run_sync(
                    partial(work, given_up.is_set), limiter=self._threads, abandon_on_cancel=True
                )
        except TimeoutError:
            message = f"not done within {self.params.timeout_seconds} seconds"
            raise UnavailableError(message, code="timeout", retry_after=30) from None
        except Exception:
            if given_up.is_set():
                raise ClientDisconnect from None
            raise
        finally:
            given_up.set()
            watch.cancel()
            self._waiting -= 1

    def close(self) -> None:
        """Stop the videos."""
        self.jobs.close()

    def _upscale_video(self, job: Job, progress: Progress) -> None:
        self.models.get(job.model).video(
            job.upload,
            job.result,
            limits=video_limits(self.params),
            progress=progress,
            cancelled=job.stop.is_set,
        )


async def _watch(request: Request | None, given_up: threading.Event) -> None:
    """Set `given_up` once the client has left."""
    while request is not None:
        await asyncio.sleep(WATCH_SECONDS)
        if await request.is_disconnected():
            given_up.set()
            return
