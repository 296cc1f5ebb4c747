"""One line of JSON per event, with the request that it belongs to."""

import json
import logging
import sys
import uuid
from collections.abc import Mapping
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

request_id: ContextVar[str | None] = ContextVar("superres_request_id", default=None)

LONGEST = 64
ACCEPTED = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-")


class JsonLines(logging.Formatter):
    """{"time", "level", "logger", "message", "request_id"?, "error"?, ...facts}."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line; `extra={"facts": {...}}` adds keys of its own."""
        content: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if (known := request_id.get()) is not None:
            content["request_id"] = known
        content.update(getattr(record, "facts", {}))
        if record.exc_info:
            content["error"] = self.formatException(record.exc_info)
        return json.dumps(content, default=str)


def configure(environment: Mapping[str, str]) -> None:
    """Write this package's log to standard error: JSON, or plain with SUPERRES_LOG=text."""
    handler = logging.StreamHandler(sys.stderr)
    if environment.get("SUPERRES_LOG") == "text":
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
    else:
        handler.setFormatter(JsonLines())
    ours = logging.getLogger("superres")
    ours.handlers, ours.propagate = [handler], False
    ours.setLevel(logging.INFO)


def accepted_id(given: str) -> str:
    """Return the client's id where it is one word of 64 letters at most, else a new one."""
    if 0 < len(given) <= LONGEST and ACCEPTED.issuperset(given):
        return given
    return uuid.uuid4().hex
