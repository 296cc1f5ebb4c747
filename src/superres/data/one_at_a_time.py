"""A lock between processes: one fetch at a time fills a folder."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from superres.errors import DataError


@contextmanager
def only_one(path: Path, work: str) -> Iterator[None]:
    """Hold the lock file `path` while the block runs; DataError at once when another holds it.

    The message names that process by the number it wrote into the file. The system itself drops
    the lock of a process that ends, however it ends, so a file that is left behind never blocks.
    """
    import fcntl  # not on Windows, where fetch is not offered

    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+", encoding="ascii") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            owner = file.read().strip() or "a number it has not told yet"
            raise DataError(
                f"process {owner} {work} at this moment (it holds {path}). Wait until it ends, "
                f"or stop it: kill {owner}."
            ) from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield  # closing the file drops the lock
