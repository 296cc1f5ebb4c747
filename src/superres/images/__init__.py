"""Bytes <-> RGB array <-> tensor: the only place that knows file formats, depth and colour."""

import uuid
from pathlib import Path
from typing import Any

from superres.colour import luma
from superres.errors import InputError
from superres.images.decoding import decode
from superres.images.encoding import encode
from superres.images.picture import FORMATS, Limits, Picture, to_pixels, to_tensor

__all__ = [
    "FORMATS",
    "Limits",
    "Picture",
    "decode",
    "encode",
    "luma",
    "read",
    "to_pixels",
    "to_tensor",
    "write",
]


def read(path: Path, limits: Limits | None = None) -> Picture:
    """Decode a picture file; the file's size is checked before it is read.

    Raises InputError as `decode` does, with the path in front, also for a missing file.
    """
    limits = limits or Limits()
    try:
        if path.stat().st_size > limits.max_bytes:
            raise limits.too_many_bytes(path.stat().st_size)
        return decode(path.read_bytes(), limits)
    except OSError as error:
        message = f"{path}: cannot be read: {error.strerror}"
        raise InputError(message, code="unreadable", status=400) from error
    except InputError as error:
        raise InputError(f"{path}: {error}", code=error.code, status=error.status) from error


def write(path: Path, picture: Picture, **options: Any) -> None:
    """Encode into `path` in the format of its suffix (see FORMATS); `options` as in `encode`.

    The file appears whole or not at all. Raises InputError for a suffix not in FORMATS.
    """
    format_name = FORMATS.get(path.suffix.lower())
    if format_name is None:
        known = ", ".join(FORMATS)
        message = f"{path}: suffix {path.suffix!r} is no picture format; accepted: {known}"
        raise InputError(message, code="unsupported_type", status=415)
    data = encode(picture, format_name, **options)
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}.partial")
    try:
        temporary.write_bytes(data)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
