"""What the service accepts: limits from params.yaml and the environment, and bodies within them."""

from collections.abc import Mapping
from pathlib import Path

import anyio
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from superres.config import ServingParams
from superres.config.schema import parse, read_yaml
from superres.errors import InputError
from superres.serving.errors import error_response

ENVIRONMENT = "SUPERRES_"
ENVELOPE = 64 << 10  # bytes of a multipart body besides its file
PREDICT_BYTES = 32 << 20  # JSON in memory is ten times its text
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
    """Refuse a body above its limit: at once when it says its length, else while it streams.

    An upload that stalls is given up, so that slow clients cannot hold the service.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http" or scope["method"] not in ("POST", "PUT", "PATCH"):
            await self.app(scope, receive, send)
            return
        limit = self._limit(scope)
        announced = dict(scope["headers"]).get(b"content-length", b"")
        if announced.isdigit() and int(announced) > limit:
            response = error_response(_too_large(int(announced), limit))
            await _answer_then_drain(response, receive, send)
            return
        await self.app(scope, _counted(receive, limit), send)

    def _limit(self, scope: Scope) -> int:
        params: ServingParams = scope["app"].state.runtime.params
        path = scope["path"]
        if path.endswith("/upscale_video/submit"):
            return params.max_video_bytes + ENVELOPE
        if path.endswith("/predict"):
            return min(PREDICT_BYTES, params.max_bytes)
        return params.max_bytes + ENVELOPE


def _counted(receive: Receive, limit: int) -> Receive:
    count = 0
    complete = False

    async def counted() -> Message:
        nonlocal count, complete
        if complete:
            return await receive()
        try:
            with anyio.fail_after(IDLE_SECONDS):
                message = await receive()
        except TimeoutError:
            text = f"no byte of the upload came for {IDLE_SECONDS:.0f} seconds"
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
