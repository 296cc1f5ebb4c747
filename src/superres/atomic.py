"""Files and folders that appear whole or not at all, and one holder at a time."""

import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO


def write_bytes(path: Path, content: bytes) -> None:
    """Write `content` under a temporary name beside `path`, then move it into place."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = partial_name(path)
    try:
        temporary.write_bytes(content)
    except BaseException:
        temporary.unlink(missing_ok=True)  # on a full disk every byte counts
        raise
    temporary.replace(path)


def write_text(path: Path, content: str) -> None:
    """Write UTF-8 text with line feeds, whole or not at all."""
    write_bytes(path, content.encode("utf-8"))


def partial_name(path: Path) -> Path:
    """Return the temporary name beside `path`; a killed run leaves nothing else behind."""
    return path.with_name(f".{path.name}.partial")


@contextmanager
def replaced_folder(target: Path) -> Iterator[Path]:
    """Yield an empty folder that takes the place of `target` when the block ends without error.

    On an error `target` stays as it was. What a killed run left is put back or cleared first.
    """
    temporary = partial_name(target)
    previous = target.with_name(f".{target.name}.previous")
    if previous.exists() and not target.exists():  # killed between the two moves below
        previous.replace(target)
    for leftover in (temporary, previous):
        shutil.rmtree(leftover, ignore_errors=True)
    temporary.mkdir(parents=True)
    try:
        yield temporary
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    if target.exists():
        target.replace(previous)
    temporary.replace(target)
    shutil.rmtree(previous, ignore_errors=True)


def opened_alone(path: Path) -> IO[str] | None:
    """Open a file that no other process opens so until this one ends; None: another holds it.

    The system drops the lock of a process that ends, however it ends. Windows has no such lock.
    """
    file = path.open("w", encoding="utf-8")
    if sys.platform != "win32":
        import fcntl

        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.close()
            return None
    return file
