"""Batches cut before they are asked for, by a thread, while the device computes."""

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from superres.data.sampler import Batch, Sampler

Cut = tuple[Batch, dict[str, Any]]  # a batch, and the sampler's state after it


class Ahead:
    """Hands out a sampler's batches in its order; `count` of them are cut in advance.

    The state is that of the batches handed out: what was cut and not used is cut again by the run
    that goes on. With `count` 0 there is no thread.
    """

    def __init__(self, sampler: Sampler, count: int, size: int, share: slice) -> None:
        self._sampler = sampler
        self._count = count
        self._size = size
        self._share = share
        self._cut: deque[Future[Cut]] = deque()
        self._state: dict[str, Any] | None = None  # None: the sampler's own
        self._thread: ThreadPoolExecutor | None = None

    def batch(self) -> Batch:
        """Return the next batch; errors of the thread are raised here."""
        if self._count == 0:
            return self._sampler.batch(self._size, self._share)
        if self._thread is None:
            self._state = self._sampler.state()
            self._thread = ThreadPoolExecutor(1, "batches")
        while len(self._cut) <= self._count:
            self._cut.append(self._thread.submit(self._make))
        batch, self._state = self._cut.popleft().result()
        return batch

    def state(self) -> dict[str, Any]:
        """Return the sampler's state as if nothing had been cut ahead."""
        return self._sampler.state() if self._state is None else self._state

    def restore(self, state: dict[str, Any]) -> None:
        """Continue from a saved state."""
        self.close()
        self._sampler.restore(state)

    def close(self) -> None:
        """End the thread; the sampler goes on after the last batch handed out."""
        if self._thread is not None and self._state is not None:
            self._thread.shutdown(cancel_futures=True)
            self._sampler.restore(self._state)
        self._thread, self._state = None, None
        self._cut.clear()

    def _make(self) -> Cut:
        return self._sampler.batch(self._size, self._share), self._sampler.state()
