"""What the service says when it cannot: {"error": {"code", "message", "cure"}}, always."""

import logging
from collections.abc import Mapping
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from superres.errors import InputError, SuperresError

log = logging.getLogger(__name__)

CURES = {
    "already_over": "Ask GET /upscale_video/status for how it ended.",
    "archive_too_large": "Send fewer or smaller pictures, or raise SUPERRES_MAX_FILES.",
    "bad_archive": "Send a zip without passwords, as `zip -r pictures.zip folder` makes it.",
    "bad_size": "Send scale=3, or size=1920x1080, 1920x, x1080.",
    "busy": "Try again after the seconds in Retry-After.",
    "corrupt_image": "Check that the upload is complete; open and save the picture again.",
    "corrupt_video": "Check that the upload is complete; convert the video again.",
    "empty": "Send the content of a picture or video, not an empty file.",
    "failed": "Look into the log of the service; GET /models lists other models.",
    "quota": "Try again after the seconds in Retry-After, or raise SUPERRES_JOBS_BYTES.",
    "loading": "Try again after the seconds in Retry-After; GET /readyz answers 200 when ready.",
    "malformed_json": 'Send JSON: {"instances": (batch, height, width, 3) in [0, 1]}.',
    "missing_field": "Send multipart/form-data, for example: curl -F image=@photo.png URL.",
    "missing_instances": 'Send JSON: {"instances": (batch, height, width, 3) in [0, 1]}.',
    "model_unavailable": "Run `superres promote`, or start the service with SUPERRES_MODEL set.",
    "missing_task_id": "Add ?task_id= with what POST /upscale_video/submit gave.",
    "not_finished": "Ask GET /upscale_video/status until the status is 'completed'.",
    "out_of_range": "Divide 8-bit levels by 255.",
    "timeout": "Send a smaller picture, or raise SUPERRES_TIMEOUT_SECONDS.",
    "too_many_bytes": "Send a smaller file, or raise SUPERRES_MAX_BYTES, _MAX_VIDEO_BYTES.",
    "too_many_frames": "Send a shorter video, or raise SUPERRES_MAX_FRAMES.",
    "too_many_output_pixels": "Send a smaller picture, or raise SUPERRES_MAX_OUTPUT_PIXELS.",
    "too_many_pixels": "Send a smaller picture, or raise SUPERRES_MAX_PIXELS.",
    "too_many_seconds": "Send a shorter video, or raise SUPERRES_MAX_SECONDS.",
    "too_wide": "Ask for png or tiff, which hold pictures of any side.",
    "unauthorized": "Send the header `Authorization: Bearer KEY`, or `X-API-Key: KEY`.",
    "unknown_model": "GET /models lists the models of this service.",
    "unknown_version": "GET /models/NAME/versions lists what there is.",
    "unsupported_format": "Ask for png, jpg, webp, tiff or bmp, or leave the format out.",
    "unsupported_media_type": "Send what the description at / says, e.g. curl -F image=@photo.png.",
    "unknown_task": "POST /upscale_video/submit gives the task_id; results expire.",
}
STATUS_CURES = {
    400: "Compare the request with the description at /.",
    404: "GET / describes every address of this service.",
    405: "GET / describes the method of every address.",
    408: "Send the upload faster.",
    413: "Send less at a time.",
    415: "Send a PNG, JPEG, WebP, TIFF, BMP or GIF picture, or a video such as MP4.",
    422: "Change the content as the message says.",
    503: "Try again after the seconds in Retry-After.",
}


class UnavailableError(SuperresError):
    """The service cannot do this now; `retry_after` in seconds."""

    def __init__(self, message: str, *, code: str = "busy", retry_after: int = 5) -> None:
        super().__init__(message)
        self.code = code
        self.retry_after = retry_after


def error_body(code: str, message: str, status: int) -> dict[str, Any]:
    """Return the one form of every error."""
    cure = CURES.get(code) or STATUS_CURES.get(status, CURES["failed"])
    return {"error": {"code": code, "message": message, "cure": cure}}


def error_response(error: Exception) -> Response:
    """Turn an exception into an answer; only what nobody foresaw is a 500."""
    if isinstance(error, InputError):
        asks = {"WWW-Authenticate": "Bearer"} if error.status == 401 else {}
        return _json(error.code, str(error), error.status, asks)
    if isinstance(error, UnavailableError):
        headers = {"Retry-After": str(error.retry_after)}
        return _json(error.code, str(error), 503, headers)
    if isinstance(error, HTTPException):
        code = {400: "malformed", 404: "not_found", 405: "method_not_allowed"}
        headers = dict(error.headers or {})
        name = code.get(error.status_code, "refused")
        return _json(name, error.detail, error.status_code, headers)
    if isinstance(error, ClientDisconnect):
        return _json("disconnected", "the client left before the upload was complete", 400)
    log.error("unexpected error", exc_info=error)
    if isinstance(error, SuperresError):
        return _json("failed", str(error), 500)
    return _json("failed", "an unexpected error, see the log of the service", 500)


async def on_error(request: Request, error: Exception) -> Response:
    """Answer an exception that an endpoint raised (Starlette's form of a handler)."""
    return error_response(error)


def _json(
    code: str, message: str, status: int, headers: Mapping[str, str] | None = None
) -> Response:
    return JSONResponse(error_body(code, message, status), status, headers)
