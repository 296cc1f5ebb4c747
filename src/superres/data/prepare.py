"""One picture file becomes one LR/HR pair of 8-bit RGB pixels, or the reason why not."""

import hashlib
import math
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from superres.data.clips import Bad
from superres.data.degrade import degrade, mod_crop
from superres.data.manifest import Pixels, sha256_of_pixels
from superres.data.profiles import to_srgb
from superres.data.sources import VERIFY
from superres.errors import DataError, InputError
from superres.images import Limits, Picture, decode

if TYPE_CHECKING:
    from superres.data.degradations import Degradation

LIMITS: Final = Limits(max_bytes=256 << 20, max_pixels=100_000_000)


@dataclass(frozen=True)
class PairOptions:
    """How pairs are made; every value is a key of params.yaml."""

    scale: int
    kernel: str = "bicubic"
    border: Literal["replicate", "reflect"] = "replicate"
    min_side: int = 64  # HR pixels after mod-cropping
    max_bad_share: float = 0.1
    workers: int | str = 0  # threads; 0: one per core, at most 8; see `open_workers`
    shard_bytes: int = 1 << 30  # of HR in one file
    degradation: Sequence[Mapping[str, Any]] | str | None = None  # instead of kernel and border
    seed: int = 1  # of a random degradation

    def chain(self) -> "Degradation | None":
        """Return the checked degradation; None for kernel and border. ConfigError as its parse."""
        if self.degradation is None:
            return None
        from superres.data.degradations import Degradation

        return Degradation.parse(self.degradation)

    def describe(self) -> str:
        """Return in words how LR is made of HR."""
        chain = self.chain()
        return chain.describe() if chain else f"x{self.scale} {self.kernel} {self.border}"


@dataclass(frozen=True, slots=True)
class Candidate:
    """A file that may become a pair; the fields are those of the manifest."""

    source: str
    split: str
    kind: Literal["image", "frame"]
    path: str
    root: Path
    licence: str
    sha256: str | None = None  # of the file as fetched; frames carry none
    clip: str = ""
    index: int | None = None
    scene: int = 0

    @property
    def file(self) -> Path:
        """Where the picture is; made anew, since a million Path objects take half a gigabyte."""
        return self.root / self.path


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
    source_sha256: str = ""
    profile: str = ""
    clipped: float = 0.0


def prepare(candidate: Candidate, options: PairOptions) -> Prepared | Bad:
    """Decode, convert to 8-bit sRGB, mod-crop and degrade one file.

    EXIF rotation is applied, grey tripled, 16 bits rounded to 8, transparency composited on
    white, another colour profile than sRGB converted. Where LR depends on the clip (see
    `is_of_clip`) it is left empty. Raises DataError when the file is not what fetch recorded.
    """
    try:
        if too_large := _too_large(candidate.file):
            return Bad(candidate.path, too_large)
        data = candidate.file.read_bytes()
        digest = hashlib.sha256(data).hexdigest()
        if candidate.sha256 not in (None, digest):
            raise DataError(f"{candidate.file}: not the content that was fetched. {VERIFY}")
        picture = decode(data, LIMITS)
    except OSError as error:
        raise DataError(f"{candidate.file}: cannot be read ({error.strerror}). {VERIFY}") from None
    except InputError as error:
        return Bad(candidate.path, str(error))
    except MemoryError:
        return Bad(candidate.path, "takes more memory than there is")
    rgb, profile = to_srgb(to_rgb8(picture), picture.icc, is_grey=picture.grey)
    hr = np.ascontiguousarray(mod_crop(rgb, options.scale))
    chain = options.chain()
    if chain and hr.size:
        hr = chain.hr(rgb, options.scale)
    height, width = hr.shape[:2]
    if min(height, width) < max(options.min_side, options.scale):
        return Bad(
            candidate.path,
            f"too small: {width}x{height} after cropping to a multiple of {options.scale}, "
            f"each side must be at least {options.min_side}",
        )
    mean, contrast = statistics(hr)
    return Prepared(
        hr=hr,
        lr=_lr(hr, candidate, options, chain),
        channels=picture.channels,
        bit_depth=picture.bit_depth,
        mean=mean,
        contrast=contrast,
        sha256=sha256_of_pixels(hr),
        source_sha256=digest,
        profile=profile,
        clipped=clipped_share(hr),
    )


def _lr(
    hr: Pixels, candidate: Candidate, options: PairOptions, chain: "Degradation | None"
) -> Pixels:
    if chain is None:
        return np.ascontiguousarray(degrade(hr, options.scale, options.kernel, options.border))
    if is_of_clip(candidate.clip, chain):
        return hr[:0]
    lr = chain.apply(hr, options.scale, _seed(options, candidate.path))
    return np.ascontiguousarray(lr)


def is_of_clip(clip: str, chain: "Degradation") -> bool:
    """Whether a frame's LR is made with its clip: what is random is drawn once for the clip."""
    return bool(clip) and (chain.is_random or chain.needs_clip)


def _seed(options: PairOptions, identity: str) -> int:
    from superres.data.degradations import picture_seed

    return picture_seed(options.seed, identity)


def filmed(hrs: Iterable[Pixels], clip: str, options: PairOptions) -> Iterator[Pixels]:
    """Yield the LR of the frames of a clip, all of one size, in order."""
    chain = options.chain()
    if chain is not None:
        yield from chain.apply_clip(hrs, options.scale, _seed(options, clip))


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


def clipped_share(hr: Pixels) -> float:
    """Return the share of values that are 0 or 255."""
    inside = int(np.count_nonzero(hr)) - int(np.count_nonzero(hr == 255))
    return 1 - inside / hr.size
