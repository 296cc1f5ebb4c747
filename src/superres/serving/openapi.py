"""The service described to machines (OpenAPI at /docs.json) and to people (the page at /).

BentoML describes only its own endpoints, and its page loads a tracker from another host.
"""

from typing import Any

from superres import __version__

Json = dict[str, Any]

INDEX = """<!DOCTYPE html>
<html lang="en">
  <head>
    <meta charset="UTF-8">
    <title>superres</title>
    <link rel="stylesheet" href="./static_content/swagger-ui.css">
    <link rel="stylesheet" href="./static_content/index.css">
    <link rel="icon" href="data:,">
  </head>
  <body>
    <div id="swagger-ui"></div>
    <script src="./static_content/swagger-ui-bundle.js"></script>
    <script src="./static_content/swagger-ui-standalone-preset.js"></script>
    <script src="./static_content/swagger-initializer.js"></script>
  </body>
</html>
"""

ERROR: Json = {
    "type": "object",
    "properties": {
        "error": {
            "type": "object",
            "properties": {
                "code": {"type": "string", "example": "too_many_pixels"},
                "message": {"type": "string"},
                "cure": {"type": "string"},
            },
        }
    },
}
JOB: Json = {
    "type": "object",
    "properties": {
        "task_id": {"type": "string"},
        "status": {"enum": ["pending", "in_progress", "completed", "failed", "canceled"]},
        "percent": {"type": "number", "nullable": True},
        "frames_done": {"type": "integer"},
        "frames": {"type": "integer", "nullable": True},
        "elapsed_seconds": {"type": "number"},
        "eta_seconds": {"type": "number", "nullable": True},
        "queue_position": {"type": "integer"},
        "error": {"type": "object"},
    },
}
ARRAY: Json = {
    "type": "array",
    "description": "(batch, height, width, 3), values in [0, 1]",
    "items": {"type": "array", "items": {"type": "array", "items": {"type": "array"}}},
}
MEANINGS = {
    400: "malformed request",
    404: "no such model or task",
    409: "not in this state",
    413: "too large: bytes, pixels, output pixels, frames or seconds",
    415: "not a supported type",
    422: "content that cannot be processed",
    503: "busy or not ready, see Retry-After",
}


def document() -> Json:
    """Return the OpenAPI document of every address."""
    return {
        "openapi": "3.0.2",
        "info": {
            "title": "superres",
            "version": __version__,
            "description": "Pictures and videos, upscaled. Errors: {error: {code, message, cure}}.",
        },
        "servers": [{"url": "."}],
        "paths": {**_pictures(), **_videos(), **_state()},
    }


def _pictures() -> Json:
    picture = {"image/*": {"schema": {"type": "string", "format": "binary"}}}
    instances = {"type": "object", "properties": {"instances": ARRAY}, "required": ["instances"]}
    predictions = {"type": "object", "properties": {"predictions": ARRAY}}
    return {
        "/upscale": {
            "post": _operation(
                "Upscale a picture; alpha, 16 bits, profile and EXIF are kept.",
                picture,
                body=_upload("image"),
                parameters=[_query("model", "a name of GET /models"), _query("format", "png, jpg")],
            )
        },
        "/predict": {
            "post": _operation(
                "Upscale a batch of arrays.",
                {"application/json": {"schema": predictions}},
                body={"content": {"application/json": {"schema": instances}}, "required": True},
                parameters=[_query("model", "a name of GET /models")],
            )
        },
        "/models": {"get": _operation("List the models.", _object({"type": "object"}))},
    }


def _videos() -> Json:
    task = [_query("task_id", "from submit", required=True)]
    file = {"video/mp4": {"schema": {"type": "string", "format": "binary"}}}
    submit = _operation(
        "Hand in a video; it is upscaled behind the scenes.",
        _object(JOB),
        body=_upload("video"),
        parameters=[_query("model", "a name of GET /models")],
    )
    cancel = _operation("Stop a task; answers when it has stopped.", _object(JOB), parameters=task)
    status = _operation("Ask for progress.", _object(JOB), parameters=task)
    return {
        "/upscale_video/submit": {"post": submit},
        "/upscale_video/status": {"get": status},
        "/upscale_video/get": {"get": _operation("Fetch the result.", file, parameters=task)},
        "/upscale_video/cancel": {"put": cancel, "post": cancel},
    }


def _state() -> Json:
    text = {"text/plain": {"schema": {"type": "string"}}}
    return {
        "/livez": {"get": _operation("The process answers.", text)},
        "/readyz": {"get": _operation("The model is loaded and warm.", text)},
        "/metrics": {"get": _operation("Counters for Prometheus.", text)},
    }


def _operation(summary: str, content: Json, **details: Any) -> Json:
    errors = {
        str(status): {"description": meaning, "content": {"application/json": {"schema": ERROR}}}
        for status, meaning in MEANINGS.items()
    }
    described = {"requestBody" if key == "body" else key: part for key, part in details.items()}
    answers = {"200": {"description": "done", "content": content}, **errors}
    return {"summary": summary, "responses": answers, **described}


def _upload(field: str) -> Json:
    schema = {
        "type": "object",
        "properties": {field: {"type": "string", "format": "binary"}},
        "required": [field],
    }
    return {"content": {"multipart/form-data": {"schema": schema}}, "required": True}


def _object(schema: Json) -> Json:
    return {"application/json": {"schema": schema}}


def _query(name: str, description: str, *, required: bool = False) -> Json:
    schema = {"type": "string"}
    return {
        "name": name,
        "in": "query",
        "required": required,
        "description": description,
        "schema": schema,
    }
