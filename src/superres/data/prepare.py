"""One picture file becomes one LR/HR pair of 8-bit RGB pixels, or the reason why not."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from superres.data.clips import Bad
from superres.data.degrade import degrade, mod_crop
from superres.data.manifest import ON_THE_FLY, Pixels, sha256_of_pixels
from superres.data.reading import load
from superres.errors import ConfigError

if TYPE_CHECKING:
    from superres.data.degradations import Degradation


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
    on_the_fly: bool = False  # training degrades its own crops, see `Sampler`
    max_shift: float = 0.5  # HR pixels that the LR of a real pair may lie off

    def chain(self) -> "Degradation | None":
        """Return the checked degradation; None for kernel and border. ConfigError as its parse."""
        if self.degradation is None:
            return None
        from superres.data.degradations import Degradation

        return Degradation.parse(self.degradation)

    def check(self) -> None:
        """Raise ConfigError for a degradation that is unknown, or cannot be done on the fly."""
        chain = self.chain()
        if not self.on_the_fly:
            return
        if chain is None:
            raise ConfigError(
                "data.on_the_fly needs data.degradation: a list of steps, or bicubic, bd, "
                "real-world."
            )
        chain.require_crops()

    def describe(self, split: str = "") -> str:
        """Return in words how LR is made of HR, in the training split also when."""
        chain = self.chain()
        words = chain.describe() if chain else f"x{self.scale} {self.kernel} {self.border}"
        return ON_THE_FLY + words if self.on_the_fly and split == "train" else words


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
    lr: str = ""  # of a real pair: the file of its LR, below `root`
    lr_sha256: str | None = None

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
    degradation: str = ""  # how LR came to be


def prepare(candidate: Candidate, options: PairOptions) -> Prepared | Bad:
    """Decode, convert to 8-bit sRGB (see `load`), mod-crop and degrade one file, or check its LR.

    Where LR depends on the clip (see `is_of_clip`) it is left empty. Raises DataError when the
    file is not what fetch recorded.
    """
    found = load(candidate.root, candidate.path, candidate.sha256)
    if isinstance(found, Bad):
        return found
    pair = _given(found.rgb, candidate, options) or _made(found.rgb, candidate, options)
    if isinstance(pair, Bad):
        return pair
    hr, lr, degradation = pair
    mean, contrast = statistics(hr)
    return Prepared(
        hr=hr,
        lr=lr,
        channels=found.channels,
        bit_depth=found.bit_depth,
        mean=mean,
        contrast=contrast,
        sha256=sha256_of_pixels(hr),
        source_sha256=found.sha256,
        profile=found.profile,
        clipped=clipped_share(hr),
        degradation=degradation,
    )


Pair = tuple[Pixels, Pixels, str]  # hr, lr, in words how LR came to be


def _given(rgb: Pixels, candidate: Candidate, options: PairOptions) -> Pair | Bad | None:
    if not candidate.lr:
        return None
    from superres.data.given import given_pair

    pair = given_pair(rgb, candidate, options)
    return pair if isinstance(pair, Bad) else _too_small(pair[0], candidate, options) or pair


def _made(rgb: Pixels, candidate: Candidate, options: PairOptions) -> Pair | Bad:
    hr = np.ascontiguousarray(mod_crop(rgb, options.scale))
    chain = options.chain()
    if chain and hr.size:
        hr = chain.hr(rgb, options.scale)
    if bad := _too_small(hr, candidate, options):
        return bad
    return hr, _lr(hr, candidate, options, chain), options.describe(candidate.split)


def _too_small(hr: Pixels, candidate: Candidate, options: PairOptions) -> Bad | None:
    height, width = hr.shape[:2]
    if min(height, width) >= max(options.min_side, options.scale):
        return None
    return Bad(
        candidate.path,
        f"too small: {width}x{height} after cropping to a multiple of {options.scale}, "
        f"each side must be at least {options.min_side}",
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
