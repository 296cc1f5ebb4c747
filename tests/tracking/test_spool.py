"""A spool takes events at once, whatever its writer does."""

import threading
import time
from collections.abc import Sequence

import pytest

from superres.tracking.spool import Spool


class Notebook:
    """A writer that keeps what it is given; `fail_at` names the call that raises."""

    def __init__(self, fail_at: str = "") -> None:
        self.fail_at = fail_at
        self.written: list[int] = []
        self.closed = False
        self.let_open = threading.Event()
        self.let_open.set()

    def open(self) -> None:
        self.let_open.wait(10)
        self._maybe_fail("open")

    def write(self, events: Sequence[int]) -> None:
        self._maybe_fail("write")
        self.written.extend(events)

    def close(self) -> None:
        self._maybe_fail("close")
        self.closed = True

    def _maybe_fail(self, call: str) -> None:
        if call == self.fail_at:
            raise ConnectionError(f"no server at {call}")


def spool_of(notebook: Notebook, *, size: int = 100) -> tuple[Spool[int], list[Exception]]:
    losses: list[Exception] = []
    return Spool(notebook, losses.append, write_seconds=0.01, size=size), losses


def test_everything_arrives_in_order() -> None:
    notebook = Notebook()
    spool, losses = spool_of(notebook)
    spool.start()
    for event in range(50):
        spool.put(event)
        time.sleep(0.001)
    spool.close(5)
    assert notebook.written == list(range(50))
    assert notebook.closed
    assert losses == []


def test_putting_does_not_wait_for_a_writer_that_is_still_opening() -> None:
    notebook = Notebook()
    notebook.let_open.clear()
    spool, losses = spool_of(notebook)
    spool.start()
    began = time.perf_counter()
    for event in range(100):
        spool.put(event)
    assert time.perf_counter() - began < 0.1
    notebook.let_open.set()
    spool.close(5)
    assert notebook.written == list(range(100))
    assert losses == []


@pytest.mark.parametrize("call", ["open", "write", "close"])
def test_a_failing_writer_is_reported_once(call: str) -> None:
    spool, losses = spool_of(Notebook(fail_at=call))
    spool.start()
    for event in range(300):  # more than fit
        spool.put(event)
        time.sleep(0.0005)
    spool.close(5)
    spool.put(1)
    assert [str(loss) for loss in losses] == [f"no server at {call}"]
    assert not spool.is_alive()


def test_a_full_queue_drops_what_does_not_fit_and_says_so_once() -> None:
    notebook = Notebook()
    notebook.let_open.clear()
    spool, losses = spool_of(notebook, size=10)
    spool.start()
    for event in range(30):
        spool.put(event)
    notebook.let_open.set()
    spool.close(5)
    assert notebook.written == list(range(10))
    assert len(losses) == 1


def test_closing_waits_no_longer_than_allowed() -> None:
    notebook = Notebook()
    notebook.let_open.clear()
    spool, losses = spool_of(notebook)
    spool.start()
    began = time.perf_counter()
    spool.close(0.2)
    assert 0.2 <= time.perf_counter() - began < 2
    assert len(losses) == 1
    notebook.let_open.set()
    spool.join(5)
