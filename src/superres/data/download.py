"""Bring one file from the first mirror that has it: resumed, checked, whole or not at all."""

import hashlib
import logging
import shutil
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from superres.data.dataset import RemoteFile
from superres.data.download_http import (
    DEFAULT,
    Facts,
    InterruptedTransferError,
    RangeIgnoredError,
    RefusedError,
    Transfer,
    ask,
    client,
    wait_before,
)
from superres.data.download_parts import PartFile, Ranged, Show, discard, part_of, read_whole
from superres.errors import DataError

if TYPE_CHECKING:
    import httpx

logger = logging.getLogger(__name__)

PAGE_STARTS: Final = (b"<!doctype html", b"<html")
SPARE: Final = 64 << 20  # bytes of the disk that a download leaves alone


def download(file: RemoteFile, path: Path, transfer: Transfer = DEFAULT, *, room: int = 0) -> str:
    """Bring `file` to `path` and return its sha256; `room` bytes more must be free afterwards.

    A file that is already at `path` is taken when its checksum is right (or none is published:
    it got its name only when it was complete). Raises DataError that says what every mirror
    answered, or that the disk is too small.
    """
    if path.is_file():
        found = digests_of(path)
        if is_expected(file, path, found):
            return found["sha256"]
        logger.warning("%s is not what the catalog says; brought again", path)
        path.unlink()
    answers: list[str] = []
    with client(transfer) as http:
        for url in file.urls:
            try:
                return _from_mirror(http, url, file, path, (transfer, room))
            except RefusedError as error:
                logger.warning("%s", error)
                answers.append(str(error))
    raise DataError(
        f"{file.file}: cannot be downloaded. {'; '.join(answers)}. Check the network, or place "
        "the file by hand (see `superres fetch --list`)."
    )


def digests_of(path: Path) -> dict[str, str]:
    """Return sha256 and md5 of a file, as hexadecimal, reading it once."""
    found = {"sha256": hashlib.sha256(), "md5": hashlib.md5(usedforsecurity=False)}
    with path.open("rb") as stream:
        while block := stream.read(1 << 20):
            for digest in found.values():
                digest.update(block)
    return {name: digest.hexdigest() for name, digest in found.items()}


def is_expected(file: RemoteFile, path: Path, found: dict[str, str]) -> bool:
    """Say whether size and checksum are as published, as far as they are."""
    kind, _, expected = (file.checksum or "").partition(":")
    return found.get(kind, "") == expected and file.size in (None, path.stat().st_size)


def require_room(folder: Path, needed: int, what: str) -> None:
    """Raise DataError when the disk of `folder` has less than `needed` bytes free."""
    existing = next(one for one in (folder, *folder.absolute().parents) if one.exists())
    free = shutil.disk_usage(existing).free
    if needed + SPARE > free:
        raise DataError(
            f"{what}: needs {needed / 1e9:.2f} GB (and {SPARE / 1e9:.2f} GB to spare), "
            f"{free / 1e9:.2f} GB are free on the disk of {folder}. Nothing was downloaded."
        )


def _from_mirror(
    http: "httpx.Client", url: str, file: RemoteFile, path: Path, how: tuple[Transfer, int]
) -> str:
    """Bring the file from one address; what was resumed and is wrong is brought once more."""
    for attempt in (1, 2):
        was_resumed = _transfer(http, url, file, path, how)
        part = part_of(path)
        found = digests_of(part)
        if is_expected(file, part, found):
            _refuse_page(part, url)
            part.replace(path)
            discard(path)
            return found["sha256"]
        size = part.stat().st_size
        discard(path)
        if not was_resumed or attempt == 2:
            break
        logger.warning("%s: what was resumed is wrong; from the beginning", url)
    kind, _, expected = (file.checksum or ":").partition(":")
    raise RefusedError(
        f"{url}: wrong checksum, expected {kind or 'size'} {expected or file.size}, "
        f"found {found.get(kind, size)}"
    )


def _transfer(
    http: "httpx.Client", url: str, file: RemoteFile, path: Path, how: tuple[Transfer, int]
) -> bool:
    """Fill NAME.part; return whether an earlier run had begun it."""
    transfer, room = how
    facts = _patiently_ask(http, url, transfer)
    size = facts.size if facts.size is not None else file.size
    if file.size not in (None, size):
        raise RefusedError(f"{url}: has {size} bytes, the catalog says {file.size}")
    if (size or 0) > transfer.max_bytes:
        raise RefusedError(f"{url}: has {size} bytes, accepted are {transfer.max_bytes}")
    if facts.has_ranges and size:
        part = PartFile(path, size, transfer.chunk)
        part.open(facts.validator, is_checked=file.checksum is not None)
        try:
            require_room(path.parent, size - part.bytes_done + room, file.file)
            with _bar(file.file, size, part.bytes_done, transfer) as show:
                Ranged(http, url, facts, transfer, show).fill(part)
            return part.is_resumed
        except RangeIgnoredError as error:
            logger.warning("%s; from the beginning", error)
        finally:
            part.close()
    require_room(path.parent, (size or 0) + room, file.file)
    with _bar(file.file, size, 0, transfer) as show:
        read_whole(http, url, path, size, transfer, show)
    return False


def _patiently_ask(http: "httpx.Client", url: str, transfer: Transfer) -> Facts:
    for attempt in range(1, transfer.attempts + 1):
        try:
            return ask(http, url)
        except InterruptedTransferError as error:
            if attempt == transfer.attempts:
                raise RefusedError(f"{error} ({attempt} attempts in a row)") from None
            wait_before(attempt + 1, transfer, error.wait)
        except RangeIgnoredError:
            break
    return Facts(None, has_ranges=False, validator=None)


def _refuse_page(part: Path, url: str) -> None:
    with part.open("rb") as stream:
        start = stream.read(64).lstrip().lower()
    if start.startswith(PAGE_STARTS):
        discard(part.with_name(part.name.removesuffix(".part")))
        raise RefusedError(f"{url}: a web page came instead of the file")


@contextmanager
def _bar(name: str, size: int | None, done: int, transfer: Transfer) -> Iterator[Show]:
    """Show rate and time left on stderr; without a terminal one line every half minute."""
    from tqdm import tqdm

    lock = threading.Lock()
    with tqdm(
        desc=name,
        total=size,
        initial=done,
        unit="B",
        unit_scale=True,
        file=sys.stderr,
        mininterval=0.2 if sys.stderr.isatty() else 30,
        disable=not transfer.bar,
    ) as bar:

        def show(count: int) -> None:
            with lock:
                bar.update(count)

        yield show
