"""A download under way: its bytes in `NAME.part`, what is done in `NAME.part.json`.

Both survive a kill: a chunk is noted as done only after its bytes are written, and the note is
replaced whole. Nothing carries the final name before all of it is there and checked.
"""

import json
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from pathlib import Path
from typing import TYPE_CHECKING, Any

from superres.atomic import write_text
from superres.data.download_http import (
    Facts,
    InterruptedTransferError,
    RefusedError,
    Transfer,
    read_all,
    read_range,
    wait_before,
)

if TYPE_CHECKING:
    import httpx

Show = Callable[[int], None]  # bytes that came


class PartFile:
    """The unfinished file of one download, in chunks."""

    def __init__(self, path: Path, size: int, chunk: int) -> None:
        self.path = part_of(path)
        self.size = size
        self.chunk = chunk
        self.done: set[int] = set()
        self.is_resumed = False
        self._validator: str | None = None
        self._lock = threading.Lock()
        self._note = note_of(path)
        self._file = -1

    def open(self, validator: str | None, *, is_checked: bool) -> None:
        """Take up what an earlier run left of the same version of the file, else begin.

        Without a validator two versions of one size look alike: then only a checksum tells.
        """
        self._validator = validator
        known = self._read_note()
        is_same = known.get("size") == self.size and known.get("chunk") == self.chunk
        is_sure = is_checked or (validator is not None and known.get("validator") == validator)
        if is_same and is_sure and self.path.is_file():
            self.done = {one for one in known["done"] if isinstance(one, int)}
        self.is_resumed = bool(self.done)
        if not self.done:
            discard(self.path.with_name(self.path.name.removesuffix(".part")))
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._file = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o644)
        os.ftruncate(self._file, self.size)

    def close(self) -> None:
        """Bring the bytes to the disk."""
        os.fsync(self._file)
        os.close(self._file)

    def missing(self) -> Iterator[tuple[int, int, int]]:
        """Yield number, first byte and end of every chunk that is not there yet."""
        for number in range(-(-self.size // self.chunk)):
            if number not in self.done:
                start = number * self.chunk
                yield number, start, min(self.size, start + self.chunk)

    @property
    def bytes_done(self) -> int:
        """How many bytes are there."""
        return self.size - sum(stop - start for _, start, stop in self.missing())

    def write(self, data: bytes, position: int) -> None:
        """Put bytes in their place; safe from several threads."""
        while data:
            written = os.pwrite(self._file, data, position)
            data, position = data[written:], position + written

    def finish(self, number: int) -> None:
        """Note that a chunk is whole."""
        with self._lock:
            self.done.add(number)
            note = {
                "size": self.size,
                "chunk": self.chunk,
                "validator": self._validator,
                "done": sorted(self.done),
            }
            write_text(self._note, json.dumps(note))

    def _read_note(self) -> dict[str, Any]:
        try:
            note: Any = json.loads(self._note.read_text(encoding="utf-8"))
            return note if isinstance(note, dict) and isinstance(note.get("done"), list) else {}
        except (OSError, ValueError):
            return {}


def part_of(path: Path) -> Path:
    """Return where the bytes of an unfinished download are."""
    return path.with_name(f"{path.name}.part")


def note_of(path: Path) -> Path:
    """Return where it is noted what an unfinished download already has."""
    return path.with_name(f"{path.name}.part.json")


def discard(path: Path) -> None:
    """Forget an unfinished download."""
    part_of(path).unlink(missing_ok=True)
    note_of(path).unlink(missing_ok=True)


class Ranged:
    """Fills a PartFile over several connections, each as patient as `Transfer` says."""

    def __init__(
        self, http: "httpx.Client", url: str, facts: Facts, transfer: Transfer, show: Show
    ) -> None:
        self.http, self.url, self.facts = http, url, facts
        self.transfer, self.show = transfer, show
        self._stop = threading.Event()

    def fill(self, part: PartFile) -> None:
        """Bring every missing chunk; raises what the first failing connection raised."""
        with ThreadPoolExecutor(self.transfer.parts) as pool:
            try:
                futures = [pool.submit(self._bring, part, *span) for span in part.missing()]
                for future in wait(futures, return_when=FIRST_EXCEPTION).done:
                    future.result()
            except BaseException:
                self._stop.set()
                pool.shutdown(wait=False, cancel_futures=True)
                raise

    def _bring(self, part: PartFile, number: int, start: int, stop: int) -> None:
        position, failures = start, 0
        while position < stop:
            before = position
            try:
                for data in read_range(self.http, self.url, position, stop, self.facts):
                    if self._stop.is_set():
                        return
                    part.write(data, position)
                    position += len(data)
                    self.show(len(data))
                if position < stop:
                    raise InterruptedTransferError(f"{self.url}: the connection ended early")
            except InterruptedTransferError as error:
                failures = failures + 1 if position == before else 1
                _give_up_or_wait(error, failures, self.transfer)
        part.finish(number)


def read_whole(
    http: "httpx.Client", url: str, path: Path, size: int | None, transfer: Transfer, show: Show
) -> None:
    """Fill NAME.part from a server without ranges: each attempt starts at the first byte."""
    failures = 0
    path.parent.mkdir(parents=True, exist_ok=True)
    while True:
        discard(path)
        came = 0
        try:
            with part_of(path).open("wb") as out:
                limit = transfer.max_bytes if size is None else size
                for data in read_all(http, url, limit):
                    out.write(data)
                    came += len(data)
                    show(len(data))
            if size in (None, came):
                return
            raise InterruptedTransferError(f"{url}: ended after {came} of {size} bytes")
        except InterruptedTransferError as error:
            failures += 1
            show(-came)
            _give_up_or_wait(error, failures, transfer)


def _give_up_or_wait(error: InterruptedTransferError, failures: int, transfer: Transfer) -> None:
    if failures >= transfer.attempts:
        raise RefusedError(f"{error} ({failures} attempts in a row)") from None
    wait_before(failures + 1, transfer, error.wait)
