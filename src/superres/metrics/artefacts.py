"""What a network may leave on a picture: the grid of its upsampling, and a tint."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from superres.colour import luma
from superres.errors import InputError

_Pixels = NDArray[np.uint8] | NDArray[np.floating[Any]]
_Floats = NDArray[np.float64]

LINE = 1  # bins at either side that a spectral line covers under a Hann window
NEAR, FAR = 3, 8  # bins at either side of the line that its surroundings are taken from
ROUNDING = 1 / 12  # variance of rounding to whole levels: the floor of every spectrum


def colour_shift(sr: _Pixels, lr: _Pixels) -> float:
    """How far the mean colour of SR is from LR's, (H, W, 3) both, in grey levels, worst channel."""
    return float(np.abs(sr.mean(axis=(0, 1)) - lr.mean(axis=(0, 1))).max())


def checkerboard(picture: _Pixels, scale: int) -> float:
    """Energy of a grid of `scale` pixels in RGB (H, W, 3) of 0..255, in dB over its surroundings.

    Pixel-shuffle and transposed convolutions treat the `scale` phases of an LR pixel differently
    (Odena et al. 2016). That repeats every `scale` pixels, so it stands in the spectrum at the
    multiples of 1/scale: their energy is compared with that of the frequencies next to them, mean
    over the multiples and both directions. A photograph has about 0, bicubic 0 to 2, a grid of one
    grey level about 20 on smooth content; compare with HR's own value.

    Raises InputError for a scale below 2 or a picture with too few pixels to tell.
    """
    least = 2 * scale * (FAR + 1)
    height, width = picture.shape[0], picture.shape[1]
    if scale < 2 or min(height, width) < least:
        raise InputError(
            f"a grid of {scale} pixels cannot be told in {width}x{height}: expected a scale of at "
            f"least 2 and {least} pixels a side",
            code="too_small",
        )
    plane = luma(picture) if picture.ndim == 3 else np.asarray(picture, dtype=np.float64)
    plane = plane[: height - height % scale, : width - width % scale]
    plane = plane - plane.mean()
    return float(np.mean([_excess(plane, scale), _excess(plane.T, scale)]))


def _excess(plane: _Floats, scale: int) -> float:
    """Compare the lines with their surroundings along the last axis of (H, W), in dB."""
    length = plane.shape[1]
    window = np.hanning(length + 1)[:length]
    spectrum = np.square(np.abs(np.fft.rfft(plane * window, axis=1))).mean(axis=0)
    spectrum += ROUNDING * np.square(window).sum()
    found = []
    for multiple in range(1, scale // 2 + 1):
        centre = multiple * length // scale
        line = _at(spectrum, centre + np.arange(-LINE, LINE + 1), length).mean()
        steps = np.arange(NEAR, FAR + 1)
        around = _at(spectrum, centre + np.concatenate([-steps, steps]), length)
        found.append(10 * np.log10(line / np.median(around)))
    return float(np.mean(found))


def _at(spectrum: _Floats, bins: NDArray[np.int64], length: int) -> _Floats:
    """Return the energy at `bins` of a real signal's spectrum, of which half is stored."""
    return spectrum[np.minimum(bins % length, -bins % length)]
