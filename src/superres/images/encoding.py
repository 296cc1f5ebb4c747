"""Picture -> bytes of a picture file."""

import io
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from superres.errors import InputError
from superres.images import lossless
from superres.images.picture import FORMATS, Picture, Pixels

_MAX_SIDE = {"JPEG": 65_500, "WEBP": 16_383}
# What fits into JPEG's one segment for it.
_MAX_EXIF_BYTES = 65_527
_IMAGE_DESCRIPTION, _SOFTWARE, _EXIF_IFD = 0x010E, 0x0131, 0x8769
_PIXEL_WIDTH, _PIXEL_HEIGHT = 0xA002, 0xA003


def encode(
    picture: Picture,
    format: str = "PNG",
    quality: int = 95,
    text: Mapping[str, str] | None = None,
) -> bytes:
    """Encode as PNG, TIFF (both keep alpha and 16 bits), WEBP (alpha), JPEG or BMP.

    Profile and EXIF are written, except into BMP; grey stays one channel (WEBP has none, 16-bit
    grey with alpha becomes colour in TIFF). Without alpha in the format the picture is laid on
    white. Levels of 16 bits are rounded half up to 8. `quality` 1..100 is JPEG's and WEBP's; 100
    makes WEBP lossless. `text` becomes PNG text; elsewhere "Software" becomes that EXIF tag and
    the rest lines of ImageDescription.

    Raises InputError for another format or a side the format cannot hold.
    """
    if format not in FORMATS.values():
        known = ", ".join(sorted(set(FORMATS.values())))
        message = f"format {format!r} cannot be written; accepted: {known}"
        raise InputError(message, code="unsupported_type", status=415)
    longest = max(picture.height, picture.width)
    if longest > _MAX_SIDE.get(format, longest):
        message = f"{picture.width}x{picture.height} does not fit into {format}, whose sides"
        raise InputError(f"{message} end at {_MAX_SIDE[format]}", code="too_many_pixels")
    icc = _fitting_profile(picture)
    if format == "PNG":
        exif = _exif(picture, {})
        return lossless.png(_planes(picture), icc, exif, text or {})
    exif = _exif(picture, text or {})
    if format == "TIFF":
        planes = _planes(picture)
        if picture.channels == 2 and picture.bit_depth == 16:
            planes = np.concatenate([picture.pixels, planes[..., 1:]], axis=2)
        return lossless.tiff(planes, icc, exif)
    return _with_pillow(picture, format, quality, {"icc_profile": icc, "exif": exif})


def _planes(picture: Picture) -> Pixels:
    """Return (H, W, 1..4): grey or RGB, then alpha if there is one."""
    colour: Pixels = picture.pixels[..., :1] if picture.grey else picture.pixels
    if picture.alpha is None:
        return colour
    result: Pixels = np.concatenate([colour, picture.alpha[..., None]], axis=2)
    return result


def _with_pillow(
    picture: Picture, format_name: str, quality: int, metadata: Mapping[str, bytes | None]
) -> bytes:
    planes = _eight_bits(_planes(picture))
    if picture.alpha is not None and format_name != "WEBP":
        planes = _on_white(planes)
    image = Image.fromarray(planes[..., 0] if planes.shape[2] == 1 else planes)
    options: dict[str, Any] = {key: value for key, value in metadata.items() if value}
    if format_name == "JPEG":
        options |= {"quality": quality, "subsampling": 0}
        if len(options.get("exif", b"")) > _MAX_EXIF_BYTES:
            del options["exif"]
    elif format_name == "WEBP":
        options |= {"quality": quality, "lossless": quality >= 100, "exact": True}
    else:
        options = {}
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


def _fitting_profile(picture: Picture) -> bytes | None:
    """Return the profile unless it is for grey and the picture has become colour."""
    if picture.icc and picture.icc[16:20] == b"GRAY" and not picture.grey:
        return None
    return picture.icc


def _exif(picture: Picture, text: Mapping[str, str]) -> bytes | None:
    """Return the picture's EXIF with its size brought up to date and `text` added."""
    if not picture.exif and not text:
        return None
    exif = Image.Exif()
    try:
        if picture.exif:
            exif.load(picture.exif)
        details = exif.get_ifd(_EXIF_IFD) if _EXIF_IFD in exif else {}
        if _PIXEL_WIDTH in details:
            details[_PIXEL_WIDTH], details[_PIXEL_HEIGHT] = picture.width, picture.height
        if "Software" in text:
            exif[_SOFTWARE] = text["Software"]
        lines = [f"{key}: {value}" for key, value in text.items() if key != "Software"]
        if lines:
            described = exif.get(_IMAGE_DESCRIPTION)
            exif[_IMAGE_DESCRIPTION] = "\n".join([str(described), *lines] if described else lines)
        return exif.tobytes()
    except Exception:  # Pillow raises nearly anything; metadata must not cost the picture
        return None
