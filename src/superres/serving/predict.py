"""`POST /predict`: a JSON batch of LR arrays in, a JSON batch of SR arrays out (report R2)."""

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from superres.errors import InputError
from superres.serving.served import Served

Floats = NDArray[np.float32]

SHAPE = "instances must be an array (batch, height, width, 3) of numbers in [0, 1]"
DIGITS = 6  # more than float32 images carry, fewer than repr writes


def parse(body: bytes) -> tuple[Floats, str | None]:
    """Read {"instances": [...], "model": name?} -> (N, h, w, 3) float32 in [0, 1], and the name.

    Raises InputError: 400 when it is not such JSON, 422 when the numbers are not such an array.
    """
    try:
        content = json.loads(body)
    except (ValueError, RecursionError) as error:
        message = f"the body is not valid JSON: {error}"
        raise InputError(message, code="malformed_json", status=400) from None
    if not isinstance(content, dict) or not isinstance(content.get("instances"), list):
        message = f'expected {{"instances": [...]}}; {SHAPE}'
        raise InputError(message, code="missing_instances", status=400)
    model = content.get("model")
    if model is not None and not isinstance(model, str):
        raise InputError("'model' must be a name", code="malformed", status=400)
    return _array(content["instances"]), model


def _array(instances: list[Any]) -> Floats:
    try:
        found = np.asarray(instances)
    except (ValueError, OverflowError):
        message = f"{SHAPE}; found rows of different lengths"
        raise InputError(message, code="ragged") from None
    if found.size == 0:
        raise InputError(f"{SHAPE}; found an empty one", code="wrong_shape")
    if found.dtype.kind not in "iuf":
        raise InputError(f"{SHAPE}; found other values than numbers", code="not_numbers")
    if found.ndim != 4 or found.shape[3] != 3:
        raise InputError(f"{SHAPE}; found shape {list(found.shape)}", code="wrong_shape")
    lowest, highest = float(found.min()), float(found.max())
    if not (lowest >= 0 and highest <= 1):  # NaN is neither
        message = f"{SHAPE}; found values from {lowest:g} to {highest:g}"
        raise InputError(message, code="out_of_range")
    return found.astype(np.float32)


def answer(sr: Floats, upscaler: Served) -> bytes:
    """Write (N, 3, h, w) in [0, 1] as {"predictions": (N, h, w, 3), "model", "version"}."""
    facts = {"model": upscaler.name, "version": upscaler.version}
    tail = json.dumps(facts)[1:].encode()
    return b'{"predictions": [' + b", ".join(_pictures(sr)) + b"], " + tail


def _pictures(sr: Floats) -> Iterator[bytes]:
    for picture in sr.transpose(0, 2, 3, 1):
        # Row by row: json holds Python's lock for a whole call, and other requests wait.
        rows = (json.dumps(row.astype(np.float64).round(DIGITS).tolist()) for row in picture)
        yield b"[" + ", ".join(rows).encode() + b"]"
