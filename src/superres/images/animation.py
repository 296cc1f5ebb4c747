"""Animated GIF, WebP and PNG: frames in, frames out, with their times."""

import io
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageSequence, PngImagePlugin

from superres import atomic
from superres.errors import InputError
from superres.images.decoding import PLUGINS, format_of, in_words
from superres.images.encoding import metadata_of
from superres.images.exif import ON_ITS_SIDE, dpi_of, exif_of, orientation_of, turned
from superres.images.picture import Limits, Picture
from superres.images.quiet import quiet

# Suffix -> format that can hold an animation.
ANIMATED = {".gif": "GIF", ".webp": "WEBP", ".png": "PNG"}
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


def count_of(source: Source) -> int:
    """Return how many pictures a file holds: frames of an animation, pages of a TIFF."""
    try:
        with _opened(source, PLUGINS) as image:
            return 0 if image is None else int(getattr(image, "n_frames", 1))
    except Exception:  # what is damaged is for the ordinary decoder to refuse
        return 0


def extent(source: Source) -> tuple[int, int, int]:
    """Return how many frames of what width and height the file states; of no animation zeros.

    They are those of upright frames.
    """
    try:
        with _opened(source) as image:
            count = 0 if image is None else getattr(image, "n_frames", 1)
            if count <= 1:
                return 0, 0, 0
            on_its_side = orientation_of(image) in ON_ITS_SIDE
            return (count, *(image.size[::-1] if on_its_side else image.size))
    except Exception:  # what is damaged is for the ordinary decoder to refuse
        return 0, 0, 0


def frames(source: Source, limits: Limits | None = None) -> Iterator[Picture]:
    """Yield each frame as it is seen: laid over those before it, upright, with alpha if it has any.

    Each carries what the file says of all: profile and EXIF. Raises InputError when the file is
    damaged, or a frame larger than `limits`.
    """
    limits = limits or Limits()
    with _refusing_damage(source), _opened(source) as image:
        if image is None:
            raise _no_animation(source)
        if image.width * image.height > limits.max_pixels:
            raise limits.too_many_pixels(image.width, image.height)
        yield from _frames(image)


@contextmanager
def _refusing_damage(source: Source) -> Iterator[None]:
    try:
        yield
    except InputError:
        raise
    except Exception as error:  # Pillow raises nearly anything for a damaged file
        message = f"{_named(source)}the animation is damaged or truncated: {in_words(error)}"
        raise InputError(message, code="corrupt_image", status=422) from error


def _frames(image: Any) -> Iterator[Picture]:
    exif, orientation = None, orientation_of(image)
    if "exif" in image.info:
        exif, _ = exif_of(image, image.format)
    dpi, icc = dpi_of(image, orientation), image.info.get("icc_profile") or None
    for frame in ImageSequence.Iterator(image):
        alpha = frame.mode in ("RGBA", "LA", "PA") or "transparency" in frame.info
        planes = turned(np.asarray(frame.convert("RGBA" if alpha else "RGB")), orientation)
        pixels = np.ascontiguousarray(planes[..., :3])
        picture = Picture(pixels, icc=icc, exif=exif, format=image.format, dpi=dpi)
        yield replace(picture, alpha=planes[..., 3].copy()) if alpha else picture


def timing(source: Source) -> Timing:
    """Return the times of an animation's frames; InputError when it is damaged."""
    with _refusing_damage(source), _opened(source) as image:
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
    path: Path,
    pictures: Iterator[Picture],
    times: Timing,
    *,
    quality: int = 95,
    text: Mapping[str, str] | None = None,
) -> None:
    """Write 8-bit frames in the format of the suffix (see ANIMATED), whole or not at all."""
    format_name = ANIMATED[path.suffix.lower()]
    content = encode_animation(format_name, pictures, times, quality=quality, text=text)
    atomic.write_bytes(path, content)


def encode_animation(
    format_name: str,
    pictures: Iterator[Picture],
    times: Timing,
    *,
    quality: int = 95,
    text: Mapping[str, str] | None = None,
    software: str = "",
) -> bytes:
    """Return 8-bit frames as a file of a format of ANIMATED.

    Profile and EXIF are those of the first frame; a GIF has no place for them. `text` is written
    as a still picture's is, into a GIF as a comment; `software` is the same in that one line.
    """
    first = next(pictures)
    said = dict(text or _of_line(software))
    options: dict[str, Any] = {"duration": list(times.durations), "loop": times.loop}
    if format_name == "GIF":
        options |= {"disposal": 2, "comment": _line(said).encode()}
        if times.loop == 1:
            del options["loop"]
    else:
        options |= metadata_of(first, format_name, said)
    if format_name == "WEBP":
        options |= {"quality": quality, "lossless": quality >= 100, "exact": True}
    images = (_image(picture) for picture in pictures)
    rest: Iterable[Image.Image] = images
    if format_name == "PNG":
        options["pnginfo"] = _chunks(said)
        rest = list(images)  # Pillow goes over the frames of a PNG twice
    file = io.BytesIO()
    _image(first).save(file, format_name, save_all=True, append_images=rest, **options)
    return file.getvalue()


def _line(text: Mapping[str, str]) -> str:
    others = (f"{key}={value}" for key, value in text.items() if key != "Software")
    return "; ".join([*([text["Software"]] if "Software" in text else []), *others])


def _of_line(line: str) -> dict[str, str]:
    if not line:
        return {}
    name, *others = line.split("; ")
    pairs = (other.partition("=") for other in others)
    return {"Software": name, **{key: value for key, _, value in pairs}}


def _chunks(text: Mapping[str, str]) -> PngImagePlugin.PngInfo:
    chunks = PngImagePlugin.PngInfo()
    for key, value in text.items():
        chunks.add_text(key, value)
    return chunks


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
def _opened(source: Source, formats: Collection[str] = (*ANIMATED.values(),)) -> Iterator[Any]:
    with io.BytesIO(source) if isinstance(source, bytes) else source.open("rb") as stream:
        name = format_of(stream.read(32))
        stream.seek(0)
        if name is None or name not in formats:
            yield None
            return
        with quiet():
            image = PLUGINS[name](stream)
        with image:
            yield image
