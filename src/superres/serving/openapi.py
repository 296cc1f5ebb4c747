"""The service described to machines (OpenAPI at /docs.json) and to people (the page at /).

BentoML describes only its own endpoints, and its page loads a tracker from another host.
"""

from typing import Any

from superres import __version__
from superres.serving.schemas import (
    BYTES,
    COUNT,
    ERROR,
    INSTANCES,
    JOB,
    LIMITS,
    MODELS,
    PREDICTIONS,
    TEXT,
    VERSIONS,
    Json,
    record,
)

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

MEANINGS = {
    400: "malformed request, or a word that the address does not know",
    401: "the key is missing or wrong (services with SUPERRES_API_KEY)",
    404: "no such address, model, version or task",
    408: "the upload stalled",
    409: "not in this state",
    413: "too large: bytes, pixels, output pixels, files, frames or seconds",
    415: "not a supported type",
    422: "content that cannot be processed",
    503: "busy or not ready, see Retry-After",
}
UPLOADS = (400, 401, 404, 408, 413, 415, 422, 503)
ID = {"X-Request-ID": {"schema": TEXT, "description": "the request's own, or a new one"}}
LINEAGE = {
    **ID,
    "X-Superres-Model": {"schema": TEXT, "description": "who, as `model` takes it"},
    "X-Superres-Network": {"schema": TEXT, "description": "which kind of network that is"},
    "X-Superres-Version": {"schema": TEXT, "description": "exactly which weights"},
    "X-Superres-Scale": {"schema": COUNT, "description": "the model's factor"},
}
NAME = "a name of GET /models"
MODEL = "a name of GET /models, or name@version"
FORMAT = "png, jpg, webp, tiff, bmp or avif (gif: of animations); without it as it came, or png"
SCALE = "a factor up to 64, for example 3 or 1.5; without it the model's own"
SIZE = "1920x1080, 1920x or x1080, instead of a scale"


def document() -> Json:
    """Return the OpenAPI document of every address."""
    return {
        "openapi": "3.0.3",
        "info": {
            "title": "superres",
            "version": __version__,
            "description": "Pictures and videos, upscaled. Errors: {error: {code, message, cure}}.",
        },
        "servers": [{"url": "."}],
        "components": {
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "header": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
            }
        },
        # A service without a key lets everybody in, which is the empty one.
        "security": [{}, {"bearer": []}, {"header": []}],
        "paths": {**_pictures(), **_models(), **_videos(), **_state()},
    }


def _pictures() -> Json:
    words = ("model", "format", "scale", "size")
    choice = [_query(*word) for word in zip(words, (MODEL, FORMAT, SCALE, SIZE), strict=True)]
    done = {
        "X-Superres-Done": {"schema": COUNT, "description": "pictures upscaled"},
        "X-Superres-Failed": {"schema": COUNT, "description": "members that were not"},
    }
    return {
        "/upscale": {
            "post": _operation(
                "Upscale a picture; alpha, 16 bits, profile and EXIF are kept.",
                {"image/*": {"schema": BYTES}},
                UPLOADS,
                headers=LINEAGE,
                body=_upload("image", *words),
                parameters=choice,
            )
        },
        "/upscale_batch": {
            "post": _operation(
                "Upscale a zip of pictures into a zip, whose report.json tells of each one.",
                {"application/zip": {"schema": BYTES}},
                UPLOADS,
                headers={**LINEAGE, **done},
                body=_upload("archive", *words),
                parameters=choice,
            )
        },
        "/predict": {
            "post": _operation(
                "Upscale a batch of arrays.",
                _object(PREDICTIONS),
                UPLOADS,
                headers=LINEAGE,
                body={"content": _object(INSTANCES), "required": True},
                parameters=[_query("model", MODEL)],
            )
        },
    }


def _models() -> Json:
    name = {
        "name": "name",
        "in": "path",
        "required": True,
        "description": NAME,
        "schema": {**TEXT, "minLength": 1},
    }
    return {
        "/models": {"get": _operation("List the models.", _object(MODELS), (400, 401))},
        "/models/{name}/versions": {
            "get": _operation(
                "List the versions that name@version accepts.",
                _object(VERSIONS),
                (401, 404, 503),
                parameters=[name],
            )
        },
        "/models/card": {
            "get": _operation(
                "Read the card of a model.",
                {"text/markdown": {"schema": TEXT}},
                (400, 401, 404),
                parameters=[_query("model", NAME)],
            )
        },
        "/models/picture": {
            "get": _operation(
                "Fetch a picture that GET /models lists for a model.",
                {"image/*": {"schema": BYTES}},
                (400, 401, 404),
                parameters=[_query("model", NAME), _query("name", "which one")],
            )
        },
        "/limits": {"get": _operation("Say what is accepted.", _object(LIMITS), (400,))},
    }


def _videos() -> Json:
    task = [_query("task_id", "from submit", required=True)]
    answers = (400, 401, 404)
    submit = _operation(
        "Hand in a video; it is upscaled behind the scenes.",
        _object(JOB),
        UPLOADS,
        body=_upload("video", "model"),
        parameters=[_query("model", MODEL)],
    )
    stop = "Stop a task; answers when it has stopped."
    cancel = _operation(stop, _object(JOB), (*answers, 409), parameters=task)
    status = _operation("Ask for progress.", _object(JOB), answers, parameters=task)
    fetch = _operation(
        "Fetch the result, also in parts (Range).",
        {"video/mp4": {"schema": BYTES}},
        (*answers, 409, 422),
        parameters=task,
    )
    return {
        "/upscale_video/submit": {"post": submit},
        "/upscale_video/status": {"get": status},
        "/upscale_video/get": {"get": fetch},
        "/upscale_video/cancel": {"put": cancel, "post": cancel},
    }


def _state() -> Json:
    text = {"text/plain": {"schema": TEXT}}
    readiness = _operation("The model is loaded and warm.", text, (), headers={})
    readiness["responses"]["503"] = {"description": "not yet, or no more", "content": text}
    return {
        "/livez": {"get": _operation("The process answers.", text, (), headers={})},
        "/readyz": {"get": readiness},
        "/metrics": {"get": _operation("Counters for Prometheus.", text, (), headers={})},
    }


def _operation(
    summary: str,
    content: Json,
    errors: tuple[int, ...],
    *,
    headers: Json | None = None,
    **details: Any,
) -> Json:
    wait = {"Retry-After": {"schema": COUNT, "description": "seconds"}}
    told = {
        str(status): {
            "description": MEANINGS[status],
            "headers": {**ID, **(wait if status == 503 else {})},
            "content": _object(ERROR),
        }
        for status in errors
    }
    described = {"requestBody" if key == "body" else key: part for key, part in details.items()}
    done = {"description": "done", "headers": ID if headers is None else headers}
    return {
        "summary": summary,
        "responses": {"200": {**done, "content": content}, **told},
        **described,
    }


def _upload(field: str, *words: str) -> Json:
    schema = record({field: BYTES}, dict.fromkeys(words, TEXT))
    return {"content": {"multipart/form-data": {"schema": schema}}, "required": True}


def _object(schema: Json) -> Json:
    return {"application/json": {"schema": schema}}


def _query(name: str, description: str, *, required: bool = False) -> Json:
    return {
        "name": name,
        "in": "query",
        "required": required,
        "description": description,
        "schema": {**TEXT, "minLength": 1} if required else TEXT,
    }
