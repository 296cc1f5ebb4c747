"""What the addresses share: limits, models, video jobs, and the threads that compute."""

import asyncio
import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from starlette.requests import ClientDisconnect, Request

from superres.config import ServingParams
from superres.serving.errors import UnavailableError
from superres.serving.jobs import Jobs
from superres.serving.models import Models
from superres.serving.places import Places
from superres.serving.pool import Pool, Question
from superres.serving.videos import Footage

log = logging.getLogger(__name__)

Result = TypeVar("Result")

WATCH_SECONDS = 0.5  # between two looks whether the client is still there
REFRESH_SECONDS = 1.0  # between two looks whether a model was replaced
MOST_ARCHIVES = 2  # at the same time


class Runtime:
    """Limits, models, video jobs and a bounded number of threads for everything else.

    `jobs` is the folder of the video jobs; None is a temporary one. `key`: what requests must
    show, None for nothing.
    """

    def __init__(
        self,
        params: ServingParams,
        models: Models,
        jobs: Path | None = None,
        key: str | None = None,
    ) -> None:
        self.params = params
        self.models = models
        self.key = key or None
        work = Footage(models, params)
        kept = (params.result_ttl_seconds, params.jobs_bytes)
        self.jobs = Jobs(jobs, work, *kept, niceness=params.video_niceness)
        self.archives = Places(MOST_ARCHIVES, "archives")
        self._pool = Pool(params.threads, params.max_waiting)
        self._is_ready = threading.Event()
        self._closing = threading.Event()
        self._failure: str | None = None

    def start(self) -> None:
        """Load and warm up the default model, then watch for new ones, in a thread of its own."""
        threading.Thread(target=self._watch_models, name="superres-models", daemon=True).start()

    def warm_up(self) -> None:
        """Open the default model and run it once; requests are refused until this is done."""
        try:
            self.models.warm()
        except Exception as error:  # whatever it is, the answer must not be "loading" for ever
            failure = f"the model '{self.models.default}' cannot be served: {error}"
            if failure != self._failure:
                log.exception("the model '%s' cannot be served", self.models.default)
            self._failure = failure
        else:
            self._failure = None
            log.info("the model '%s' is ready", self.models.default)
            self._is_ready.set()
            self.jobs.start()  # not before: what an earlier service left needs the model as well

    @property
    def is_ready(self) -> bool:
        """Tell whether the default model is loaded and warm, and the end has not begun."""
        return self._is_ready.is_set() and not self._closing.is_set()

    def require_ready(self) -> None:
        """Raise UnavailableError (503) until the model is loaded, or when it cannot be."""
        if self.is_ready:
            return
        if self._failure is not None:
            raise UnavailableError(self._failure, code="model_unavailable", retry_after=60)
        raise UnavailableError("the model is being loaded", code="loading", retry_after=2)

    def require_room(self, address: str = "") -> None:
        """Raise UnavailableError (503) when not ready or too many wait, there or at all."""
        self.require_ready()
        self._pool.require_room()
        if address == "/upscale_batch":
            self.archives.require()
        elif address == "/upscale_video/submit":
            self.jobs.require_room()

    async def run(
        self,
        work: Callable[[Question], Result],
        request: Request | None = None,
        *,
        pixels: int = 0,
        is_patient: bool = False,
    ) -> Result:
        """Run `work(cancelled)` in a thread; `cancelled()` turns True when nobody waits any more.

        That is when the time is up or the client of `request`, whose body has been read, has
        left. Raises UnavailableError when the time is up or too many wait already, except who
        `is_patient`: a part of something that has been let in. `pixels`: about how large it is.
        """
        if not is_patient:
            self.require_room()
        given_up, left = threading.Event(), threading.Event()
        watch = asyncio.create_task(_watch(request, given_up, left))
        try:
            return await self._pool.run(work, given_up, self.params.timeout_seconds, pixels)
        except TimeoutError:
            message = f"not done within {self.params.timeout_seconds} seconds"
            raise UnavailableError(message, code="timeout", retry_after=30) from None
        except Exception:
            if left.is_set():
                raise ClientDisconnect from None
            raise
        finally:
            watch.cancel()

    def close(self) -> None:
        """Stop the videos; those that are not done go on when a service starts here again."""
        self._closing.set()
        self.jobs.close()
        self._pool.close()

    def _watch_models(self) -> None:
        while not self._closing.is_set():
            try:
                if self.is_ready:
                    self.models.refresh()
                else:
                    self.warm_up()
            except Exception:  # of a single look; the next one comes
                log.exception("the models could not be looked at")
            self._closing.wait(REFRESH_SECONDS)


async def _watch(request: Request | None, given_up: threading.Event, left: threading.Event) -> None:
    """Set both once the client has left."""
    while request is not None:
        await asyncio.sleep(WATCH_SECONDS)
        if await request.is_disconnected():
            left.set()
            given_up.set()
            return
