"""One training at a time per device, however flows are run.

Two things stand for the slot. A file lock, which the kernel frees however a process ends and
which the stage inherits: even a training whose flow was killed keeps its device. And Prefect's
global concurrency limit of the same name, which its page shows and which holds across projects on
one server. A temporary server never frees the slot of a killed flow (it does not look for expired
leases), so whoever holds the file lock does.
"""

import fcntl
import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import (
    GlobalConcurrencyLimitCreate,
    GlobalConcurrencyLimitUpdate,
)
from prefect.concurrency.sync import concurrency
from prefect.exceptions import ObjectAlreadyExists, ObjectNotFound
from prefect.settings import PREFECT_API_URL, PREFECT_HOME

POLL_SECONDS = 2.0
LEASE_SECONDS = 60.0  # after so long a server frees the slot of a flow that was killed


def slot_name(device: str) -> str:
    """Return the slot of a `training.device` on this machine, as host-cpu or host-gpu-0."""
    has_gpu = Path("/dev/nvidia0").exists() and os.environ.get("CUDA_VISIBLE_DEVICES") != ""
    if device == "cpu" or (device == "auto" and not has_gpu):
        return f"{socket.gethostname()}-cpu"
    index = device.partition(":")[2] or os.environ.get("CUDA_VISIBLE_DEVICES", "0")
    return f"{socket.gethostname()}-gpu-{index}"


@contextmanager
def device_slot(name: str, holder: str, say: Callable[[str], None]) -> Iterator[int]:
    """Hold the slot; yields the lock's file descriptor, for the child to inherit.

    Waits for whoever has it, and says who.
    """
    lock = PREFECT_HOME.value() / "slots" / f"{name}.lock"
    with file_lock(lock, holder, say) as descriptor:
        free_leftover(name, say)
        with concurrency(
            name,
            lease_duration=LEASE_SECONDS,
            strict=True,
            raise_on_lease_renewal_failure=False,  # a server that restarts must not end a training
        ):
            yield descriptor


@contextmanager
def file_lock(path: Path, holder: str, say: Callable[[str], None]) -> Iterator[int]:
    """Hold an exclusive lock on the file, which meanwhile tells who has it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+", encoding="utf-8") as file:
        _wait(file, say)
        file.truncate(0)
        file.write(f"{holder}, process {os.getpid()}")
        file.flush()
        yield file.fileno()
        file.truncate(0)


def _wait(file: IO[str], say: Callable[[str], None]) -> None:
    waiting = False
    while True:
        try:
            return fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if not waiting:
                file.seek(0)
                say(f"the device is in use by {file.read() or 'another process'}; waiting for it")
            waiting = True
            time.sleep(POLL_SECONDS)


def free_leftover(name: str, say: Callable[[str], None]) -> None:
    """Create the concurrency limit, or free a slot that a killed flow left on this server."""
    with get_client(sync_client=True) as client:
        try:
            limit = client.read_global_concurrency_limit_by_name(name)
        except ObjectNotFound:
            with suppress(ObjectAlreadyExists):  # another machine's flow was faster
                client.create_global_concurrency_limit(
                    GlobalConcurrencyLimitCreate(name=name, limit=1, active_slots=0)
                )
            return
        if PREFECT_API_URL.value() is None and limit.active_slots:
            say(f"the slot {name} was left occupied by a flow that was killed; freed")
            client.update_global_concurrency_limit(
                name, GlobalConcurrencyLimitUpdate(active_slots=0)
            )
