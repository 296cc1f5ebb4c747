"""Carry out drawn operations on (H, W, 3) pixels with numpy, OpenCV and the codecs.

OpenCV is imported where it is needed: a machine that only trains may be without it.
"""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from superres.data.degradations.operations import (
    Filter,
    Gaussian,
    Jpeg,
    Operation,
    Poisson,
    Resize,
    Subsample,
)
from superres.data.degrade import imresize

GRID: Final = 4096.0  # levels are kept as multiples of 1/4096 between two operations
LUMA: Final = (0.299, 0.587, 0.114)

Pixels = NDArray[np.uint8]


def carry_out(
    operation: Operation, pixels: NDArray[Any], random: np.random.Generator
) -> NDArray[Any]:
    """Return `pixels` after one operation, on 0..255.

    Bytes stay bytes where the operation says so (a resize rounds after each pass as MATLAB's
    does, a codec gives bytes); all else gives float64, not rounded to whole levels.
    """
    if isinstance(operation, Resize):
        return _on_grid(_resized(operation, pixels))
    if isinstance(operation, Subsample):
        kept = pixels[operation.first :: operation.every, operation.first :: operation.every]
        return np.ascontiguousarray(kept)
    if isinstance(operation, Filter):
        return _filtered(pixels.astype(np.float64), operation.weights)
    if isinstance(operation, Gaussian | Poisson):
        return _on_grid(_noisy(operation, pixels.astype(np.float64), random))
    if isinstance(operation, Jpeg):
        return _compressed(to_bytes(pixels), operation.quality)
    raise TypeError(f"{operation} takes a clip")


def to_bytes(pixels: NDArray[Any]) -> Pixels:
    """Round half up and clip to uint8; bytes are returned as they are."""
    if pixels.dtype == np.uint8:
        return pixels
    return np.clip(np.floor(pixels + 0.5), 0, 255).astype(np.uint8)


def resized_frame(pixels: Pixels, size: tuple[int, int], kernel: str) -> Pixels:
    """Resize a whole frame to (height, width), as `resize_frame` does."""
    return to_bytes(_resized(Resize(*size, kernel), pixels))


def _on_grid(pixels: NDArray[Any]) -> NDArray[Any]:
    if pixels.dtype == np.uint8:
        return pixels
    return np.asarray(np.round(np.clip(pixels, 0, 255) * GRID) / GRID)


def _resized(operation: Resize, pixels: NDArray[Any]) -> NDArray[Any]:
    size = (operation.height, operation.width)
    if size == pixels.shape[:2]:
        return pixels
    if operation.kernel == "opencv_cubic":
        import cv2

        return np.asarray(cv2.resize(pixels, size[::-1], interpolation=cv2.INTER_CUBIC))
    return imresize(
        pixels,
        size=size,
        kernel=operation.kernel,
        border=operation.border,
        antialias=operation.antialias,
    )


def _filtered(pixels: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[Any]:
    import cv2

    is_separable = weights.ndim == 1
    for kernel in [weights[None, :], weights[:, None]] if is_separable else [weights]:
        pixels = np.asarray(cv2.filter2D(_padded(pixels, kernel.shape), cv2.CV_64F, kernel))
        top, left = (side // 2 for side in kernel.shape)
        height, width = pixels.shape[0] - 2 * top, pixels.shape[1] - 2 * left
        pixels = _on_grid(pixels[top : top + height, left : left + width])
    return np.ascontiguousarray(pixels)


def _padded(pixels: NDArray[np.float64], sides: tuple[int, ...]) -> NDArray[np.float64]:
    """Mirror at the border, also when the kernel is larger than the picture."""
    top, left = sides[0] // 2, sides[1] // 2
    return np.pad(pixels, ((top, top), (left, left), (0, 0)), mode="reflect")


def _noisy(
    operation: Gaussian | Poisson, pixels: NDArray[np.float64], random: np.random.Generator
) -> NDArray[np.float64]:
    height, width, channels = pixels.shape
    if isinstance(operation, Gaussian):
        drawn = random.standard_normal((height, width, 1 if operation.is_grey else channels))
        return pixels + operation.sigma * drawn
    counted = _luma(pixels) if operation.is_grey else pixels
    noise = random.poisson(counted) - counted
    return np.asarray(pixels + operation.scale * noise)


def _luma(pixels: NDArray[np.float64]) -> NDArray[np.float64]:
    red, green, blue = (pixels[..., k : k + 1] * LUMA[k] for k in range(3))
    return np.asarray(red + green + blue)


def _compressed(pixels: Pixels, quality: int) -> Pixels:
    """JPEG and back by OpenCV's libjpeg-turbo, 4:2:0 as cameras write it."""
    import cv2

    options = [cv2.IMWRITE_JPEG_QUALITY, quality]
    _, content = cv2.imencode(".jpg", np.ascontiguousarray(pixels[..., ::-1]), options)
    decoded = cv2.imdecode(content, cv2.IMREAD_COLOR)
    return np.ascontiguousarray(np.asarray(decoded, np.uint8)[..., ::-1])
