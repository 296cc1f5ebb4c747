"""The shapes of what the service takes and gives, in OpenAPI's words."""

from typing import Any

Json = dict[str, Any]

TEXT: Json = {"type": "string"}
NUMBER: Json = {"type": "number"}
COUNT: Json = {"type": "integer", "minimum": 0}
FLAG: Json = {"type": "boolean"}
TIME: Json = {"type": "string", "format": "date-time"}
BYTES: Json = {"type": "string", "format": "binary"}


def record(required: Json, optional: Json | None = None) -> Json:
    """Return the schema of an object with these properties; others may come."""
    properties = {**required, **(optional or {})}
    return {"type": "object", "properties": properties, "required": list(required)}


def nullable(schema: Json) -> Json:
    """Return the schema of that or null."""
    return {**schema, "nullable": True}


def listed(items: Json) -> Json:
    """Return the schema of an array."""
    return {"type": "array", "items": items}


REASON = record({"code": {**TEXT, "example": "too_many_pixels"}, "message": TEXT, "cure": TEXT})
ERROR = record({"error": REASON})
STATUSES = ["pending", "in_progress", "interrupted", "completed", "failed", "canceled"]
JOB = record(
    {
        "task_id": TEXT,
        "status": {"type": "string", "enum": STATUSES},
        "model": TEXT,
        "version": nullable(TEXT),
        "percent": nullable({"type": "number", "minimum": 0, "maximum": 100}),
        "frames_done": COUNT,
        "frames": nullable(COUNT),
        "elapsed_seconds": {"type": "number", "minimum": 0},
        "eta_seconds": nullable(NUMBER),
        "interruptions": COUNT,
        "created_at": TIME,
        "expires_at": nullable(TIME),
        "queue_position": COUNT,
    },
    {"error": REASON},
)
ARRAY: Json = {
    **listed(listed(listed(listed(NUMBER)))),
    "description": "(batch, height, width, 3), values in [0, 1]",
}
INSTANCES = record({"instances": ARRAY}, {"model": nullable(TEXT)})
PREDICTIONS = record({"predictions": ARRAY, "model": TEXT, "version": TEXT})
MODELS = record(
    {
        "default": TEXT,
        "models": listed(
            record(
                {"name": TEXT, "default": FLAG},
                {"network": TEXT, "scale": COUNT, "version": TEXT, "error": TEXT},
            )
        ),
    }
)
VERSIONS = record({"name": TEXT, "versions": listed(record({"version": TEXT, "current": FLAG}))})
LIMITS = record(
    {
        **dict.fromkeys(
            (
                "max_bytes",
                "max_pixels",
                "max_output_pixels",
                "max_video_bytes",
                "max_frames",
                "max_files",
                "timeout_seconds",
                "result_ttl_seconds",
            ),
            COUNT,
        ),
        "max_seconds": NUMBER,
        "formats": listed(TEXT),
    }
)
