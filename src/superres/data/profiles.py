"""Colour profiles: pixels of any RGB or grey profile become those of sRGB.

Networks, metrics and browsers take the numbers for sRGB; the numbers of an Adobe RGB photograph
shown as sRGB look pale. A file that carries sRGB itself keeps its pixels bit by bit.
"""

import io
import re
from typing import Final

import numpy as np
from PIL import Image, ImageCms

from superres.data.manifest import Pixels

SRGB: Final = re.compile(r"\bs-?rgb\b", re.IGNORECASE)


def to_srgb(rgb: Pixels, icc: bytes | None, *, is_grey: bool) -> tuple[Pixels, str]:
    """Return uint8 (H, W, 3) sRGB, and the name of the profile it was converted from or "".

    Relative colorimetric. Unchanged without a profile, with sRGB, and when the profile is damaged
    or of other colours than the picture (viewers ignore such a profile as well).
    """
    if not icc:
        return rgb, ""
    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(icc))
        name = " ".join(ImageCms.getProfileDescription(profile).split())
        wanted = "GRAY" if is_grey else "RGB"
        if SRGB.search(name) or profile.profile.xcolor_space.strip() != wanted:
            return rgb, ""
        image = Image.fromarray(rgb[..., 0] if is_grey else rgb)
        converted = ImageCms.profileToProfile(
            image,
            profile,
            ImageCms.createProfile("sRGB"),
            renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
            outputMode="RGB",
        )
    except (ImageCms.PyCMSError, OSError, ValueError):
        return rgb, ""
    if converted is None:
        return rgb, ""
    pixels = np.asarray(converted)
    if is_grey:  # the conversion may leave the channels a level apart
        pixels = np.repeat(pixels[..., 1:2], 3, axis=2)
    return pixels, name or "unnamed"
