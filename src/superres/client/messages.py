"""Python values as forms, and the service's JSON as values and errors."""

import json
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any

import httpx
import numpy as np
from numpy.typing import NDArray

from superres import images
from superres.client.answers import Batch, Task
from superres.errors import InputError, ServiceError

Source = Path | str | bytes | NDArray[Any] | images.Picture


def form(field: str, source: Source, stack: ExitStack) -> dict[str, Any]:
    """Return httpx' words for a form with one file; files are opened on the stack."""
    name = f"{field}.png"
    file: bytes | IO[bytes]
    if isinstance(source, np.ndarray):
        source = images.Picture(source)
    if isinstance(source, images.Picture):
        file = images.encode(source)
    elif isinstance(source, bytes):
        file = source
    else:
        path = Path(source)
        try:
            name, file = path.name, stack.enter_context(path.open("rb"))
        except OSError as error:
            raise InputError(f"{path} cannot be read: {error}", code="unreadable") from None
    return {"files": {field: (name, file, "application/octet-stream")}}


def content(answer: httpx.Response) -> dict[str, Any]:
    """Return the JSON of an answer; ServiceError when it is something else."""
    try:
        found: dict[str, Any] = answer.json()
    except json.JSONDecodeError:
        message = f"{answer.url}: this is no superres service, its answer is not JSON"
        raise ServiceError(message, status=answer.status_code) from None
    return found


def failure(task: Task) -> ServiceError:
    """Return the error of a task that failed or was cancelled."""
    if task.status == "canceled":
        return ServiceError(f"task '{task.task_id}' was cancelled", code="canceled")
    error = task.error or {}
    words = " ".join(error[key] for key in ("message", "cure") if error.get(key))
    return ServiceError(words or f"task '{task.task_id}' failed", code=error.get("code", "failed"))


def joined(reports: Sequence[dict[str, Any]]) -> Batch:
    """Return the reports of several archives as one."""
    files = tuple(one for report in reports for one in report["files"])
    return Batch(
        sum(report["done"] for report in reports),
        sum(report["failed"] for report in reports),
        files,
    )
