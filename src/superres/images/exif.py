"""What a picture file says besides its pixels: EXIF, which way is up, pixels an inch."""

from typing import Any

from PIL import Image, ImageFile

from superres.images.quiet import quiet

ON_ITS_SIDE = (5, 6, 7, 8)  # orientations that swap height and width

_MOST_DPI = 65_535  # that JPEG can say
_ORIENTATION = 0x0112
_EXIF_IFDS = (0x8769, 0x8825)
# Of a TIFF's own tags only those that describe the picture, not its layout, are EXIF:
# ImageDescription, Make, Model, Software, DateTime, Artist, Copyright.
_TIFF_DESCRIPTION = (0x010E, 0x010F, 0x0110, 0x0131, 0x0132, 0x013B, 0x8298)


def exif_of(image: Image.Image, format_name: str) -> tuple[bytes | None, int]:
    """Return the EXIF without its orientation, and the orientation 1..8."""
    try:
        with quiet():
            exif = image.getexif()
            orientation = int(exif.pop(_ORIENTATION, 1))
            if format_name == "TIFF":
                exif = _descriptive(exif)
            content = exif.tobytes() if len(exif) else None
    except Exception:  # damaged metadata is no reason to refuse a sound picture
        return None, 1
    return content, orientation if 1 <= orientation <= 8 else 1


def _descriptive(exif: Image.Exif) -> Image.Exif:
    kept = Image.Exif()
    for tag in _TIFF_DESCRIPTION:
        if tag in exif:
            kept[tag] = exif[tag]
    for ifd in _EXIF_IFDS:
        if ifd in exif:
            kept[ifd] = exif.get_ifd(ifd)
    return kept


def turned(planes: Any, orientation: int) -> Any:
    """Apply an EXIF orientation to (H, W, C)."""
    if orientation in ON_ITS_SIDE:
        planes = planes.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        planes = planes[::-1]
    if orientation in (2, 3, 6, 7):
        planes = planes[:, ::-1]
    return planes


def orientation_of(image: ImageFile.ImageFile) -> int:
    """Return how `image.size` is turned, 1..8, as far as the header says; no pixel is decoded.

    A TIFF is upright: Pillow turns it itself.
    """
    if "exif" not in image.info:
        return 1  # Pillow would decode a whole PNG to look behind its pixels
    try:
        with quiet():
            orientation = int(image.getexif().get(_ORIENTATION, 1))
    except Exception:  # damaged metadata is no reason to refuse a sound picture
        return 1
    return orientation if 1 <= orientation <= 8 else 1


def dpi_of(image: Image.Image, orientation: int) -> tuple[float, float] | None:
    """Return pixels an inch, across and down once the picture is upright; None if not stated."""
    try:
        across, down = (round(float(value), 2) for value in image.info["dpi"])
    except (KeyError, TypeError, ValueError, OverflowError, ZeroDivisionError):
        return None
    if not (0 < across <= _MOST_DPI and 0 < down <= _MOST_DPI):
        return None
    return (down, across) if orientation in ON_ITS_SIDE else (across, down)
