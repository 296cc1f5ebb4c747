"""Check that real LR/HR pairs show the same place: no degradation made them (RealVSR)."""

from dataclasses import dataclass
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from superres.colour import luma
from superres.data.degrade import imresize
from superres.errors import DataError

MAX_SHIFT: Final = 0.5  # HR pixels; half of one already softens what is learned
MAX_BRIGHTER: Final = 25.5  # grey levels of the means: a tenth of the range
FLAT: Final = 0.25  # grey levels that the detail of a picture varies by; less is no structure
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


def fault_of(lr: Pixels, hr: Pixels, max_shift: float = MAX_SHIFT) -> str:
    """Say why LR and HR do not show the same place alike; "" when they do.

    Brightness, structure in common, and the shift are looked at, in this order. A flat picture
    has no structure, so nothing is said of its shift. Raises DataError as `shift_of`.
    """
    brighter = float(luma(lr).mean() - luma(hr).mean())
    if abs(brighter) > MAX_BRIGHTER:
        return (
            f"LR is {brighter:+.1f} grey levels brighter than HR, more than {MAX_BRIGHTER:g} apart"
        )
    if min(float(_detail(side).std()) for side in (lr, hr)) < FLAT:
        return ""
    shift = shift_of(lr, hr)
    if shift.peak < MIN_PEAK:
        return f"LR and HR have too little in common (peak {shift.peak:.2f})"
    if shift.distance > max_shift:
        return (
            f"HR lies {shift.down:+.2f} rows and {shift.right:+.2f} columns from LR, more than "
            f"{max_shift:g} pixels"
        )
    return ""


def _detail(pixels: Pixels) -> _Floats:
    """Return the luma of the middle without its slow changes, which say nothing of a shift."""
    height, width = pixels.shape[:2]
    top, left = max(0, (height - SAMPLE) // 2), max(0, (width - SAMPLE) // 2)
    grey = luma(pixels[top : top + SAMPLE, left : left + SAMPLE]).astype(np.float32)
    smooth = cv2.GaussianBlur(grey, (0, 0), 8)
    return np.asarray(grey - smooth, np.float32)
