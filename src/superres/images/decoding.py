"""Bytes of a picture file -> Picture, with limits checked on the header before decoding."""

import io
import re
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import (
    AvifImagePlugin,
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    ImageCms,
    ImageFile,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
    features,
)

from superres.errors import InputError
from superres.images.exif import ON_ITS_SIDE, dpi_of, exif_of, orientation_of, turned
from superres.images.picture import Limits, Picture, Pixels
from superres.images.quiet import quiet

# Image.open would try every plugin installed and warn about large pictures by its own limit.
PLUGINS: dict[str, type[ImageFile.ImageFile]] = {
    "PNG": PngImagePlugin.PngImageFile,
    "JPEG": JpegImagePlugin.JpegImageFile,
    "WEBP": WebPImagePlugin.WebPImageFile,
    "TIFF": TiffImagePlugin.TiffImageFile,
    "BMP": BmpImagePlugin.BmpImageFile,
    "GIF": GifImagePlugin.GifImageFile,
    **({"AVIF": AvifImagePlugin.AvifImageFile} if features.check("avif") else {}),
}
_SIGNATURES = {
    "PNG": re.compile(rb"\x89PNG\r\n\x1a\n"),
    "JPEG": re.compile(rb"\xff\xd8\xff"),
    "WEBP": re.compile(rb"RIFF.{4}WEBP", re.DOTALL),
    "TIFF": re.compile(rb"II[*+]\0|MM\0[*+]"),
    # The header's size tells a bitmap from a text that starts with BM.
    "BMP": re.compile(rb"BM.{12}[\x0c\x28\x34\x38\x40\x6c\x7c]\0\0\0", re.DOTALL),
    "GIF": re.compile(rb"GIF8[79]a"),
    "AVIF": re.compile(rb".{4}ftypavi[fs]", re.DOTALL),
}
_DEFLATE_MOST = 1032  # bytes that one compressed byte can become


def decode(data: bytes, limits: Limits | None = None) -> Picture:
    """Decode PNG, JPEG, WebP, TIFF, BMP, GIF or AVIF (of an animation or a stack the first one).

    Kept: 8 or 16 bits, alpha (also a palette's or a colour key), grey, ICC profile, EXIF (its
    orientation is applied and removed). CMYK becomes RGB, through its profile if it has one.

    Raises InputError: 400 empty, 413 too_many_bytes or too_many_pixels, 415 unsupported_type,
    422 corrupt_image (truncated included).
    """
    limits = limits or Limits()
    if not data:
        raise InputError("the file is empty", code="empty", status=400)
    if len(data) > limits.max_bytes:
        raise limits.too_many_bytes(len(data))
    format_name = format_of(data)
    if format_name is None:
        known = ", ".join(PLUGINS)
        message = f"the content is no picture of a known type; accepted: {known}"
        raise InputError(message, code="unsupported_type", status=415)
    try:
        with quiet():
            image = PLUGINS[format_name](io.BytesIO(data))
        if image.width * image.height > limits.max_pixels:
            raise limits.too_many_pixels(image.width, image.height)
        if format_name == "PNG":
            check_claim(image.width, image.height, len(data))
        with image:
            return _picture(image, data, format_name)
    except InputError:
        raise
    except Exception as error:  # Pillow raises nearly anything for a damaged file
        message = f"the {format_name} file is damaged or truncated: {in_words(error)}"
        raise InputError(message, code="corrupt_image", status=422) from error


def in_words(error: Exception) -> str:
    """Return what Pillow says where it is for people: not of buffers, indices and keys."""
    cause = error.__cause__ or error  # it hides those in a SyntaxError
    if isinstance(cause, OSError | SyntaxError | ValueError):
        return str(error)
    return "its parts do not fit together"


def format_of(data: bytes) -> str | None:
    """Return the format that the first bytes of a file name, None for an unknown one."""
    found = (name for name, sign in _SIGNATURES.items() if sign.match(data))
    return next((name for name in found if name in PLUGINS), None)


def size_of(path: Path) -> tuple[int, int]:
    """Return width and height, upright, as a picture file's header states them; (0, 0) for none."""
    try:
        with path.open("rb") as stream:
            name = format_of(stream.read(32))
            stream.seek(0)
            if name is None:
                return 0, 0
            with quiet():
                image = PLUGINS[name](stream)
            width, height = image.size
            return (height, width) if orientation_of(image) in ON_ITS_SIDE else (width, height)
    except Exception:  # what is damaged is for the decoder to refuse
        return 0, 0


