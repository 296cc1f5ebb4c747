"""What losses do not show: the upsampling's grid, a tint, lost contrast, and pictures of them."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from superres.metrics.artefacts import checkerboard, colour_shift

Pixels = NDArray[np.uint8]
CUTOFF = 1 / 16  # cycles per pixel where the low-pass picture keeps 61 % (a Gaussian's deviation)
GREY = 128  # of a high-pass picture where nothing is


@dataclass(frozen=True)
class Shown:
    """The middle of one validation image (H, W, 3): enlarged in four ways."""

    nearest: Pixels
    bicubic: Pixels
    sr: Pixels
    hr: Pixels


def figures(shown: list[Shown], scale: int) -> dict[str, float]:
    """Return what is wrong with the generator's pictures, means over images.

    `checkerboard`: energy of a grid of `scale` pixels in dB over its surroundings, about 0 in
    photographs, and `checkerboard_hr`, that of HR; left out where pictures are too small to tell.
    `colour_shift`: grey levels between the mean colour of SR and of bicubic, worst channel.
    `contrast`: SR's standard deviation as a share of HR's.
    """
    if not shown:
        return {}
    found = {
        "colour_shift": _mean(colour_shift(one.sr, one.bicubic) for one in shown),
        "contrast": _mean(float(one.sr.std() / max(one.hr.std(), 1.0)) for one in shown),
    }
    side = min(min(one.hr.shape[:2]) for one in shown)
    if scale > 1 and side >= least_side(scale):
        found["checkerboard"] = _mean(checkerboard(one.sr, scale) for one in shown)
        found["checkerboard_hr"] = _mean(checkerboard(one.hr, scale) for one in shown)
    return {f"diagnostics/{name}": value for name, value in found.items()}


def least_side(scale: int) -> int:
    """Return how many pixels a grid of `scale` needs to be told."""
    from superres.metrics.artefacts import FAR

    return 2 * scale * (FAR + 1)


def bands(picture: Pixels, cutoff: float = CUTOFF) -> tuple[Pixels, Pixels]:
    """Return the low-pass and the high-pass picture of (H, W, 3), as R3's figure shows them.

    Low frequencies are kept by a Gaussian of deviation `cutoff` cycles per pixel in the Fourier
    domain; the high-pass picture is what is missing, around grey 128, so both sum to the picture.
    """
    rows, columns = (np.fft.fftfreq(size)[:, np.newaxis] for size in picture.shape[:2])
    kept = np.exp(-(rows**2 + columns.T**2) / (2 * cutoff**2))[..., np.newaxis]
    spectrum = np.fft.fft2(picture.astype(np.float64), axes=(0, 1))
    low = np.fft.ifft2(spectrum * kept, axes=(0, 1)).real
    return _pixels(low), _pixels(picture - low + GREY)


def strip(shown: list[Shown]) -> bytes | None:
    """Return a PNG with a row per image: nearest | bicubic | this generator | HR."""
    return _png([[one.nearest, one.bicubic, one.sr, one.hr] for one in shown])


def band_strip(shown: list[Shown]) -> bytes | None:
    """Return a PNG with a row per image: low | high frequencies of SR, then of HR."""
    return _png([[*bands(one.sr), *bands(one.hr)] for one in shown])


def _png(rows: list[list[Pixels]]) -> bytes | None:
    """Return the pictures as one; None without any, or where Pillow is not installed."""
    try:
        from superres.images import Picture, encode
    except ImportError:
        return None
    if not rows:
        return None
    whole = np.concatenate([np.concatenate(row, axis=1) for row in rows])
    return encode(Picture(np.ascontiguousarray(whole)))


def _pixels(values: NDArray[np.floating[Any]]) -> Pixels:
    rounded: Pixels = np.clip(np.floor(values + 0.5), 0, 255).astype(np.uint8)
    return rounded


def _mean(values: Any) -> float:
    return float(np.mean(list(values)))
