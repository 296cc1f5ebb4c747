"""Animated GIF, WebP and PNG: frames in, frames out, with their times."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import GifImagePlugin, Image, ImageSequence, PngImagePlugin, WebPImagePlugin

from superres import atomic
from superres.errors import InputError
from superres.images.decoding import format_of, in_words
from superres.images.picture import Limits, Picture

# Suffix -> format that can hold an animation.
ANIMATED = {".gif": "GIF", ".webp": "WEBP", ".png": "PNG"}
_PLUGINS = {
    "GIF": GifImagePlugin.GifImageFile,
    "WEBP": WebPImagePlugin.WebPImageFile,
    "PNG": PngImagePlugin.PngImageFile,
}
_DEFAULT_MS = 100  # of a frame whose file names no time

Source = Path | bytes  # a file, or its content


@dataclass(frozen=True)
class Timing:
    """How long each frame is shown, in milliseconds, and how often all of it; 0 is for ever."""

    durations: tuple[int, ...]
    loop: int


def is_animated(source: Source) -> bool:
    """Tell whether the file is a GIF, WebP or PNG of more than one frame."""
    return extent(source)[0] > 1


def extent(source: Source) -> tuple[int, int, int]:
    """Return how many frames of what width and height the file states; of no animation zeros."""
    try:
        with _opened(source) as image:
            count = 0 if image is None else getattr(image, "n_frames", 1)
            return (count, image.width, image.height) if count > 1 else (0, 0, 0)
    except Exception:  # what is damaged is for the ordinary decoder to refuse
        return 0, 0, 0


def frames(source: Source, limits: Limits | None = None) -> Iterator[Picture]:
    """Yield each frame as it is seen: laid over those before it, with alpha if it has any.

    Raises InputError when the file is damaged, or a frame larger than `limits`.
    """
    limits = limits or Limits()
    try:
        with _opened(source) as image:
            if image is None:
                raise _no_animation(source)
            if image.width * image.height > limits.max_pixels:
                raise limits.too_many_pixels(image.width, image.height)
            icc = image.info.get("icc_profile") or None
            for frame in ImageSequence.Iterator(image):
                alpha = frame.mode in ("RGBA", "LA", "PA") or "transparency" in frame.info
                planes = np.asarray(frame.convert("RGBA" if alpha else "RGB"))
                pixels = np.ascontiguousarray(planes[..., :3])
                picture = Picture(pixels, icc=icc, format=image.format)
                yield replace(picture, alpha=planes[..., 3].copy()) if alpha else picture
    except InputError:
        raise
    except Exception as error:  # Pillow raises nearly anything for a damaged file
        message = f"{_named(source)}the animation is damaged or truncated: {in_words(error)}"
        raise InputError(message, code="corrupt_image", status=422) from error


def timing(source: Source) -> Timing:
    """Return the times of an animation's frames."""
    with _opened(source) as image:
        if image is None:
            raise _no_animation(source)
        found = []
        for frame in ImageSequence.Iterator(image):
            frame.load()  # WebP knows a frame's time once it is decoded
            found.append(round(frame.info.get("duration") or _DEFAULT_MS))
        # A GIF without the block that says how often plays once, which Pillow writes as None.
        loop = image.info.get("loop", 1 if image.format == "GIF" else 0)
    return Timing(tuple(found), int(loop))


def write_animation(
    path: Path, pictures: Iterator[Picture], times: Timing, *, quality: int = 95, software: str = ""
) -> None:
    """Write 8-bit frames in the format of the suffix (see ANIMATED), whole or not at all."""
    content = encode_animation(
        ANIMATED[path.suffix.lower()], pictures, times, quality=quality, software=software
    )
    atomic.write_bytes(path, content)


def encode_animation(
    format_name: str,
    pictures: Iterator[Picture],
    times: Timing,
    *,
    quality: int = 95,
    software: str = "",
) -> bytes:
    """Return 8-bit frames as a file of a format of ANIMATED."""
    images = (_image(picture) for picture in pictures)
    first = next(images)
    options: dict[str, Any] = {"duration": list(times.durations), "loop": times.loop}
    if format_name == "GIF":
        options |= {"disposal": 2, "comment": software.encode()}
        if times.loop == 1:
            del options["loop"]
    elif format_name == "WEBP":
        options |= {"quality": quality, "lossless": quality >= 100, "exact": True}
    # Pillow goes over the frames of a PNG twice.
    rest = list(images) if format_name == "PNG" else images
    file = io.BytesIO()
    first.save(file, format_name, save_all=True, append_images=rest, **options)
    return file.getvalue()


def _image(picture: Picture) -> Image.Image:
    if picture.alpha is None:
        return Image.fromarray(picture.pixels)
    return Image.fromarray(np.dstack([picture.pixels, picture.alpha]))


def _named(source: Source) -> str:
    return f"{source}: " if isinstance(source, Path) else ""


def _no_animation(source: Source) -> InputError:
    message = f"{_named(source)}no GIF, WebP or PNG"
    return InputError(message, code="unsupported_type", status=415)


@contextmanager
def _opened(source: Source) -> Iterator[Any]:
    with io.BytesIO(source) if isinstance(source, bytes) else source.open("rb") as stream:
        plugin = _PLUGINS.get(format_of(stream.read(32)) or "")
        stream.seek(0)
        if plugin is None:
            yield None
            return
        with plugin(stream) as image:
            yield image
