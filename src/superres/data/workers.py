"""Run a function over many items in order: on threads, processes or a Dask cluster.

The function and what it returns are the same everywhere; only a few items are under way at once,
so that memory does not grow with their number.
"""

import importlib.util
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice
from multiprocessing import get_context
from typing import Any, Final, Protocol, TypeVar

from superres.errors import ConfigError

Item = TypeVar("Item")
Result = TypeVar("Result")

AHEAD: Final = 2  # items per worker under way or waiting to be taken; more would not be faster
CHUNK: Final = 8  # items in a Dask task, which costs its scheduler about a millisecond


class Workers(Protocol):
    """What pairs and validation need of a pool."""

    def map(self, function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
        """Yield `function(item)` in the order of the items; both travel to other machines."""
        ...


@contextmanager
def open_workers(workers: int | str) -> Iterator[Workers]:
    """Yield the workers that `data.workers` of params.yaml names.

    A number: so many threads, 0 for one per core, at most 8. "processes": one per core. "dask":
    a Dask cluster on this machine. "tcp://host:8786": that Dask scheduler, whose workers need the
    package and the same folders.

    Raises ConfigError for any other text, or when Dask is asked for and not installed.
    """
    cores = os.cpu_count() or 1
    if isinstance(workers, int):
        number = workers or min(8, cores)
        with ThreadPoolExecutor(number) as pool:
            yield _Local(pool, number)
    elif workers == "processes":
        with ProcessPoolExecutor(cores, mp_context=get_context("spawn")) as pool:
            yield _Local(pool, cores)
    elif workers == "dask" or "://" in workers:
        with _dask_client(None if workers == "dask" else workers) as client:
            yield _Dask(client)
    else:
        raise ConfigError(
            f"workers {workers!r} is unknown; accepted: a number of threads, processes, dask, "
            "or the address of a Dask scheduler as tcp://host:8786."
        )


class _Local:
    def __init__(self, pool: Executor, number: int) -> None:
        self._pool = pool
        self._number = number

    def map(self, function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
        waiting: deque[Future[Result]] = deque()
        try:
            for item in items:
                waiting.append(self._pool.submit(function, item))
                if len(waiting) >= AHEAD * self._number:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


class _Dask:
    """`client` is a dask.distributed.Client; a result leaves the cluster once it is taken."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def map(self, function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
        number = max(1, sum(self._client.nthreads().values()))
        waiting: deque[Any] = deque()
        rest = iter(items)
        while chunk := list(islice(rest, CHUNK)):
            waiting.append(self._client.submit(_each, function, chunk, pure=False))
            if len(waiting) >= AHEAD * number:
                yield from waiting.popleft().result()
        while waiting:
            yield from waiting.popleft().result()


def _each(function: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
    return [function(item) for item in items]


@contextmanager
def _dask_client(address: str | None) -> Iterator[Any]:
    if importlib.util.find_spec("distributed") is None:
        raise ConfigError(
            "Dask is not installed; install superres[scale], or give a number of threads."
        )
    distributed = importlib.import_module("distributed")
    if address is not None:
        with distributed.Client(address) as client:
            yield client
        return
    with (
        distributed.LocalCluster(threads_per_worker=1, dashboard_address=None) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client
