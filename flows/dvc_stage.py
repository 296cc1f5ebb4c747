"""`dvc repro STAGE` for a flow: the same cache, lock file and lineage as by hand."""

import os
import sys
import time
from collections import deque
from pathlib import Path

from flows.process_group import Command, Follower, run_group
from superres.errors import SuperresError

BUSY = ("Unable to acquire lock", "is being blocked by")
BUSY_SECONDS = 10.0
SHOWN_LINES = 6  # of a failed stage's output, in the error


class StageError(SuperresError):
    """A DVC stage ended with an error."""


def repro(
    target: str,
    root: Path,
    follower: Follower,
    *,
    keep_open: tuple[int, ...] = (),
    busy_seconds: float = BUSY_SECONDS,
) -> None:
    """Bring a stage, as train@srgan-mse, and what it needs up to date.

    While another DVC command works on the same files, waits and says so. Raises StageError with
    the end of the output.
    """
    words = [sys.executable, "-m", "dvc", "repro", target]
    command = Command(words, root, stage_environment(), keep_open)
    while True:
        last: deque[str] = deque(maxlen=SHOWN_LINES)

        def on_line(line: str, last: deque[str] = last) -> None:
            last.append(line)
            follower.on_line(line)

        code = run_group(command, Follower(on_line, follower.on_tick))
        if code == 0:
            return
        if not any(sign in line for sign in BUSY for line in last):
            shown = "\n".join(last)
            raise StageError(f"dvc repro {target} failed with exit code {code}:\n{shown}")
        follower.on_line(
            f"another DVC command works on these files; trying again in {busy_seconds:g} s"
        )
        time.sleep(busy_seconds)


def stage_environment() -> dict[str, str]:
    """Return this environment with this Python first, so that a stage's `superres` is ours."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    return {**os.environ, "PATH": path, "PYTHONUNBUFFERED": "1", "DVC_NO_ANALYTICS": "1"}
