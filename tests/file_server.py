"""A real HTTP server on this machine that serves files as badly as it is told to."""

import http.server
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

BLOCK = 16 << 10


@dataclass
class Served:
    """One file and its faults."""

    content: bytes
    has_ranges: bool = True
    etag: str | None = '"one"'
    cut_after: int | None = None  # bytes of each answer, then the connection closes
    statuses: list[int] = field(default_factory=list)  # of the first answers
    retry_after: str | None = None
    seconds_per_block: float = 0.0
    kind: str = "application/octet-stream"
    moved_to: str | None = None
    says_length: bool = True


class Site:
    """What is served, by path, and which requests came."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.files: dict[str, Served] = {}
        self.requests: list[tuple[str, str]] = []  # path, Range header
        self._sent = 0
        self.most_at_once = 0
        self.open_now = 0
        self.lock = threading.Lock()

    def add(self, path: str, content: bytes, **faults: Any) -> str:
        """Serve `content` at `path` and return the address."""
        self.files[f"/{path}"] = Served(content, **faults)
        return f"{self.url}/{path}"

    @property
    def sent(self) -> int:
        """Bytes of file content that were sent, once no answer is under way."""
        until = time.monotonic() + 5
        while self.open_now and time.monotonic() < until:
            time.sleep(0.001)
        return self._sent

    @contextmanager
    def counted(self) -> Iterator[None]:
        """Count how many answers are being sent at once."""
        with self.lock:
            self.open_now += 1
            self.most_at_once = max(self.most_at_once, self.open_now)
        try:
            yield
        finally:
            with self.lock:
                self.open_now -= 1


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    site: Site

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        span = self.headers.get("Range", "")
        with self.site.lock:
            self.site.requests.append((self.path, span))
            served = self.site.files.get(self.path)
            status = served.statuses.pop(0) if served and served.statuses else 200
        if served is None or status >= 400:
            self._refuse(404 if served is None else status, served)
        elif served.moved_to is not None:
            self.send_response(302)
            self.send_header("Location", served.moved_to)
            self.send_header("Content-Length", "0")
            self.end_headers()
        else:
            with self.site.counted():
                self._send(served, span)

    def _refuse(self, status: int, served: Served | None) -> None:
        self.send_response(status)
        if served is not None and served.retry_after is not None:
            self.send_header("Retry-After", served.retry_after)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _send(self, served: Served, span: str) -> None:
        content = served.content
        match = re.fullmatch(r"bytes=(\d+)-(\d+)", span) if served.has_ranges else None
        start, stop = 0, len(content)
        if match:
            start, stop = int(match.group(1)), min(stop, int(match.group(2)) + 1)
        self.send_response(206 if match else 200)
        self.send_header("Content-Type", served.kind)
        if match:
            self.send_header("Content-Range", f"bytes {start}-{stop - 1}/{len(content)}")
        if served.says_length:
            self.send_header("Content-Length", str(stop - start))
        else:
            self.send_header("Connection", "close")
            self.close_connection = True
        if served.etag is not None:
            self.send_header("ETag", served.etag)
        self.end_headers()
        self._send_body(served, content[start:stop])

    def _send_body(self, served: Served, body: bytes) -> None:
        if served.cut_after is not None and len(body) > served.cut_after:
            body, self.close_connection = body[: served.cut_after], True
        try:
            for start in range(0, len(body), BLOCK):
                if served.seconds_per_block:
                    time.sleep(served.seconds_per_block)
                block = body[start : start + BLOCK]
                self.wfile.write(block)
                with self.site.lock:
                    self.site._sent += len(block)
        except OSError:  # the client has gone
            self.close_connection = True


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass


@contextmanager
def serving() -> Iterator[Site]:
    """Serve for the length of a block."""
    handler = type("Handler", (_Handler,), {})
    with _Server(("127.0.0.1", 0), handler) as server:
        site = Site(f"http://127.0.0.1:{server.server_address[1]}")
        handler.site = site
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield site
        finally:
            server.shutdown()
            thread.join()
