"""Check that real LR/HR pairs show the same place: no degradation made them (RealVSR)."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from superres import images
from superres.colour import luma
from superres.data.degrade import imresize
from superres.data.prepare import to_rgb8
from superres.errors import DataError

MAX_SHIFT: Final = 0.5  # HR pixels; half of one already softens what is learned
MIN_PEAK: Final = 0.1  # of the correlation; below it the two pictures share no structure
STEPS: Final = 6
FARTHEST: Final = 3.0  # pixels, from where refining starts
SAMPLE: Final = 512  # HR pixels of the middle that are compared, on each side

Pixels = NDArray[np.uint8]
_Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Shift:
    """How far HR lies from the upscaled LR, in HR pixels, and how sure that is.

    `down` and `right` are positive when a thing in HR is lower or more to the right. `peak` is
    that of the phase correlation, about 1 for pure translations, near 0 for other pictures.
    """

    down: float
    right: float
    peak: float

    @property
    def distance(self) -> float:
        """Length of the shift, HR pixels."""
        return float(np.hypot(self.down, self.right))


@dataclass(frozen=True)
class Misaligned:
    """A pair that is not registered, and why."""

    name: str
    shift: Shift
    reason: str


def shift_of(lr: Pixels, hr: Pixels) -> Shift:
    """Estimate the shift between `lr` (h, w, 3) and `hr` (H, W, 3), uint8, same or larger.

    LR is upscaled to HR's size by bicubic; whole pixels are found by phase correlation (Kuglin
    and Hines 1975) of the luma of the middle, parts of a pixel by least squares on its gradients
    (Lucas and Kanade 1981), HR blurred as far as LR is.

    Raises DataError when HR is not a whole multiple of LR in both directions alike.
    """
    scale = hr.shape[0] // max(1, lr.shape[0])
    if scale < 1 or hr.shape[:2] != (lr.shape[0] * scale, lr.shape[1] * scale):
        raise DataError(
            f"HR of {hr.shape[1]}x{hr.shape[0]} is no whole multiple of LR of "
            f"{lr.shape[1]}x{lr.shape[0]}; crop both before they are paired"
        )
    first, second = _detail(imresize(lr, size=hr.shape[:2])), _detail(hr)
    window = np.asarray(cv2.createHanningWindow(first.shape[::-1], cv2.CV_32F), np.float32)
    (right, down), peak = cv2.phaseCorrelate(first, second, window)
    blurred = [cv2.GaussianBlur(one, (0, 0), max(0.5, scale / 2)) for one in (first, second)]
    down, right = _refined(blurred[0], blurred[1], window, (round(down), round(right)))
    return Shift(down, right, float(peak))


def _refined(
    first: NDArray[Any], second: NDArray[Any], window: _Floats, start: tuple[float, float]
) -> tuple[float, float]:
    """Move `first` until it fits `second` best, from a shift that is right within a pixel or so."""
    down, right = start
    for _ in range(STEPS):
        matrix = np.array([[1, 0, right], [0, 1, down]], np.float32)
        moved = cv2.warpAffine(
            first, matrix, first.shape[::-1], flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT
        )
        rows, columns = (window * slope for slope in np.gradient(np.asarray(moved, np.float64)))
        error = window * (second - moved)
        slopes = np.stack([rows.reshape(-1), columns.reshape(-1)], axis=1)
        step = np.linalg.lstsq(slopes, -error.reshape(-1), rcond=None)[0]
        down, right = down + float(step[0]), right + float(step[1])
        if np.hypot(down - start[0], right - start[1]) > FARTHEST:  # nothing to hold on to
            return start
    return down, right


def misaligned(
    pairs: Iterable[tuple[str, Pixels, Pixels]], max_shift: float = MAX_SHIFT
) -> Iterator[Misaligned]:
    """Yield every pair of (name, lr, hr) that is shifted by more than `max_shift` HR pixels.

    Also one of which the two pictures have too little in common to tell. Flat pictures, which
    have no structure at all, are passed over.
    """
    for name, lr, hr in pairs:
        shift = shift_of(lr, hr)
        if not np.any(_detail(hr)) or not np.any(_detail(lr)):
            continue
        if shift.peak < MIN_PEAK:
            reason = f"LR and HR have too little in common (peak {shift.peak:.2f})"
            yield Misaligned(name, shift, reason)
        elif shift.distance > max_shift:
            reason = (
                f"HR lies {shift.down:+.2f} rows and {shift.right:+.2f} columns from LR, more "
                f"than {max_shift:g} pixels"
            )
            yield Misaligned(name, shift, reason)


def folder_pairs(lr: Path, hr: Path) -> Iterator[tuple[str, Pixels, Pixels]]:
    """Yield (name, lr, hr) for every picture below the folder `hr`, by name, for `misaligned`.

    RealVSR: `folder_pairs(root / "LQ", root / "GT")`. Raises DataError for a picture without its
    partner of the same relative name, InputError for one that cannot be read.
    """
    for file in sorted(path for path in hr.rglob("*") if path.suffix.lower() in images.FORMATS):
        name = file.relative_to(hr).as_posix()
        if not (lr / name).is_file():
            raise DataError(f"{hr / name}: no picture of that name in {lr}")
        yield name, to_rgb8(images.read(lr / name)), to_rgb8(images.read(file))


def _detail(pixels: Pixels) -> _Floats:
    """Return the luma of the middle without its slow changes, which say nothing of a shift."""
    height, width = pixels.shape[:2]
    top, left = max(0, (height - SAMPLE) // 2), max(0, (width - SAMPLE) // 2)
    grey = luma(pixels[top : top + SAMPLE, left : left + SAMPLE]).astype(np.float32)
    smooth = cv2.GaussianBlur(grey, (0, 0), 8)
    return np.asarray(grey - smooth, np.float32)
