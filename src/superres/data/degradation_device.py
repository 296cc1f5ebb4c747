"""Degrade training crops on the training device, anew for every batch.

The same seed gives the same pixels on the CPU and on a GPU, whatever the number of threads:
every random number is drawn on the host, and all arithmetic is exact. Levels are multiples of
1/4096, weights of 2**-20, in float64; a sum of such products is exact, so its order does not
matter.
"""

from functools import lru_cache
from itertools import product

import numpy as np
import torch
import torch.nn.functional as F

from superres.data.degradations import Degradation
from superres.data.degradations.device_jpeg import LUMA, compressed
from superres.data.degradations.kernels import UNIT
from superres.data.degradations.operations import (
    Filter,
    Gaussian,
    Jpeg,
    Operation,
    Poisson,
    Resize,
    Subsample,
)
from superres.data.degradations.pixels import GRID
from superres.data.degrade import imresize


class DeviceDegradation:
    """A chain for batches of crops; each crop draws its own parameters.

    Without random steps bicubic and BD chains give the pixels of `Degradation.apply`; lanczos
    and opencv_cubic may differ by one level. Noise differs, being drawn otherwise: shot noise is
    normal here with the variance of Poisson's. JPEG follows the standard, not libjpeg's bits.

    Raises ConfigError for a step that needs whole frames.
    """

    def __init__(self, degradation: Degradation, scale: int) -> None:
        degradation.require_crops()
        self.degradation = degradation
        self.scale = scale

    def __call__(
        self, hr: torch.Tensor, random: torch.Generator, *, frames: int = 1
    ) -> torch.Tensor:
        """Make `lr (N, 3, H // scale, W // scale)` of `hr (N, 3, H, W)`, both in [0, 1].

        `random` is a generator on the CPU; the result is float32 multiples of 1/255 on the
        device of `hr`, whose sides are multiples of the scale. Every `frames` crops are one clip:
        all its frames have the same parameters, and noise of their own.
        """
        seeds = torch.randint(2**53, (len(hr) // frames,), generator=random).tolist()
        levels = torch.round(hr.double() * 255)
        done = [
            self._one(crop, seeds[place // frames], place % frames)
            for place, crop in enumerate(levels)
        ]
        return torch.stack(done).float().div_(255)

    def _one(self, pixels: torch.Tensor, seed: int, moment: int = 0) -> torch.Tensor:
        noise = torch.Generator().manual_seed(seed + moment)
        is_bytes = True
        for operation in self.degradation.draw(tuple(pixels.shape[1:]), self.scale, seed):
            if isinstance(operation, Gaussian | Poisson):
                pixels = on_grid(_noisy(operation, pixels, noise))
            else:
                pixels = _carried_out(operation, pixels, is_bytes=is_bytes)
            is_bytes = isinstance(operation, Jpeg) or (
                is_bytes and isinstance(operation, Resize | Subsample)
            )
        return to_bytes(pixels)


def on_grid(pixels: torch.Tensor) -> torch.Tensor:
    """Clip to 0..255 and round to multiples of 1/4096."""
    return torch.round(pixels.clamp(0, 255) * GRID) / GRID


def to_bytes(pixels: torch.Tensor) -> torch.Tensor:
    """Round half up to whole levels, still float64."""
    return torch.floor(pixels + 0.5).clamp(0, 255)


def filtered_by_taps(padded: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Correlate `padded (3, H + k - 1, W + l - 1)` with (k, l) weights, tap by tap.

    Fast on a CPU, whose float64 convolution is not; exact as `filtered_by_convolution`.
    """
    rows, columns = weights.shape
    height, width = padded.shape[1] - rows + 1, padded.shape[2] - columns + 1
    total = padded.new_zeros(padded.shape[0], height, width)
    values = weights.flatten().tolist()
    for (top, left), weight in zip(product(range(rows), range(columns)), values, strict=True):
        total.add_(padded[:, top : top + height, left : left + width], alpha=weight)
    return total


def filtered_by_convolution(padded: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Do the same in one call; cuDNN may transform, which is not exact, so it is kept out."""
    with torch.backends.cudnn.flags(enabled=False):
        return F.conv2d(padded[:, None], weights.to(padded.device)[None, None])[:, 0]


def _carried_out(operation: Operation, pixels: torch.Tensor, *, is_bytes: bool) -> torch.Tensor:
    if isinstance(operation, Filter):
        weights = torch.from_numpy(operation.weights)
        separable = weights.ndim == 1
        for kernel in (weights[None], weights[:, None]) if separable else (weights,):
            pixels = on_grid(_filtered(pixels, kernel))
        return pixels
    if isinstance(operation, Resize):
        return _resized(operation, pixels, is_bytes=is_bytes)
    if isinstance(operation, Subsample):
        return pixels[:, operation.first :: operation.every, operation.first :: operation.every]
    if isinstance(operation, Jpeg):
        return compressed(to_bytes(pixels), operation.quality)
    raise TypeError(f"{operation} takes a clip")


def _filtered(pixels: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    sides = zip(pixels.shape[1:], weights.shape, strict=True)
    rows, columns = (_mirrored(n, k // 2) for n, k in sides)
    padded = pixels[:, rows.to(pixels.device)][:, :, columns.to(pixels.device)]
    if pixels.device.type == "cpu":
        return filtered_by_taps(padded, weights)
    return filtered_by_convolution(padded, weights)


def _mirrored(length: int, margin: int) -> torch.Tensor:
    """Positions of a line with `margin` mirrored ones at both ends, the last not repeated."""
    period = max(1, 2 * (length - 1))
    positions = torch.arange(-margin, length + margin) % period
    return torch.minimum(positions, period - positions) if length > 1 else positions


def _resized(operation: Resize, pixels: torch.Tensor, *, is_bytes: bool) -> torch.Tensor:
    targets = (operation.height, operation.width)
    shares = [target / length for target, length in zip(targets, pixels.shape[1:], strict=True)]
    for axis in (0, 1) if shares[0] <= shares[1] else (1, 0):
        if shares[axis] == 1:
            continue
        options = (operation.kernel, operation.border, operation.antialias)
        weights = _weights(pixels.shape[1 + axis], targets[axis], *options).to(pixels.device)
        mixed = weights @ pixels if axis == 0 else pixels @ weights.T
        pixels = to_bytes(mixed) if is_bytes else on_grid(mixed)
    return pixels


@lru_cache(maxsize=256)
def _weights(length: int, target: int, kernel: str, border: str, antialias: bool) -> torch.Tensor:
    """Return (target, length): what a resize of one axis does, read off the unit vectors."""
    unit = np.eye(length)
    if kernel == "opencv_cubic":
        import cv2  # a machine that only trains may be without it

        weights = np.asarray(cv2.resize(unit, (length, target), interpolation=cv2.INTER_CUBIC))
    else:
        weights = imresize(
            unit,
            size=(target, length),
            kernel=kernel,
            border="reflect" if border == "reflect" else "replicate",
            antialias=antialias,
        )
    return torch.from_numpy(np.round(weights / UNIT) * UNIT)


def _noisy(
    operation: Gaussian | Poisson, pixels: torch.Tensor, random: torch.Generator
) -> torch.Tensor:
    shape = (1 if operation.is_grey else 3, *pixels.shape[1:])
    drawn = torch.randn(shape, generator=random, dtype=torch.float64).to(pixels.device)
    if isinstance(operation, Gaussian):
        return pixels + drawn * operation.sigma
    counted = pixels
    if operation.is_grey:
        red, green, blue = (pixels[k : k + 1] * LUMA[k] for k in range(3))
        counted = red + green + blue
    return pixels + torch.sqrt(counted) * drawn * operation.scale
