"""Bytes <-> RGB array <-> tensor: the only place that knows file formats, depth and colour."""

import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from superres.colour import luma
from superres.errors import InputError
from superres.images.decoding import decode
from superres.images.encoding import encode, header_of, storable
from superres.images.fitting import check_side
from superres.images.lossless import WRITERS
from superres.images.picture import FORMATS, Limits, Picture, Pixels, to_pixels, to_tensor

__all__ = [
    "FORMATS",
    "Limits",
    "Picture",
    "decode",
    "encode",
    "format_of_suffix",
    "luma",
    "read",
    "strips_into",
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


def format_of_suffix(path: Path) -> str:
    """Return the format that a suffix names; InputError for one that cannot be written."""
    format_name = FORMATS.get(path.suffix.lower())
    if format_name is None:
        known = ", ".join(FORMATS)
        message = f"{path}: suffix {path.suffix!r} is no picture format; accepted: {known}"
        raise InputError(message, code="unsupported_type", status=415)
    return format_name


def write(path: Path, picture: Picture, **options: Any) -> None:
    """Encode into `path` in the format of its suffix (see FORMATS); `options` as in `encode`.

    The file appears whole or not at all. Raises InputError for a suffix not in FORMATS.
    """
    data = encode(picture, format_of_suffix(path), **options)
    with _replaced(path) as temporary:
        temporary.write_bytes(data)


@contextmanager
def strips_into(
    path: Path, like: Picture, height: int, width: int, text: Mapping[str, str]
) -> Iterator[Callable[[Pixels], None]]:
    """Yield what takes a PNG or TIFF of `height` x `width` from the top, in strips (rows, W, 3).

    Profile, EXIF, depth, greyness and alpha are those of `like`; with alpha the strips have a
    fourth channel. The file appears whole or not at all.
    """
    format_name = format_of_suffix(path)
    check_side(format_name, height, width)
    like = storable(like, format_name)
    channels = [0] if like.grey else [0, 1, 2]
    if like.alpha is not None:
        channels.append(3)
    header = header_of(like, (height, width, len(channels)), format_name, text)
    with _replaced(path) as temporary, temporary.open("w+b") as stream:
        writer = WRITERS[format_name](stream, header)
        whole = channels in ([0, 1, 2], [0, 1, 2, 3])
        yield lambda pixels: writer.write(pixels if whole else pixels[..., channels])
        writer.close()


@contextmanager
def _replaced(path: Path) -> Iterator[Path]:
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}.partial")
    try:
        yield temporary
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
