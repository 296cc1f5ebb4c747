"""NIQE, a figure of one picture without its HR (Mittal, Soundararajan and Bovik 2013).

How far the statistics of 96x96 blocks are from those of undistorted photographs. `niqe.npz` holds
the mean and covariance that the authors published (see NOTICE-NIQE.txt beside it).
"""

import math
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from superres.colour import luma
from superres.errors import InputError

_Floats = NDArray[np.float64]

BLOCK = 96  # pixels a side, the authors' choice
SHIFTS = ((0, 1), (1, 0), (1, 1), (1, -1))  # neighbours: right, below, both diagonals
_REACH = 3
_SIGMA = 7 / 6


def niqe(picture: NDArray[np.uint8] | NDArray[np.floating[Any]]) -> float:
    """Return the NIQE of RGB (H, W, 3) or a plane (H, W) in 0..255; lower is more natural.

    RGB is compared in BT.601 luma rounded to whole levels, as MATLAB's release does. Whole blocks
    from the top left corner count, the rest is cut off. About 2 to 4 for photographs, up to 20.

    Raises InputError when there are fewer than two blocks with any texture.
    """
    plane = luma(picture) if picture.ndim == 3 else picture.astype(np.float64)
    plane = np.floor(plane + 0.5)
    rows, columns = plane.shape[0] // BLOCK, plane.shape[1] // BLOCK
    features = np.empty((0, 36))
    if rows and columns:
        plane = plane[: rows * BLOCK, : columns * BLOCK]
        halved = _halved(_halved(plane).T).T
        parts = [_features(_blocks(_normalised(p), rows, columns)) for p in (plane, halved)]
        features = np.concatenate(parts, axis=1)
        features = features[np.isfinite(features).all(axis=1)]
    if len(features) < 2:
        raise InputError(
            f"NIQE needs at least two blocks of {BLOCK}x{BLOCK} pixels with texture, found "
            f"{len(features)} in {picture.shape[1]}x{picture.shape[0]}",
            code="too_small",
        )
    mean, covariance = _pristine()
    difference = mean - features.mean(axis=0)
    pooled = (covariance + np.cov(features, rowvar=False)) / 2
    return math.sqrt(float(difference @ np.linalg.pinv(pooled) @ difference))


@cache
def _pristine() -> tuple[_Floats, _Floats]:
    with np.load(Path(__file__).with_name("niqe.npz")) as content:
        return content["mean"], content["covariance"]


def _normalised(plane: _Floats) -> _Floats:
    """Take the local mean away and divide by the local deviation + 1 (eq. 1 to 3)."""
    mean = _smooth(_smooth(plane).T).T
    square = _smooth(_smooth(np.square(plane)).T).T
    result: _Floats = (plane - mean) / (np.sqrt(np.abs(square - np.square(mean))) + 1)
    return result


def _smooth(plane: _Floats) -> _Floats:
    """Gaussian of 7 taps and sigma 7/6 along the rows; edges are repeated."""
    offsets = np.arange(-_REACH, _REACH + 1)
    weights = np.exp(-(offsets**2) / (2 * _SIGMA**2))
    weights /= weights.sum()
    padded = np.pad(plane, ((_REACH, _REACH), (0, 0)), mode="edge")
    result = np.zeros_like(plane)
    for tap, weight in enumerate(weights):
        result += weight * padded[tap : tap + len(plane)]
    return result


def _halved(plane: _Floats) -> _Floats:
    """Every second row of a bicubic with antialiasing, as MATLAB's imresize; edges mirrored."""
    distance = np.abs(np.arange(-3.5, 4) / 2)
    near = 1.5 * distance**3 - 2.5 * distance**2 + 1
    far = -0.5 * distance**3 + 2.5 * distance**2 - 4 * distance + 2
    weights = np.where(distance < 1, near, far)
    weights /= weights.sum()
    padded = np.pad(plane, ((3, 3), (0, 0)), mode="symmetric")
    count = len(plane) // 2
    result = np.zeros((count, plane.shape[1]))
    for tap, weight in enumerate(weights):
        result += weight * padded[tap : tap + 2 * count : 2]
    return result


def _blocks(plane: _Floats, rows: int, columns: int) -> _Floats:
    """(rows * b, columns * b) -> (rows * columns, b, b)."""
    side = plane.shape[0] // rows
    parts = plane.reshape(rows, side, columns, side).swapaxes(1, 2)
    return parts.reshape(rows * columns, side, side)


def _features(blocks: _Floats) -> _Floats:
    """Return the 18 features of each block (N, b, b) -> (N, 18); not finite without texture."""
    shape, left, right = _fit(blocks)
    found = [shape, (left + right) / 2]
    for shift in SHIFTS:
        shape, left, right = _fit(blocks * np.roll(blocks, shift, axis=(1, 2)))
        mean = (right - left) * _ratio(shape, 2, 1)
        found += [shape, mean, left, right]
    return np.stack(found, axis=1)


def _fit(blocks: _Floats) -> tuple[_Floats, _Floats, _Floats]:
    """Fit an asymmetric generalised Gaussian to each block: shape, left and right scale."""
    values = blocks.reshape(len(blocks), -1)
    left, right = (_deviation(values, side) for side in (values < 0, values > 0))
    square = np.square(values).mean(axis=1)
    known = (left > 0) & (right > 0)
    balance = np.divide(left, right, out=np.full_like(left, np.nan), where=known)
    share = np.square(np.abs(values).mean(axis=1))
    share = np.divide(share, square, out=np.full_like(share, np.nan), where=known)
    wanted = share * (balance**3 + 1) * (balance + 1) / np.square(balance**2 + 1)
    shapes, shares = _table()
    place = np.clip(np.searchsorted(shares, np.nan_to_num(wanted)), 1, len(shares) - 1)
    place -= wanted - shares[place - 1] < shares[place] - wanted
    shape = np.where(known, shapes[place], np.nan)
    spread = np.sqrt(_ratio(shape, 1, 3))
    return shape, left * spread, right * spread


def _deviation(values: _Floats, side: NDArray[np.bool_]) -> _Floats:
    count = side.sum(axis=1)
    total = np.square(values * side).sum(axis=1)
    square: _Floats = np.divide(total, count, out=np.zeros_like(total), where=count > 0)
    return np.sqrt(square)


@cache
def _table() -> tuple[_Floats, _Floats]:
    """Return shapes 0.2 to 10 and the share of squared mean in mean square that each has."""
    shapes = np.arange(0.2, 10.001, 0.001)
    return shapes, _ratio(shapes, 2, 1) * _ratio(shapes, 2, 3)


def _ratio(shape: _Floats, above: int, below: int) -> _Floats:
    """gamma(above / shape) / gamma(below / shape)."""
    return np.array(
        [
            math.exp(math.lgamma(above / s) - math.lgamma(below / s)) if s == s else math.nan
            for s in shape
        ]
    )
