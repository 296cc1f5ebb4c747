"""A made-up landscape, and the same seen from a little further on."""

import cv2
import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]


def scenery(seed: int = 3, height: int = 192, width: int = 256) -> Pixels:
    """A picture with structure of all sizes and nothing that repeats."""
    random = np.random.default_rng(seed)
    layers = [
        cv2.resize(random.normal(0, 40 / k, (48 // k, 64 // k, 3)), (width, height)) * k
        for k in (1, 2, 4, 8)
    ]
    return np.clip(128 + sum(layers), 0, 255).astype(np.uint8)


def moved(hr: Pixels, down: float, right: float) -> Pixels:
    matrix = np.array([[1, 0, right], [0, 1, down]], np.float32)
    size = hr.shape[1::-1]
    flags, border = cv2.INTER_CUBIC, cv2.BORDER_REFLECT
    return np.asarray(cv2.warpAffine(hr, matrix, size, flags=flags, borderMode=border), np.uint8)
