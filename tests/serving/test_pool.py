"""Threads that compute: how many, who waits, who is told to stop, what stands back."""

import asyncio
import os
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from superres.serving.errors import UnavailableError
from superres.serving.pool import PIXELS_PER_SECOND, Pool, stand_back


def wait_for(condition: Callable[[], Any]) -> None:
    until = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < until, "it did not happen in time"
        time.sleep(0.01)


def stubborn(release: threading.Event) -> Callable[[Callable[[], bool]], str]:
    def work(cancelled: Callable[[], bool]) -> str:
        while not release.wait(0.01):
            pass
        return "stopped" if cancelled() else "done"

    return work


def test_a_place_is_taken_until_the_thread_is_free() -> None:
    pool, release = Pool(1, 0), threading.Event()

    async def twice() -> None:
        with pytest.raises(TimeoutError):
            await pool.run(stubborn(release), threading.Event(), 0.05)
        assert pool.taken == 1  # nobody waits for it, but its thread is not free
        with pytest.raises(UnavailableError) as refused:
            pool.require_room()
        assert refused.value.retry_after >= 1
        release.set()

    asyncio.run(twice())
    wait_for(lambda: pool.taken == 0)
    pool.require_room()
    pool.close()


def test_what_is_given_up_before_it_begins_never_does() -> None:
    pool, release, begun = Pool(1, 4), threading.Event(), []

    def work(cancelled: Callable[[], bool]) -> None:
        begun.append(1)

    async def both() -> None:
        first = asyncio.create_task(pool.run(stubborn(release), threading.Event(), 5))
        await asyncio.sleep(0.05)
        with pytest.raises(TimeoutError):
            await pool.run(work, threading.Event(), 0.05)
        release.set()
        assert await first == "done"

    asyncio.run(both())
    wait_for(lambda: pool.taken == 0)
    assert not begun
    pool.close()


def test_the_seconds_to_wait_follow_the_line() -> None:
    pool, release = Pool(1, 9), threading.Event()
    pool._mean_seconds = 3.0

    async def full() -> int:
        tasks = [
            asyncio.create_task(pool.run(stubborn(release), threading.Event(), 9))
            for _ in range(10)
        ]
        await asyncio.sleep(0.05)
        with pytest.raises(UnavailableError) as refused:
            pool.require_room()
        release.set()
        await asyncio.gather(*tasks)
        return refused.value.retry_after

    assert asyncio.run(full()) == 27
    pool.close()


def test_small_tasks_pass_large_ones_but_not_for_ever() -> None:
    pool, release, order = Pool(1, 9), threading.Event(), []

    async def line() -> None:
        first = asyncio.create_task(pool.run(stubborn(release), threading.Event(), 9))
        await asyncio.sleep(0.05)
        sizes = {"poster": PIXELS_PER_SECOND // 2, "thumbnail": 0}
        tasks = [
            asyncio.create_task(pool.run(_noted(order, name), threading.Event(), 9, pixels))
            for name, pixels in sizes.items()
        ]
        await asyncio.sleep(0.6)
        late = asyncio.create_task(pool.run(_noted(order, "late"), threading.Event(), 9, 0))
        await asyncio.sleep(0.05)
        release.set()
        await asyncio.gather(first, late, *tasks)

    asyncio.run(line())
    assert order == ["thumbnail", "poster", "late"]
    pool.close()


def _noted(order: list[str], name: str) -> Callable[[Callable[[], bool]], None]:
    return lambda cancelled: order.append(name)


@pytest.mark.skipif(
    sys.platform != "linux", reason="elsewhere threads have no priority of their own"
)
def test_a_thread_that_stands_back_hands_it_on_and_the_others_stay() -> None:
    found = []

    def inner() -> None:
        found.append(os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))

    def outer() -> None:
        stand_back(7)
        thread = threading.Thread(target=inner)
        thread.start()
        thread.join()

    before = os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
    thread = threading.Thread(target=outer)
    thread.start()
    thread.join()
    assert found == [7]
    assert os.getpriority(os.PRIO_PROCESS, threading.get_native_id()) == before
