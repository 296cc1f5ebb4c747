"""Events handed to a slow or unreliable writer without waiting for it."""

import queue
import threading
from collections.abc import Callable, Sequence
from typing import Generic, Protocol, TypeVar

Event = TypeVar("Event")
Written = TypeVar("Written", contravariant=True)

QUEUE_EVENTS = 20_000
WRITE_SECONDS = 2.0  # between two batches


class Writer(Protocol[Written]):
    """Where events end up; every method runs in the spool's thread and may fail."""

    def open(self) -> None:
        """Connect: called once, before the first write."""

    def write(self, events: Sequence[Written]) -> None:
        """Write what arrived since the last call; called every few seconds, also for nothing."""

    def close(self) -> None:
        """Finish: called once, after the last write."""


class Spool(threading.Thread, Generic[Event]):
    """A bounded queue in front of a writer with a daemon thread of its own.

    `put` never waits. When the writer raises, or the queue is full, `on_loss` is called once with
    the reason; after an error everything else is dropped, while a full queue drops what does not
    fit.
    """

    def __init__(
        self,
        writer: Writer[Event],
        on_loss: Callable[[Exception], None],
        *,
        write_seconds: float = WRITE_SECONDS,
        size: int = QUEUE_EVENTS,
    ) -> None:
        super().__init__(name="superres-spool", daemon=True)
        self._writer = writer
        self._on_loss = on_loss
        self._write_seconds = write_seconds
        self._events: queue.Queue[Event] = queue.Queue(size)
        self._closing = threading.Event()
        self._opened = threading.Event()
        self._loss = threading.Lock()
        self._lost = False
        self._reported = False

    def put(self, event: Event) -> None:
        """Queue an event, or drop it when the writer has failed or is far behind."""
        if self._lost:
            return
        try:
            self._events.put_nowait(event)
        except queue.Full:
            self._report(TimeoutError(f"{self._events.maxsize} events are waiting already"))

    def wait_until_open(self, limit_seconds: float) -> None:
        """Wait until the writer is open or has failed, at most so long."""
        self._opened.wait(limit_seconds)

    def close(self, limit_seconds: float) -> None:
        """Write what is queued, close the writer and wait for that, at most so long."""
        self._closing.set()
        self.join(limit_seconds)
        if self.is_alive():
            self._report(TimeoutError(f"the last events were not written in {limit_seconds:g} s"))

    def run(self) -> None:
        """Write in batches until closed; the thread's own loop."""
        try:
            self._writer.open()
            self._opened.set()
            while not self._closing.wait(self._write_seconds):
                self._writer.write(self._take())
            self._writer.write(self._take())
            self._writer.close()
        except Exception as error:  # whatever a store or a network raises ends here
            self._lost = True
            self._report(error)
            self._take()
        finally:
            self._opened.set()

    def _take(self) -> list[Event]:
        taken: list[Event] = []
        while True:
            try:
                taken.append(self._events.get_nowait())
            except queue.Empty:
                return taken

    def _report(self, reason: Exception) -> None:
        with self._loss:
            first, self._reported = not self._reported, True
        if first:
            self._on_loss(reason)
