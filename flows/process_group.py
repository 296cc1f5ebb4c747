"""A command and everything it starts: followed line by line, stopped as one."""

import logging
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

log = logging.getLogger(__name__)

POLL_SECONDS = 0.5
GRACE_SECONDS = 20.0  # a training needs some to end its step and save; Prefect allows 30 in all


@dataclass(frozen=True)
class Follower:
    """Who is told what the command does."""

    on_line: Callable[[str], None]  # each line of its output
    on_tick: Callable[[], None] = lambda: None  # every POLL_SECONDS


@dataclass(frozen=True)
class Command:
    """What to run, and where."""

    words: Sequence[str]
    folder: Path
    environment: Mapping[str, str]
    keep_open: tuple[int, ...] = ()  # file descriptors it inherits


def run_group(command: Command, follower: Follower, *, grace_seconds: float = GRACE_SECONDS) -> int:
    """Run the command as a process group of its own and return its exit code.

    On any exception, a cancellation above all, the group gets SIGTERM, then after
    `grace_seconds` SIGKILL, before the exception goes on. Nothing of the group outlives the call.
    """
    # A file, not a pipe: if this process is killed outright, the training can still write.
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            command.words,
            cwd=command.folder,
            env=dict(command.environment),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            pass_fds=command.keep_open,
        )
        lines = Lines(output.fileno(), follower.on_line)
        try:
            while _runs(process):
                lines.read()
                follower.on_tick()
        finally:
            stop_group(process, grace_seconds)
            lines.read(to_the_end=True)
    return process.returncode


class Lines:
    """The lines that have been added to an open file since the last look."""

    def __init__(self, descriptor: int, on_line: Callable[[str], None]) -> None:
        self._descriptor = descriptor
        self._on_line = on_line
        self._offset = 0
        self._rest = b""

    def read(self, *, to_the_end: bool = False) -> None:
        """Report the complete new lines; at the end also one without a line feed."""
        while chunk := os.pread(self._descriptor, 1 << 16, self._offset):
            self._offset += len(chunk)
            *complete, self._rest = (self._rest + chunk).split(b"\n")
            for line in complete:
                self._report(line)
        if to_the_end:
            self._report(self._rest)
            self._rest = b""

    def _report(self, line: bytes) -> None:
        # A progress bar draws over itself with carriage returns: only its last state counts.
        text = line.decode(errors="replace").rstrip("\r").rpartition("\r")[2].rstrip()
        if text:
            self._on_line(text)


def stop_group(process: "subprocess.Popen[bytes]", grace_seconds: float) -> None:
    """End what is left of the group: SIGTERM, then after the grace SIGKILL."""
    group = process.pid
    if not _alive(group):
        process.wait()
        return
    log.info("stopping process group %d", group)
    try:
        _send(group, signal.SIGTERM)
        deadline = time.monotonic() + grace_seconds
        while _alive(group) and time.monotonic() < deadline:
            process.poll()
            time.sleep(0.1)
    finally:  # also when somebody interrupts the waiting
        if _alive(group):
            log.warning("process group %d did not stop in time: killed", group)
            _send(group, signal.SIGKILL)
        process.wait()


def _runs(process: "subprocess.Popen[bytes]") -> bool:
    try:
        process.wait(POLL_SECONDS)
    except subprocess.TimeoutExpired:
        return True
    return False


def _send(group: int, number: signal.Signals) -> None:
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        log.debug("process group %d is gone", group)


def _alive(group: int) -> bool:
    """Tell whether the group has a member that runs; what only waits to be collected does not."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    for process in psutil.process_iter(["status"]):
        try:
            same = os.getpgid(process.pid) == group
        except ProcessLookupError:
            continue
        if same and process.info["status"] != psutil.STATUS_ZOMBIE:
            return True
    return False
