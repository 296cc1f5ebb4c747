"""One picture file into another: whole, in strips, or frame by frame."""

import logging
from collections.abc import Iterator
from dataclasses import replace
from itertools import tee
from pathlib import Path
from typing import NamedTuple

import numpy as np

from superres import __version__, atomic, images
from superres.images import Limits, Picture
from superres.images.animation import (
    ANIMATED,
    Source,
    count_of,
    encode_animation,
    frames,
    is_animated,
    timing,
)
from superres.images.decoding import format_of, size_of
from superres.images.fitting import check_fits, check_side
from superres.images.lossless import WRITERS
from superres.images.picture import Pixels
from superres.images.png_rows import open_strips
from superres.inference.alpha import ROWS, spread_rows
from superres.inference.rows import ArrayRows, Progress, Rows, ahead, consume, counted, joined
from superres.inference.sizing import resampled
from superres.inference.upscaler import Upscaler

log = logging.getLogger(__name__)

# A service guards against strangers' files; these are the caller's own.
LIMITS = Limits(max_bytes=8 << 30, max_pixels=1 << 30)
STREAMED_PIXELS = 4 << 20  # larger PNGs are decoded in strips


class Made(NamedTuple):
    """An encoded result and its size."""

    content: bytes
    width: int
    height: int


def upscale_picture(
    upscaler: Upscaler,
    source: Path,
    target: Path,
    quality: int = 95,
    *,
    progress: Progress | None = None,
) -> tuple[int, int]:
    """Upscale a file into another and return the result's width and height.

    PNG and TIFF are written in strips while the next ones are computed, a large PNG is read in
    strips as well, alpha and 16 bits included: memory is then bounded by rows of tiles. Raises
    InputError as `images.read`, and before the work begins for a result that does not fit into
    its format or, StorageError, onto the disk.
    """
    suffix = target.suffix.lower()
    if suffix in ANIMATED and (suffix == ".gif" or is_animated(source)):
        made = upscale_animation(upscaler, source, ANIMATED[suffix], quality, progress=progress)
        atomic.write_bytes(target, made.content)
        return made.width, made.height
    format_name = images.format_of_suffix(target)
    rows, picture = _opened(source)
    _tell_of_others(source, str(source), format_name)
    height, width = upscaler.size(rows.height, rows.width)
    check_fits(target, format_name, (height, width), picture)
    if format_name not in WRITERS:
        sr = upscaler.image(_whole(rows, picture), progress=progress)
        images.write(target, sr, quality=quality, text=text_of(upscaler))
        return width, height
    if picture.alpha is None:
        result = upscaler.rows(rows, is_grey=picture.grey)
    else:
        result = _with_alpha(upscaler, rows, is_grey=picture.grey)
    with images.strips_into(target, picture, height, width, text_of(upscaler)) as write:
        consume(counted(result, progress).strips(), write)
    return width, height


def upscale_bytes(
    upscaler: Upscaler,
    data: bytes,
    suffix: str | None = None,
    quality: int = 95,
    *,
    name: str = "the picture",
) -> Made:
    """Upscale an encoded picture, moving or not; `suffix` names the format, None keeps its own.

    `name`: what warnings call it.
    """
    own = str(format_of(data))
    moves = suffix == ".gif" or is_animated(data)
    if moves and (suffix or own) in (own, *ANIMATED):
        return upscale_animation(upscaler, data, ANIMATED.get(suffix or "", own), quality)
    picture = images.decode(data, LIMITS)
    format_name = own if own in images.FORMATS.values() else "PNG"
    if suffix is not None:
        format_name = images.format_of_suffix(Path(f"picture{suffix}"))
    _tell_of_others(data, name, format_name)
    check_side(format_name, *upscaler.size(picture.height, picture.width))
    sr = upscaler.image(picture)
    content = images.encode(sr, format_name, quality=quality, text=text_of(upscaler))
    return Made(content, sr.width, sr.height)


