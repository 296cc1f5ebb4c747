"""One HTTP request at a time: what a server says about a file, and a range of its bytes."""

import email.utils
import random
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import httpx

LATER: Final = {408, 425, 429, 500, 502, 503, 504}


@dataclass(frozen=True)
class Transfer:
    """How patient and how parallel a download is."""

    parts: int = 4  # connections at once
    chunk: int = 8 << 20  # bytes a connection asks for; what a kill can lose of each
    attempts: int = 6  # in a row without a byte
    pause: float = 0.5  # seconds before the second attempt, doubled for each further one
    longest_pause: float = 60.0
    timeout: float = 30.0  # seconds without a byte
    max_bytes: int = 1 << 40  # of one file
    bar: bool = True


DEFAULT: Final = Transfer()


class RefusedError(Exception):
    """This address will not give the file: the next mirror is tried."""


class InterruptedTransferError(Exception):
    """The connection broke or the server is busy: the same address is tried again."""

    def __init__(self, message: str, wait: float = 0.0) -> None:
        super().__init__(message)
        self.wait = wait  # seconds the server asks for


class RangeIgnoredError(Exception):
    """The server sent the whole file, or another version, instead of a range of it."""


@dataclass(frozen=True)
class Facts:
    """What a server says about a file."""

    size: int | None  # bytes
    has_ranges: bool
    validator: str | None  # changes when the file does


def client(transfer: Transfer) -> "httpx.Client":
    """Return a client for many requests of one download; safe to use from several threads."""
    import httpx

    return httpx.Client(
        follow_redirects=True,
        timeout=transfer.timeout,
        # A compressed answer has neither the size nor the ranges of the file.
        headers={"Accept-Encoding": "identity", "User-Agent": "superres"},
    )


def ask(http: "httpx.Client", url: str) -> Facts:
    """Ask for the first byte: size, whether ranges work, and what tells versions apart."""
    with _request(http, url, "bytes=0-0") as answer:
        validator = answer.headers.get("etag") or answer.headers.get("last-modified")
        if answer.status_code == 206:
            total = _range(answer)[1]
            return Facts(total, has_ranges=total is not None, validator=validator)
        length = answer.headers.get("content-length", "")
        return Facts(int(length) if length.isdigit() else None, False, validator)


def read_range(
    http: "httpx.Client", url: str, start: int, stop: int, facts: Facts
) -> Iterator[bytes]:
    """Yield bytes start..stop-1 of the version `facts` describes, as they come."""
    with _request(http, url, f"bytes={start}-{stop - 1}") as answer:
        validator = answer.headers.get("etag") or answer.headers.get("last-modified")
        if answer.status_code != 206 or _range(answer) != (start, facts.size):
            raise RangeIgnoredError(f"{url}: the server ignores ranges")
        if validator != facts.validator:
            raise RangeIgnoredError(f"{url}: the file changed during the download")
        yield from _limited(answer, stop - start)


def read_all(http: "httpx.Client", url: str, limit: int) -> Iterator[bytes]:
    """Yield the whole file; never more than `limit` bytes."""
    with _request(http, url, None) as answer:
        yield from _limited(answer, limit)


def wait_before(attempt: int, transfer: Transfer, asked: float = 0.0) -> None:
    """Sleep before attempt 2, 3, ...: doubling, with jitter against clients in step."""
    doubled = transfer.pause * 2.0 ** (attempt - 2) * random.uniform(0.5, 1.0)
    time.sleep(min(transfer.longest_pause, max(asked, doubled)))


def _limited(answer: "httpx.Response", limit: int) -> Iterator[bytes]:
    left = limit
    # As they come: with a block size httpx drops a begun block when the connection breaks.
    for data in answer.iter_raw():
        if len(data) > left:
            raise RefusedError(f"{answer.url}: sends more than {limit} bytes")
        left -= len(data)
        yield data


@contextmanager
def _request(http: "httpx.Client", url: str, span: str | None) -> Iterator["httpx.Response"]:
    import httpx

    try:
        with http.stream("GET", url, headers={"Range": span} if span else {}) as answer:
            _judge(answer, url)
            yield answer
    except (httpx.UnsupportedProtocol, httpx.InvalidURL, httpx.TooManyRedirects) as error:
        raise RefusedError(f"{url}: {error}") from None
    except (httpx.TransportError, httpx.StreamError) as error:
        told = str(error) or type(error).__name__
        raise InterruptedTransferError(f"{url}: {told}") from None


def _judge(answer: "httpx.Response", url: str) -> None:
    status = answer.status_code
    if status in LATER:
        raise InterruptedTransferError(f"{url}: status {status}", _asked_wait(answer))
    if status not in (200, 206):
        raise RefusedError(f"{url}: status {status}")
    kind = answer.headers.get("content-type", "")
    if kind.partition(";")[0].strip().lower() in ("text/html", "application/xhtml+xml"):
        raise RefusedError(f"{url}: a web page came instead of the file (status {status})")


def _asked_wait(answer: "httpx.Response") -> float:
    asked = answer.headers.get("retry-after", "")
    if asked.isdigit():
        return float(asked)
    moment = email.utils.parsedate_tz(asked)
    return max(0.0, email.utils.mktime_tz(moment) - time.time()) if moment else 0.0


def _range(answer: "httpx.Response") -> tuple[int, int | None]:
    match = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", answer.headers.get("content-range", ""))
    if match is None:
        raise RangeIgnoredError(f"{answer.url}: a partial answer without its range")
    return int(match.group(1)), None if match.group(2) == "*" else int(match.group(2))
