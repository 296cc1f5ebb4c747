"""One picture file into another: whole, in strips, or frame by frame."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from superres import __version__, images
from superres.images import Limits, Picture
from superres.images.animation import ANIMATED, frames, is_animated, timing, write_animation
from superres.images.decoding import size_of
from superres.images.lossless import WRITERS
from superres.images.png_rows import open_strips
from superres.inference.rows import ArrayRows, Rows, ahead, consume, joined
from superres.inference.upscaler import Upscaler

# A service guards against strangers' files; these are the caller's own.
LIMITS = Limits(max_bytes=8 << 30, max_pixels=1 << 30)
STREAMED_PIXELS = 4 << 20  # larger PNGs are decoded in strips


def upscale_picture(
    upscaler: Upscaler, source: Path, target: Path, quality: int = 95
) -> tuple[int, int]:
    """Upscale a file into another and return the result's width and height.

    PNG and TIFF are written in strips while the next ones are computed, a large PNG is read in
    strips as well: memory is then bounded by rows of tiles. Raises InputError as `images.read`.
    """
    suffix = target.suffix.lower()
    if suffix in ANIMATED and (suffix == ".gif" or is_animated(source)):
        return _upscale_animation(upscaler, source, target, quality)
    format_name = images.format_of_suffix(target)
    rows, picture = _opened(source)
    if format_name not in WRITERS or picture.alpha is not None:
        whole = _whole(rows, picture)
        sr = upscaler.image(whole)
        images.write(target, sr, quality=quality, text=text_of(upscaler))
        return sr.width, sr.height
    height, width = upscaler.size(rows.height, rows.width)
    result = upscaler.rows(rows, is_grey=picture.grey)
    with images.strips_into(target, picture, height, width, text_of(upscaler)) as write:
        consume(result.strips(), write)
    return width, height


def upscale_bytes(
    upscaler: Upscaler, data: bytes, suffix: str | None = None, quality: int = 95
) -> bytes:
    """Upscale an encoded picture into another; `suffix` names the format, None keeps its own."""
    picture = images.decode(data, LIMITS)
    format_name = picture.format if picture.format in images.FORMATS.values() else "PNG"
    if suffix is not None:
        format_name = images.format_of_suffix(Path(f"picture{suffix}"))
    sr = upscaler.image(picture)
    return images.encode(sr, str(format_name), quality=quality, text=text_of(upscaler))


def pixels_of(source: Path) -> int:
    """Return how many pixels a picture file says it has; 0 for what is no picture."""
    width, height = size_of(source)
    return width * height


def text_of(upscaler: Upscaler) -> dict[str, str]:
    """Return what a picture file says about its making, as PNG text keys."""
    lineage = {f"superres.{key}": value for key, value in upscaler.lineage.items()}
    return {"Software": f"superres {__version__}", **lineage}


def _opened(source: Path) -> tuple[Rows, Picture]:
    """Return a picture's rows, and the picture; of a streamed one only its first row."""
    if source.is_file():
        streamed = open_strips(source)
        if streamed is not None and streamed.height * streamed.width > STREAMED_PIXELS:
            dtype = streamed.like.pixels.dtype
            strips = ahead(streamed.strips())
            return Rows(streamed.height, streamed.width, dtype, strips), streamed.like
    picture = images.read(source, LIMITS)
    return ArrayRows(picture.pixels), picture


def _whole(rows: Rows, picture: Picture) -> Picture:
    if picture.height == rows.height:
        return picture
    return replace(picture, pixels=joined(rows))


def _upscale_animation(
    upscaler: Upscaler, source: Path, target: Path, quality: int
) -> tuple[int, int]:
    size = (0, 0)

    def upscaled() -> Iterator[Picture]:
        nonlocal size
        for frame in frames(source, LIMITS):
            sr = upscaler.image(frame)
            size = (sr.width, sr.height)
            yield sr

    software = text_of(upscaler)
    told = "; ".join([software.pop("Software"), *(f"{k}={v}" for k, v in software.items())])
    write_animation(target, upscaled(), timing(source), quality=quality, software=told)
    return size
