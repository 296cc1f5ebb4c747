"""Picture -> bytes of a picture file."""

import io
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from superres.errors import InputError
from superres.images.fitting import check_side
from superres.images.lossless import WRITERS, Header
from superres.images.picture import FORMATS, Picture, Pixels

# What fits into JPEG's one segment for it.
_MAX_EXIF_BYTES = 65_527
_IMAGE_DESCRIPTION, _SOFTWARE, _EXIF_IFD = 0x010E, 0x0131, 0x8769
_PIXEL_WIDTH, _PIXEL_HEIGHT = 0xA002, 0xA003
_DPI_ACROSS, _DPI_DOWN, _DPI_UNIT, _INCH = 0x011A, 0x011B, 0x0128, 2


def encode(
    picture: Picture,
    format: str = "PNG",
    quality: int = 95,
    text: Mapping[str, str] | None = None,
) -> bytes:
    """Encode as PNG, TIFF (both keep alpha and 16 bits), WEBP, AVIF (alpha), JPEG or BMP.

    Profile and EXIF are written, except into BMP, and the resolution; grey stays one channel (WEBP
    and AVIF have none, 16-bit grey with alpha becomes colour in TIFF). Without alpha in the format
    the picture is laid on white. Levels of 16 bits are rounded half up to 8. `quality` 1..100 is
    JPEG's, WEBP's and AVIF's; 100 makes WEBP lossless. `text` becomes PNG text; elsewhere
    "Software" becomes that EXIF tag and the rest lines of ImageDescription.

    Raises InputError for another format or a side the format cannot hold.
    """
    if format not in FORMATS.values():
        known = ", ".join(sorted(set(FORMATS.values())))
        message = f"format {format!r} cannot be written; accepted: {known}"
        raise InputError(message, code="unsupported_type", status=415)
    check_side(format, picture.height, picture.width)
    writer = WRITERS.get(format)
    if writer is None:
        return _with_pillow(picture, format, quality, metadata_of(picture, format, text or {}))
    planes = _planes(storable(picture, format))
    file = io.BytesIO()
    strips = writer(file, header_of(picture, planes.shape, format, text or {}))
    strips.write(planes)
    strips.close()
    return file.getvalue()


def metadata_of(picture: Picture, format_name: str, text: Mapping[str, str]) -> dict[str, Any]:
    """Return Pillow's options for what a file of that format says besides its pixels."""
    if format_name == "BMP":
        return {"dpi": picture.dpi} if picture.dpi else {}
    in_exif = {} if format_name == "PNG" else text
    # Neither WebP nor AVIF has a place of its own for it.
    dpi = picture.dpi if format_name in ("WEBP", "AVIF") else None
    exif = described(picture.exif, picture.height, picture.width, in_exif, dpi)
    said = {"icc_profile": fitting_profile(picture), "exif": exif, "dpi": picture.dpi}
    return {key: value for key, value in said.items() if value}


def storable(picture: Picture, format_name: str) -> Picture:
    """Return the picture, as colour where the format's readers know no such grey."""
    is_deep_grey = picture.channels == 2 and picture.bit_depth == 16
    return replace(picture, grey=False) if format_name == "TIFF" and is_deep_grey else picture


def header_of(
    picture: Picture, shape: tuple[int, ...], format_name: str, text: Mapping[str, str]
) -> Header:
    """Return what a PNG or TIFF of `shape` (H, W, channels) says of itself."""
    height, width, channels = shape
    in_exif = {} if format_name == "PNG" else text
    exif = described(picture.exif, height, width, in_exif)
    icc, whole = fitting_profile(picture), (height, width, channels)
    return Header(whole, picture.pixels.dtype, icc, exif, text, picture.dpi)


def _planes(picture: Picture) -> Pixels:
    """Return (H, W, 1..4): grey or RGB, then alpha if there is one."""
    colour: Pixels = picture.pixels[..., :1] if picture.grey else picture.pixels
    if picture.alpha is None:
        return colour
    result: Pixels = np.concatenate([colour, picture.alpha[..., None]], axis=2)
    return result


def _with_pillow(
    picture: Picture, format_name: str, quality: int, metadata: Mapping[str, Any]
) -> bytes:
    planes = _eight_bits(_planes(picture))
    if picture.alpha is not None and format_name not in ("WEBP", "AVIF"):
        planes = _on_white(planes)
    image = Image.fromarray(planes[..., 0] if planes.shape[2] == 1 else planes)
    options = dict(metadata)
    if format_name == "JPEG":
        options |= {"quality": quality, "subsampling": 0}
        if len(options.get("exif", b"")) > _MAX_EXIF_BYTES:
            del options["exif"]
    elif format_name == "WEBP":
        options |= {"quality": quality, "lossless": quality >= 100, "exact": True}
    elif format_name == "AVIF":
        options |= {"quality": quality, "subsampling": "4:4:4"}
    file = io.BytesIO()
    image.save(file, format_name, **options)
    return file.getvalue()


def _eight_bits(planes: Pixels) -> NDArray[np.uint8]:
    if planes.dtype == np.uint8:
        return planes.astype(np.uint8, copy=False)
    return ((planes.astype(np.uint32) + 128) // 257).astype(np.uint8)


def _on_white(planes: NDArray[np.uint8]) -> NDArray[np.uint8]:
    alpha = planes[..., -1:].astype(np.uint32)
    blended = planes[..., :-1] * alpha + 255 * (255 - alpha)
    return ((blended + 127) // 255).astype(np.uint8)


def fitting_profile(picture: Picture) -> bytes | None:
    """Return the profile unless it is for grey and the picture has become colour."""
    if picture.icc and picture.icc[16:20] == b"GRAY" and not picture.grey:
        return None
    return picture.icc


def described(
    exif: bytes | None,
    height: int,
    width: int,
    text: Mapping[str, str],
    dpi: tuple[float, float] | None = None,
) -> bytes | None:
    """Return EXIF with its size brought up to date, `text` and the resolution added."""
    if not exif and not text and not dpi:
        return None
    content = Image.Exif()
    try:
        if exif:
            content.load(exif)
        details = content.get_ifd(_EXIF_IFD) if _EXIF_IFD in content else {}
        if _PIXEL_WIDTH in details:
            details[_PIXEL_WIDTH], details[_PIXEL_HEIGHT] = width, height
        if dpi:
            content[_DPI_ACROSS], content[_DPI_DOWN] = dpi
            content[_DPI_UNIT] = _INCH
        if "Software" in text:
            content[_SOFTWARE] = text["Software"]
        lines = [f"{key}: {value}" for key, value in text.items() if key != "Software"]
        if lines:
            known = content.get(_IMAGE_DESCRIPTION)
            content[_IMAGE_DESCRIPTION] = "\n".join([str(known), *lines] if known else lines)
        return content.tobytes()
    except Exception:  # Pillow raises nearly anything; metadata must not cost the picture
        return None
