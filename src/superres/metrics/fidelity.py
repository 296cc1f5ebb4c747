"""MSE, PSNR and SSIM as MATLAB computes them, on pictures as they are written (uint8)."""

from functools import cache
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from superres.colour import luma
from superres.errors import InputError

Channel = Literal["y", "rgb"]
_Array = NDArray[np.uint8] | NDArray[np.uint16] | NDArray[np.floating[Any]]
_Floats = NDArray[np.float64]

_WINDOW = 11
_SIGMA = 1.5
_ROWS = 16  # computed together


class Score(NamedTuple):
    """One picture's figures: `psnr` in dB, `ssim` up to 1, `mse` on the [0, 1] scale."""

    psnr: float
    ssim: float
    mse: float


def mse(a: _Array, b: _Array) -> float:
    """Mean squared error of two arrays of one shape, in squared units of their values."""
    _require_same_shape(a, b)
    difference = a.astype(np.float64) - b.astype(np.float64)
    return float(np.mean(np.square(difference)))


def psnr(a: _Array, b: _Array, peak: float = 255.0) -> float:
    """Peak signal-to-noise ratio in dB; infinite when the arrays are equal."""
    error = mse(a, b)
    return float("inf") if error == 0 else float(10 * np.log10(peak**2 / error))


def ssim(a: _Array, b: _Array, peak: float = 255.0) -> float:
    """Mean structural similarity (Wang et al. 2004) of (H, W) or (H, W, C) arrays.

    11x11 Gaussian window with sigma 1.5, K = (0.01, 0.03), only windows that lie inside the
    picture, as MATLAB's ssim_index; the mean over the channels for three dimensions.

    Raises InputError for a side below 11 pixels or different shapes.
    """
    _require_same_shape(a, b)
    if min(a.shape[:2]) < _WINDOW:
        raise InputError(
            f"SSIM needs at least {_WINDOW}x{_WINDOW} pixels, got {a.shape[1]}x{a.shape[0]}",
            code="too_small",
        )
    if a.ndim == 3:
        channels = range(a.shape[2])
        return float(np.mean([_ssim_plane(a[..., c], b[..., c], peak) for c in channels]))
    return _ssim_plane(a, b, peak)


def shave(a: NDArray[Any], border: int) -> NDArray[Any]:
    """Cut `border` pixels from each side of (H, W[, C]).

    Raises InputError when nothing would be left.
    """
    height, width = a.shape[0], a.shape[1]
    if min(height, width) <= 2 * border:
        raise InputError(
            f"a picture of {width}x{height} has nothing left after a shave of {border} pixels",
            code="too_small",
        )
    return a[border : height - border, border : width - border]


def score(
    sr: NDArray[np.uint8] | _Floats,
    hr: NDArray[np.uint8],
    *,
    border: int,
    channel: Channel = "y",
    grey: bool = False,
    whole_levels: bool = False,
) -> Score:
    """Compare two RGB pictures (H, W, 3) in 0..255 after a shave of `border` pixels.

    `channel` "y" compares BT.601 luma, not rounded, in 16..235; "rgb" all three channels. The
    peak is 255 in every case. Published figures take the levels 0..255 of a file with a single
    channel as they are (Set14's bridge, 1.3 dB lower): pass `grey` = the HR's `Picture.grey`. A
    colour file whose channels happen to be equal (Set14's man) is not `grey`. `whole_levels`
    rounds luma, as tables made from uint8 YCbCr pictures do.

    Raises InputError for different shapes or pictures too small for SSIM.
    """
    _require_same_shape(sr, hr)
    sr, hr = shave(sr, border), shave(hr, border)
    if channel == "rgb":
        return _score(sr, hr)
    sr_luma, hr_luma = luma(sr), luma(hr)
    if grey:
        # 219 of 255 levels are used by luma; a grey pixel g has luma 16 + 219 / 255 * g.
        sr_luma, hr_luma = ((plane - 16) * (255 / 219) for plane in (sr_luma, hr_luma))
    if whole_levels:
        sr_luma, hr_luma = (np.floor(plane + 0.5) for plane in (sr_luma, hr_luma))
    return _score(sr_luma, hr_luma)


def _score(sr: _Array, hr: _Array) -> Score:
    return Score(psnr(sr, hr), ssim(sr, hr), mse(sr, hr) / 255.0**2)


def _ssim_plane(a: _Array, b: _Array, peak: float) -> float:
    height, width = a.shape[0] - _WINDOW + 1, a.shape[1] - _WINDOW + 1
    c1, c2 = (0.01 * peak) ** 2, (0.03 * peak) ** 2
    total = 0.0
    for top in range(0, height, _ROWS):  # few rows at a time stay in the processor's cache
        rows = slice(top, min(top + _ROWS, height) + _WINDOW - 1)
        x, y = a[rows].astype(np.float64), b[rows].astype(np.float64)
        mean_x, mean_y, product_mean, square_mean = _blur(np.stack([x, y, x * y, x * x + y * y]))
        product, squares = mean_x * mean_y, mean_x**2 + mean_y**2
        similarity = (2 * product + c1) * (2 * (product_mean - product) + c2)
        similarity /= (squares + c1) * (square_mean - squares + c2)
        total += float(similarity.sum())
    return total / int(height * width)


@cache
def window() -> tuple[float, ...]:
    """Return the 11 weights of the Gaussian with sigma 1.5; they sum to 1."""
    offsets = np.arange(_WINDOW) - _WINDOW // 2
    weights = np.exp(-(offsets**2) / (2 * _SIGMA**2))
    return tuple(float(weight) for weight in weights / weights.sum())


def _blur(planes: _Floats) -> _Floats:
    """Gaussian-weighted mean of every window inside (N, H, W) -> (N, H - 10, W - 10)."""
    return _blur_rows(_blur_rows(planes).swapaxes(1, 2)).swapaxes(1, 2)


def _blur_rows(planes: _Floats) -> _Floats:
    weights, middle, last = window(), _WINDOW // 2, _WINDOW - 1
    count = planes.shape[1] - _WINDOW + 1
    result: _Floats = planes[:, middle : middle + count] * weights[middle]
    both = np.empty_like(result)
    for tap in range(middle):  # the window is symmetric: its two ends share a product
        np.add(planes[:, tap : tap + count], planes[:, last - tap : last - tap + count], out=both)
        both *= weights[tap]
        result += both
    return result


def _require_same_shape(a: _Array, b: _Array) -> None:
    if a.shape != b.shape:
        raise InputError(f"pictures of one shape can be compared, got {a.shape} and {b.shape}")