def check_claim(width: int, height: int, size: int) -> None:
    """Raise InputError when `size` bytes of PNG cannot hold the picture that it claims."""
    if width * height // 8 > _DEFLATE_MOST * size:
        message = f"the PNG file claims {width}x{height} pixels, which {size} bytes cannot hold"
        raise InputError(message, code="corrupt_image", status=422)


def _picture(image: ImageFile.ImageFile, data: bytes, format_name: str) -> Picture:
    sixteen = _has_sixteen_bits(image, data, format_name)
    if image.mode in ("I", "F", "LAB", "I;16S") and not sixteen:
        message = f"samples of type {image.mode!r} are not supported; accepted: 8 or 16 bits"
        raise InputError(message, code="unsupported_type", status=415)
    # Pillow stops at damage, OpenCV returns what it got: so Pillow decodes 16 bits as well.
    image.load()
    exif, orientation = exif_of(image, format_name)
    icc = image.info.get("icc_profile") or None
    planes, grey = _sixteen_bits(image, data) if sixteen else _eight_bits(image)
    if image.mode == "CMYK":
        icc = None
    upright = turned(planes, orientation)
    has_alpha = upright.shape[2] in (2, 4)
    colour: Pixels = upright[..., :-1] if has_alpha else upright
    return Picture(
        pixels=np.ascontiguousarray(np.broadcast_to(colour, (*colour.shape[:2], 3))),
        alpha=np.ascontiguousarray(upright[..., -1]) if has_alpha else None,
        grey=grey,
        icc=icc,
        exif=exif,
        format=format_name,
        dpi=dpi_of(image, orientation),
    )


def _has_sixteen_bits(image: ImageFile.ImageFile, data: bytes, format_name: str) -> bool:
    if format_name == "PNG":
        return data[24] == 16
    if isinstance(image, TiffImagePlugin.TiffImageFile) and image.mode != "CMYK":
        bits = image.tag_v2.get(TiffImagePlugin.BITSPERSAMPLE, (1,))
        signed = any(kind != 1 for kind in image.tag_v2.get(TiffImagePlugin.SAMPLEFORMAT, (1,)))
        return set(bits) == {16} and not signed
    return False


def _eight_bits(image: Image.Image) -> tuple[Pixels, bool]:
    """Return (H, W, 1..4) and whether the picture is grey."""
    has_alpha = image.mode in ("LA", "PA", "RGBA", "La", "RGBa") or "transparency" in image.info
    grey = image.mode in ("1", "L", "LA", "La")
    if image.mode == "CMYK":
        image = _cmyk_to_rgb(image)
    mode = ("L" if grey else "RGB") + ("A" if has_alpha else "")
    planes = np.asarray(image if image.mode == mode else image.convert(mode))
    return planes.reshape(*planes.shape[:2], -1), grey


def _cmyk_to_rgb(image: Image.Image) -> Image.Image:
    profile = image.info.get("icc_profile")
    if profile:
        try:
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            target = ImageCms.createProfile("sRGB")
            converted = ImageCms.profileToProfile(image, source, target, outputMode="RGB")
            if converted is not None:
                return converted
        except (ImageCms.PyCMSError, OSError):
            pass  # a broken profile is no reason to refuse the picture
    return image.convert("RGB")


def _sixteen_bits(image: Image.Image, data: bytes) -> tuple[Pixels, bool]:
    """Return (H, W, 1..4) and whether the picture is grey; Pillow has no 16-bit colour."""
    tags = image.tag_v2 if isinstance(image, TiffImagePlugin.TiffImageFile) else {}
    if image.mode.startswith("I;16"):
        levels = np.asarray(image).astype(np.uint16)
        if tags.get(TiffImagePlugin.PHOTOMETRIC_INTERPRETATION) == 0:  # white is zero
            levels = 65535 - levels
        key = image.info.get("transparency")
        if key is None:
            return levels[..., None], True
        return np.stack([levels, np.where(levels == key, 0, 65535).astype(np.uint16)], -1), True
    with quiet():
        planes: Any = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if planes is None or planes.dtype != np.uint16:
        raise InputError("this kind of 16-bit file is not supported", code="unsupported_type")
    if tags.get(TiffImagePlugin.EXTRASAMPLES) == (1,):  # multiplied by alpha
        opaque = planes[..., 3:].clip(1).astype(np.float64) / 65535
        planes[..., :3] = (planes[..., :3] / opaque + 0.5).clip(0, 65535)
    order = [2, 1, 0, 3][: planes.shape[2]]
    # OpenCV spreads grey with alpha over four channels.
    return planes[..., order], image.format == "PNG" and data[25] == 4
