"""Read a picture file of any kind as 8-bit sRGB pixels, or say why it cannot be used."""

import hashlib
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from superres.data.clips import Bad
from superres.data.manifest import Pixels
from superres.data.profiles import to_srgb
from superres.data.sources import VERIFY
from superres.errors import DataError, InputError
from superres.images import Limits, Picture, decode

LIMITS: Final = Limits(max_bytes=256 << 20, max_pixels=100_000_000)


@dataclass(frozen=True)
class Loaded:
    """Pixels, uint8 (height, width, 3) RGB, and what the file was."""

    rgb: Pixels
    channels: int  # 1 grey, 2 grey + alpha, 3 RGB, 4 RGB + alpha
    bit_depth: int
    profile: str  # that was converted to sRGB; "" when there was none
    sha256: str  # of the file


def load(root: Path, name: str, sha256: str | None) -> Loaded | Bad:
    """Read `root / name`: EXIF rotation applied, grey tripled, 16 bits rounded to 8.

    Transparency is composited on white, another colour profile than sRGB converted. Raises
    DataError when the file is not the one of that sha256, which fetch recorded.
    """
    file = root / name
    try:
        if too_large := _too_large(file):
            return Bad(name, too_large)
        data = file.read_bytes()
        digest = hashlib.sha256(data).hexdigest()
        if sha256 not in (None, digest):
            raise DataError(f"{file}: not the content that was fetched. {VERIFY}")
        picture = decode(data, LIMITS)
    except OSError as error:
        raise DataError(f"{file}: cannot be read ({error.strerror}). {VERIFY}") from None
    except InputError as error:
        return Bad(name, str(error))
    except MemoryError:
        return Bad(name, "takes more memory than there is")
    rgb, profile = to_srgb(to_rgb8(picture), picture.icc, is_grey=picture.grey)
    return Loaded(rgb, picture.channels, picture.bit_depth, profile, digest)


def refusal(file: Path) -> str | None:
    """Return why a file is not even opened: a link, a pipe or device, too large; else None."""
    try:
        mode = file.lstat().st_mode
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    if stat.S_ISLNK(mode):
        return "a link; links are not followed"
    if not stat.S_ISREG(mode):
        return "no regular file"
    return _too_large(file)


def _too_large(file: Path) -> str | None:
    found = file.stat().st_size
    return str(LIMITS.too_many_bytes(found)) if found > LIMITS.max_bytes else None


def to_rgb8(picture: Picture) -> Pixels:
    """Return uint8 (height, width, 3) RGB: what a viewer shows on a white page.

    The colours below full transparency are arbitrary (often black), hence the compositing.
    """
    pixels: NDArray[Any] = picture.pixels
    if picture.alpha is not None:
        peak = int(np.iinfo(pixels.dtype).max)
        alpha = picture.alpha[..., None].astype(np.uint32)
        mixed = pixels * alpha + peak * (peak - alpha)  # at most 65535 squared: fits
        pixels = ((mixed + peak // 2) // peak).astype(pixels.dtype)
    if pixels.dtype == np.uint16:
        pixels = (pixels.astype(np.uint32) + 128) // 257  # 65535 = 255 * 257
    return pixels.astype(np.uint8, copy=False)
