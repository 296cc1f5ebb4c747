"""Files and folders that appear whole or not at all."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def write_bytes(path: Path, content: bytes) -> None:
    """Write `content` under a temporary name beside `path`, then move it into place."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = partial_name(path)
    try:
        temporary.write_bytes(content)
    except OSError:
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
