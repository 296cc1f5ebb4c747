"""Which floats a network computes in, and whether a result of half precision can be trusted."""

from typing import Literal

import numpy as np

from superres.inference.facts import Floats

Precision = Literal["auto", "float32", "bfloat16", "float16"]

VISIBLE = 0.02  # a picture brighter than this has no black result


def is_broken(result: Floats, brightest: float) -> bool:
    """Tell whether `result` is not finite, or black where the picture reaches `brightest`."""
    if not np.isfinite(result.sum(dtype=np.float64)):
        return True
    return bool(result.max() <= 0 and brightest > VISIBLE)