def upscale_animation(
    upscaler: Upscaler,
    source: Source,
    format_name: str,
    quality: int = 95,
    *,
    progress: Progress | None = None,
) -> Made:
    """Upscale an animation frame by frame; `progress` counts the rows of all of them."""
    times = timing(source)
    size = (0, 0)

    def upscaled() -> Iterator[Picture]:
        nonlocal size
        for number, frame in enumerate(frames(source, LIMITS), 1):
            check_side(format_name, *upscaler.size(frame.height, frame.width))
            sr = upscaler.image(frame)
            size = (sr.width, sr.height)
            if progress is not None:
                progress(number * sr.height, len(times.durations) * sr.height)
            yield sr

    text = text_of(upscaler)
    content = encode_animation(format_name, upscaled(), times, quality=quality, text=text)
    return Made(content, *size)


def _tell_of_others(source: Source, name: str, format_name: str) -> None:
    """Warn of frames or pages that the result has no place for: none is lost in silence."""
    count = count_of(source)
    if count > 1:
        log.warning("%s: of its %d frames or pages %s gets the first", name, count, format_name)


def pixels_of(source: Path) -> int:
    """Return how many pixels a picture file says it has; 0 for what is no picture."""
    width, height = size_of(source)
    return width * height


def text_of(upscaler: Upscaler) -> dict[str, str]:
    """Return what a picture file says about its making, as PNG text keys."""
    lineage = {f"superres.{key}": value for key, value in upscaler.lineage.items()}
    return {"Software": f"superres {__version__}", **lineage}


def _opened(source: Path) -> tuple[Rows, Picture]:
    """Return a picture's rows, with alpha as fourth channel, and the picture.

    Of a streamed one the picture is only its first row.
    """
    if source.is_file():
        streamed = open_strips(source)
        if streamed is not None and streamed.height * streamed.width > STREAMED_PIXELS:
            dtype = streamed.like.pixels.dtype
            strips = ahead(streamed.strips())
            return Rows(streamed.height, streamed.width, dtype, strips), streamed.like
    picture = images.read(source, LIMITS)
    pixels = picture.pixels
    if picture.alpha is None:
        return ArrayRows(pixels), picture
    strips = _layered(pixels, picture.alpha)
    return Rows(picture.height, picture.width, pixels.dtype, strips), picture


def _layered(pixels: Pixels, alpha: Pixels) -> Iterator[Pixels]:
    for top in range(0, len(pixels), ROWS):
        part = slice(top, top + ROWS)
        yield np.concatenate([pixels[part], alpha[part, :, None]], axis=2)


def _with_alpha(upscaler: Upscaler, source: Rows, *, is_grey: bool) -> Rows:
    """Upscale rows (n, w, 4) as `Upscaler.image` does a Picture with alpha."""
    height, width, dtype = source.height, source.width, source.dtype
    # Whichever of the two asks first, the strip is kept for the other.
    first, second = tee(source.strips())
    colours = spread_rows(Rows(height, width, dtype, first))
    sr = upscaler.rows(Rows(height, width, dtype, colours), is_grey=is_grey)
    planes = Rows(height, width, dtype, (strip[..., 3:] for strip in second))
    alpha = resampled(planes, sr.height, sr.width)

    def strips() -> Iterator[Pixels]:
        top = 0
        for strip in sr.strips():
            seen = alpha.window(top, top + len(strip))
            yield np.concatenate([strip, seen], axis=2)
            top += len(strip)

    return Rows(sr.height, sr.width, dtype, strips())


def _whole(rows: Rows, picture: Picture) -> Picture:
    if picture.height == rows.height:
        return picture
    if picture.alpha is None:
        return replace(picture, pixels=joined(rows))
    planes = joined(rows, 4)
    return replace(picture, pixels=planes[..., :3].copy(), alpha=planes[..., 3].copy())
