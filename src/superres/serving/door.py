"""What every request passes first: its id, the key, a line in the log, a count."""

import hmac
import logging
import time
from typing import Any

from starlette.datastructures import MutableHeaders
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from superres.errors import InputError
from superres.serving import measures
from superres.serving.errors import error_response
from superres.serving.logs import accepted_id, request_id

log = logging.getLogger(__name__)

OPEN = ("/", "/docs.json", "/ui", "/limits")  # answered without a key: description and page
OPEN_BELOW = ("/ui/", "/static_content/")


class Door:
    """Gives each request an id, logs and counts its answer; what nobody foresaw is a 500 here."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        name = accepted_id(headers.get(b"x-request-id", b"").decode("latin-1"))
        token = request_id.set(name)
        answer = _Answer(send, name)
        try:
            await self.app(scope, receive, answer.send)
        except Exception as error:
            if answer.status:
                raise  # the answer is under way and cannot become another
            await error_response(error, scope["path"])(scope, receive, answer.send)
        finally:
            _note(scope, answer)
            request_id.reset(token)


class _Answer:
    """Hands an answer on with the id in it, and remembers what it was."""

    def __init__(self, send: Send, name: str) -> None:
        self._send = send
        self._name = name
        self._start = time.perf_counter()
        self.status = 0
        self.bytes = 0
        self.facts: dict[str, Any] = {}

    @property
    def seconds(self) -> float:
        return time.perf_counter() - self._start

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = MutableHeaders(scope=message)
            headers["X-Request-ID"] = self._name
            for key in ("model", "version"):
                if f"x-superres-{key}" in headers:
                    self.facts[key] = headers[f"x-superres-{key}"]
        self.bytes += len(message.get("body", b""))
        await self._send(message)


def _note(scope: Scope, answer: _Answer) -> None:
    known = {route.path for route in scope["app"].routes if isinstance(route, Route)}
    path = scope["path"]
    measures.answered(path if path in known else "other", answer.status, answer.seconds)
    facts = {
        "method": scope["method"],
        "path": path,
        "status": answer.status,
        "milliseconds": round(1000 * answer.seconds, 1),
        "bytes_in": int(dict(scope["headers"]).get(b"content-length", b"0") or 0),
        "bytes_out": answer.bytes,
        **answer.facts,
    }
    log.info("%s %s %d", scope["method"], path, answer.status, extra={"facts": facts})


def check_key(scope: Scope, key: str | None) -> None:
    """Raise InputError 401 for a request without the service's key, if it has one."""
    path = scope["path"]
    if key is None or path in OPEN or path.startswith(OPEN_BELOW):
        return
    headers = dict(scope["headers"])
    given = headers.get(b"x-api-key", b"")
    kind, _, word = headers.get(b"authorization", b"").partition(b" ")
    if not given and kind.lower() == b"bearer":
        given = word.strip()
    # In constant time: how long a refusal takes must not tell how much of a guess was right.
    if not hmac.compare_digest(given, key.encode()):
        found = "another key" if given else "no key"
        message = f"this service needs a key, the request has {found}"
        raise InputError(message, code="unauthorized", status=401)
