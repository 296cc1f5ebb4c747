"""One picture file becomes one LR/HR pair of 8-bit RGB pixels, or the reason why not."""

import hashlib
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from superres.data.clips import Bad
from superres.data.degrade import degrade, mod_crop
from superres.data.manifest import Pixels, sha256_of_pixels
from superres.data.sources import VERIFY
from superres.errors import DataError, InputError
from superres.images import Limits, Picture, decode

LIMITS: Final = Limits(max_bytes=256 << 20, max_pixels=100_000_000)


@dataclass(frozen=True)
class PairOptions:
    """How pairs are made; every value is a key of params.yaml."""

    scale: int
    kernel: str = "bicubic"
    border: Literal["replicate", "reflect"] = "replicate"
    min_side: int = 64  # HR pixels after mod-cropping
    max_bad_share: float = 0.1
    workers: int = 0  # threads; 0: one per core, at most 8


@dataclass(frozen=True)
class Candidate:
    """A file that may become a pair; the fields are those of the manifest."""

    source: str
    split: str
    kind: Literal["image", "frame"]
    path: str
    file: Path
    licence: str
    sha256: str | None = None  # of the file as fetched; frames carry none
    clip: str = ""
    index: int | None = None


@dataclass(frozen=True)
class Prepared:
    """A pair's pixels, uint8 (height, width, 3) RGB, and what the manifest says about them."""

    hr: Pixels
    lr: Pixels
    channels: int
    bit_depth: int
    mean: float
    contrast: float
    sha256: str


def prepare(candidate: Candidate, options: PairOptions) -> Prepared | Bad:
    """Decode, convert to 8-bit RGB, mod-crop and degrade one file.

    EXIF rotation is applied, grey tripled, 16 bits rounded to 8, transparency composited on
    white. Raises DataError when the file is not what fetch recorded.
    """
    try:
        data = candidate.file.read_bytes()
        if candidate.sha256 not in (None, hashlib.sha256(data).hexdigest()):
            raise DataError(f"{candidate.file}: not the content that was fetched. {VERIFY}")
        picture = decode(data, LIMITS)
    except OSError as error:
        raise DataError(f"{candidate.file}: cannot be read ({error.strerror}). {VERIFY}") from None
    except InputError as error:
        return Bad(candidate.path, str(error))
    hr = np.ascontiguousarray(mod_crop(to_rgb8(picture), options.scale))
    height, width = hr.shape[:2]
    if min(height, width) < max(options.min_side, options.scale):
        return Bad(
            candidate.path,
            f"too small: {width}x{height} after cropping to a multiple of {options.scale}, "
            f"each side must be at least {options.min_side}",
        )
    lr = np.ascontiguousarray(degrade(hr, options.scale, options.kernel, options.border))
    mean, contrast = statistics(hr)
    has_alpha = picture.alpha is not None
    return Prepared(
        hr=hr,
        lr=lr,
        channels=(1 if picture.grey else 3) + has_alpha,
        bit_depth=8 * picture.pixels.itemsize,
        mean=mean,
        contrast=contrast,
        sha256=sha256_of_pixels(hr),
    )


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


def statistics(hr: Pixels) -> tuple[float, float]:
    """Return the mean of all values and the largest standard deviation of the three channels.

    Sums are exact integers, so that the manifest is the same on every processor.
    """
    means, deviations = [], []
    for channel in range(3):
        counts = np.bincount(hr[..., channel].reshape(-1), minlength=256)
        levels = np.arange(256)
        total, squares = int(counts @ levels), int(counts @ levels**2)
        number = int(counts.sum())
        means.append(total / number)
        deviations.append(math.sqrt(number * squares - total * total) / number)
    return sum(means) / 3, max(deviations)
