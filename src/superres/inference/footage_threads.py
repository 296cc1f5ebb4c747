"""Work that runs in a thread of its own a little ahead of who takes its results."""

import queue
import threading
from collections.abc import Generator, Iterable
from typing import Any, TypeVar

Item = TypeVar("Item")

AHEAD = 2  # results that wait between two steps


def ahead(items: Iterable[Item], depth: int = AHEAD) -> Generator[Item]:
    """Yield `items`, which a thread of its own computes up to `depth` ahead.

    An error there is raised here. When this iterator is closed the thread ends, and with it
    `items`, if that is a generator.
    """
    line = _Line(depth)
    worker = threading.Thread(target=line.fill, args=(items,), name="superres-ahead", daemon=True)
    worker.start()
    try:
        while (entry := line.ready.get()) is not None:
            item, error = entry
            if error is not None:
                raise error
            yield item
    finally:
        line.stop.set()
        worker.join()


class _Line:
    """A bounded queue of (item, error); None ends it. Filling gives up once `stop` is set."""

    def __init__(self, depth: int) -> None:
        self.ready: queue.Queue[tuple[Any, BaseException | None] | None] = queue.Queue(depth)
        self.stop = threading.Event()

    def fill(self, items: Iterable[Any]) -> None:
        iterator = iter(items)
        try:
            for item in iterator:
                if not self._put((item, None)):
                    break
            self._put(None)
        except BaseException as error:
            self._put((None, error))
        finally:
            if isinstance(iterator, Generator):
                iterator.close()

    def _put(self, entry: tuple[Any, BaseException | None] | None) -> bool:
        while not self.stop.is_set():
            try:
                self.ready.put(entry, timeout=0.1)
                return True
            except queue.Full:
                continue
        return False
