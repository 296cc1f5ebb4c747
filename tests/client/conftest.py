"""A service that says what a test wants it to say, on a real port."""

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

Answer = tuple[int, dict[str, str], bytes]


def error(status: int, code: str, **headers: str) -> Answer:
    """The service's form of an error."""
    body = {"error": {"code": code, "message": f"it is {code}.", "cure": "Do better."}}
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return status, named, json.dumps(body).encode()


def said(content: Any, **headers: str) -> Answer:
    """A JSON answer."""
    return 200, headers, json.dumps(content).encode()


BREAK: Answer = (0, {}, b"")  # the connection is cut instead of an answer


class Stand:
    """Answers one after another, the last one for ever; `asked` are (method, path, headers)."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.answers: list[Answer] = [said({})]
        self.asked: list[tuple[str, str, dict[str, str]]] = []
        self.bodies: list[bytes] = []
        self.delay = 0.0
        self.slow = ""  # how a path begins that takes the delay; "": every one

    def say(self, *answers: Answer) -> None:
        self.answers = list(answers)

    def next(self, path: str) -> Answer:
        time.sleep(self.delay if path.startswith(self.slow) else 0)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@pytest.fixture
def stand() -> Iterator[Stand]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            stand.bodies.append(self.rfile.read(int(self.headers.get("Content-Length", 0))))
            named = {name.lower(): value for name, value in self.headers.items()}
            stand.asked.append((self.command, self.path, named))
            status, headers, body = stand.next(self.path)
            self.close_connection = not status
            if not status:
                return
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *words: Any) -> None:
            """Say nothing."""

    for method in ("GET", "POST", "PUT"):
        setattr(Handler, f"do_{method}", Handler.answer)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    stand = Stand(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield stand
    server.shutdown()
    server.server_close()
    thread.join()
