"""What the service accepts: limits from params.yaml and the environment, and bodies within them."""

from collections.abc import Mapping
from pathlib import Path

import anyio
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from superres.config import ServingParams
from superres.config.schema import parse, read_yaml
from superres.errors import InputError, SuperresError
from superres.serving import measures
from superres.serving.door import check_key
from superres.serving.errors import UnavailableError, error_response
from superres.serving.forms import check_query

ENVIRONMENT = "SUPERRES_"
ENVELOPE = 64 << 10  # bytes of a multipart body besides its file
PREDICT_BYTES = 32 << 20  # JSON in memory is ten times its text
MOST_UPLOADS = 64  # bodies that are read at the same time; they lie in memory or on disk
ROOMS = ("/upscale", "/upscale_batch", "/upscale_video/submit", "/predict")  # what computes
IDLE_SECONDS = 30.0  # an upload that stalls this long is given up
DRAIN_SECONDS = 5.0  # how long a refused upload is still read, so that the client sees why


def serving_params(root: Path, environment: Mapping[str, str]) -> ServingParams:
    """Read the limits: defaults, `serving` of root/params.yaml, then SUPERRES_<FIELD>.

    Raises ConfigError naming the file or variable, the value found and what is accepted.
    """
    path = root / "params.yaml"
    content = dict(read_yaml(path).get("serving") or {}) if path.is_file() else {}
    params = parse(ServingParams, content, f"{path}, section 'serving'")
    given = {
        field: environment[ENVIRONMENT + field.upper()]
        for field in ServingParams.model_fields
        if ENVIRONMENT + field.upper() in environment
    }
    merged = {**params.model_dump(), **given}
    return parse(ServingParams, merged, f"environment {ENVIRONMENT}*")


class BodyLimit:
    """Refuse what needs no reading: no key, a misspelt word, no room, a body above its limit.

    A body that does not say its length is counted while it streams. An upload that stalls or
    takes too long is given up, so that slow clients cannot hold the service.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self._uploads = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        uploads = scope["method"] in ("POST", "PUT", "PATCH")
        try:
            self._check(scope, uploads=uploads)
        except SuperresError as error:
            await _answer_then_drain(error_response(error, scope["path"]), receive, send)
            return
        if not uploads:
            await self.app(scope, receive, send)
            return
        self._uploads += 1
        try:
            await self.app(scope, _counted(receive, _limit(scope), _params(scope)), send)
        finally:
            self._uploads -= 1

    def _check(self, scope: Scope, *, uploads: bool) -> None:
        check_key(scope, scope["app"].state.runtime.key)
        check_query(scope["path"], scope["query_string"])
        if not uploads or scope["path"] not in ROOMS:
            return
        announced = dict(scope["headers"]).get(b"content-length", b"")
        limit = _limit(scope)
        if announced.isdigit() and int(announced) > limit:
            raise _too_large(int(announced), limit)
        scope["app"].state.runtime.require_room(scope["path"])
        if self._uploads >= MOST_UPLOADS:
            measures.refused("uploads")
            raise UnavailableError(f"{self._uploads} uploads are under way, which is the most")


def _params(scope: Scope) -> ServingParams:
    params: ServingParams = scope["app"].state.runtime.params
    return params


def _limit(scope: Scope) -> int:
    params = _params(scope)
    known = {
        "/upscale": params.max_bytes + ENVELOPE,
        "/upscale_batch": params.max_video_bytes + ENVELOPE,
        "/upscale_video/submit": params.max_video_bytes + ENVELOPE,
        "/predict": min(PREDICT_BYTES, params.max_bytes),
    }
    return known.get(scope["path"], ENVELOPE)


def _counted(receive: Receive, limit: int, params: ServingParams) -> Receive:
    count = 0
    complete = False
    until = anyio.current_time() + params.upload_seconds

    async def counted() -> Message:
        nonlocal count, complete
        if complete:
            return await receive()
        left = min(IDLE_SECONDS, until - anyio.current_time())
        try:
            with anyio.fail_after(max(0, left)):
                message = await receive()
        except TimeoutError:
            text = f"no byte of the upload came for {left:.0f} seconds"
            if left < IDLE_SECONDS:
                text = f"the upload took more than {params.upload_seconds} seconds"
            raise InputError(text, code="stalled", status=408) from None
        complete = not message.get("more_body", False)
        count += len(message.get("body", b""))
        if count > limit:
            await _drain(receive)
            raise _too_large(count, limit)
        return message

    return counted


def _too_large(found: int, limit: int) -> InputError:
    message = f"the request has {found} bytes or more, at most {limit} are accepted"
    return InputError(message, code="too_many_bytes", status=413)


async def _answer_then_drain(response: Response, receive: Receive, send: Send) -> None:
    """Send the whole answer, then read on for a while: a reset would take it from the client."""
    headers = [*response.raw_headers, (b"connection", b"close")]
    start = {"type": "http.response.start", "status": response.status_code, "headers": headers}
    await send(start)
    await send({"type": "http.response.body", "body": bytes(response.body), "more_body": True})
    await _drain(receive)
    await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _drain(receive: Receive) -> None:
    with anyio.move_on_after(DRAIN_SECONDS):
        while (await receive()).get("more_body", False):
            pass
