"""What the service says when it cannot: {"error": {"code", "message", "cure"}}, always."""

import logging
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from superres.errors import InputError, SuperresError
from superres.serving.cures import cure_of

log = logging.getLogger(__name__)


class UnavailableError(SuperresError):
    """The service cannot do this now; `retry_after` in seconds."""

    def __init__(self, message: str, *, code: str = "busy", retry_after: int = 5) -> None:
        super().__init__(message)
        self.code = code
        self.retry_after = retry_after


def error_body(code: str, message: str, status: int, address: str = "") -> dict[str, Any]:
    """Return the one form of every error."""
    return {"error": {"code": code, "message": message, "cure": cure_of(code, status, address)}}


def explained(error: Exception, address: str) -> dict[str, Any]:
    """Return why something at this address failed that is not answered by itself."""
    code, status = _code_of(error)
    return error_body(code, _message_of(error), status, address)


def error_response(error: Exception, address: str = "") -> Response:
    """Turn an exception into an answer; only what nobody foresaw is a 500."""
    headers: dict[str, str] = {}
    if isinstance(error, InputError) and error.status == 401:
        headers = {"WWW-Authenticate": "Bearer"}
    elif isinstance(error, UnavailableError):
        headers = {"Retry-After": str(error.retry_after)}
    elif isinstance(error, HTTPException):
        headers = dict(error.headers or {})
    code, status = _code_of(error)
    if status == 500:
        log.error("unexpected error", exc_info=error)
    return JSONResponse(error_body(code, _message_of(error), status, address), status, headers)


async def on_error(request: Request, error: Exception) -> Response:
    """Answer an exception that an endpoint raised (Starlette's form of a handler)."""
    return error_response(error, request.scope["path"])


def _code_of(error: Exception) -> tuple[str, int]:
    if isinstance(error, InputError):
        return error.code, error.status
    if isinstance(error, UnavailableError):
        return error.code, 503
    if isinstance(error, HTTPException):
        names = {400: "malformed", 404: "not_found", 405: "method_not_allowed"}
        return names.get(error.status_code, "refused"), error.status_code
    if isinstance(error, ClientDisconnect):
        return "disconnected", 400
    return "failed", 500


def _message_of(error: Exception) -> str:
    if isinstance(error, HTTPException):
        return error.detail
    if isinstance(error, ClientDisconnect):
        return "the client left before the upload was complete"
    if isinstance(error, SuperresError):
        return str(error)
    return "an unexpected error, see the log of the service"
