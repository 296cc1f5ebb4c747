"""The threads that compute: a fixed number, a bounded line before them, and who has given up."""

import asyncio
import contextvars
import heapq
import itertools
import logging
import math
import os
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from typing import Any, TypeVar

from superres.inference.memory import cores
from superres.serving import measures
from superres.serving.errors import UnavailableError

log = logging.getLogger(__name__)

Result = TypeVar("Result")
Question = Callable[[], bool]
_Entry = tuple[float, int, Future[Any], Callable[[], Any]]  # its turn, its number, the task

MOST_RETRY_SECONDS = 60
PIXELS_PER_SECOND = 200_000  # for the order of the line only; what two busy cores do


class Pool:
    """`threads` tasks compute, `waiting` more wait; a place is taken until the thread is free.

    A small task may pass a large one that came a little earlier, so that thumbnails do not wait
    behind posters; a large one waits at most its own `pixels` / PIXELS_PER_SECOND longer. A task
    that its caller gives up (time is up, the client has left) is told so by its `cancelled()`;
    one that has not begun never does.
    """

    def __init__(self, threads: int, waiting: int) -> None:
        self._threads = threads
        self._limit = threads + waiting
        self._line: list[_Entry] = []
        self._change = threading.Condition()
        self._numbers = itertools.count()
        self._taken = self._computing = self._begun = 0
        self._is_closed = False
        self._mean_seconds = 1.0

    @property
    def taken(self) -> int:
        """Tasks that compute or wait."""
        return self._taken

    def require_room(self) -> None:
        """Raise UnavailableError (503) with the seconds after which there may be a place."""
        if self._taken >= self._limit:
            seconds = math.ceil(self._mean_seconds * (self._taken - self._threads) / self._threads)
            measures.refused("busy")
            raise UnavailableError(
                f"{self._taken} requests are being worked on or wait, which is the most",
                retry_after=min(max(1, seconds), MOST_RETRY_SECONDS),
            )

    async def run(
        self,
        work: Callable[[Question], Result],
        given_up: threading.Event,
        seconds: float,
        pixels: int = 0,
    ) -> Result:
        """Run `work(given_up.is_set)` in a thread; TimeoutError after so many seconds.

        Then, or when the caller is cancelled, `given_up` is set and the thread ends by itself.
        `pixels`: about how large the task is.
        """
        context = contextvars.copy_context()
        future: Future[Result] = Future()
        future.add_done_callback(self._freed)
        turn = time.monotonic() + pixels / PIXELS_PER_SECOND
        task = partial(context.run, work, given_up.is_set)
        with self._change:
            self._taken += 1
            entry: _Entry = (turn, next(self._numbers), future, task)
            heapq.heappush(self._line, entry)
            if self._begun < self._threads:
                self._begun += 1
                name = f"superres-{self._begun}"
                threading.Thread(target=self._work, name=name, daemon=True).start()
            self._change.notify()
        self._tell()
        waiting = asyncio.wrap_future(future)
        waiting.add_done_callback(_looked_at)
        try:
            return await asyncio.wait_for(asyncio.shield(waiting), seconds)
        finally:
            given_up.set()
            future.cancel()

    def close(self) -> None:
        """Begin nothing more."""
        with self._change:
            self._is_closed = True
            self._change.notify_all()

    def _work(self) -> None:
        while True:
            with self._change:
                while not self._line and not self._is_closed:
                    self._change.wait()
                if self._is_closed:
                    return
                _, _, future, task = heapq.heappop(self._line)
                begins = future.set_running_or_notify_cancel()
                self._computing += begins
                share = self._computing
            if begins:
                self._compute(future, task, share)
            del future, task  # and with them a picture, while this thread waits

    def _compute(self, future: "Future[Any]", task: Callable[[], Any], share: int) -> None:
        start = time.perf_counter()
        try:
            measures.computing(1)
            _share_cores(share)
            result = task()
        except BaseException as error:  # it is for the caller, as with any executor
            self._done(start)
            future.set_exception(error)
        else:
            self._done(start)
            future.set_result(result)

    def _done(self, start: float) -> None:
        measures.computing(-1)
        with self._change:
            self._computing -= 1
            self._mean_seconds += 0.1 * (time.perf_counter() - start - self._mean_seconds)

    def _freed(self, future: "Future[Any]") -> None:
        with self._change:
            self._taken -= 1
        self._tell()

    def _tell(self) -> None:
        measures.waiting(max(0, self._taken - self._threads))


def _share_cores(tasks: int) -> None:
    """Let torch use this thread's share of the cores: more threads than cores wait for another.

    torch keeps the number for each calling thread.
    """
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.set_num_threads(max(1, cores() // tasks))


def _looked_at(future: "asyncio.Future[Result]") -> None:
    """Take note of an error that nobody waits for any more."""
    if not future.cancelled():
        future.exception()


def stand_back(niceness: int) -> None:
    """Lower the priority of this thread and of those that it will start (Linux only).

    At 10 they get about a tenth of a contended core. There a thread has a niceness of its own
    and hands it on; elsewhere it is the process's.
    """
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), niceness)
