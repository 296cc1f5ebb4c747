"""How `superres upscale` ends when it is told to."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_SIGNALLED = 128  # plus the signal: the exit code that shells give


@contextmanager
def ended_cleanly() -> Iterator[None]:
    """Let SIGTERM unwind what is under way, so that no half-written file stays.

    Unlike Ctrl-C it is not the user's "enough": the finished segments of a video stay, as when a
    run is killed, for `--resume`.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may listen
        return

    def end(number: int, _: Any) -> None:
        signal.signal(number, signal.SIG_IGN)  # once is enough, and would stop the cleaning up
        raise SystemExit(_SIGNALLED + number)

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
