"""Alpha: transparent pixels must not bleed their hidden colour into the edges of what is seen."""

from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from superres.images.picture import Pixels
from superres.inference.rows import Rows

ROWS = 256  # of a picture that comes in strips, spread together
REACH = 24  # LR pixels: beyond it from anything visible a hidden colour stays as it is


def spread_colours(pixels: Pixels, alpha: Pixels) -> Pixels:
    """Give fully transparent pixels the colours of the visible ones next to them.

    A network or a bicubic kernel mixes neighbours: with premultiplied colours, or after this,
    what is mixed in at an edge is the colour of the visible side, not the black or white that
    happens to be stored where nothing is seen. `pixels` (h, w, 3), `alpha` (h, w).
    """
    hidden = alpha == 0
    if not hidden.any() or hidden.all():
        return pixels
    colours = pixels.astype(np.float32)
    known = (~hidden).astype(np.float32)
    for _ in range(REACH):
        weights: NDArray[np.float32] = np.asarray(cv2.blur(known, (3, 3)), np.float32)
        reached = (known == 0) & (weights > 0)
        if not reached.any():
            break
        sums = np.asarray(cv2.blur(colours * known[..., None], (3, 3)), np.float32)
        colours[reached] = sums[reached] / weights[reached, None]
        known[reached] = 1
    shown: Any = np.where(hidden[..., None], np.floor(colours + 0.5), pixels)
    result: Pixels = shown.astype(pixels.dtype)
    return result


def spread_rows(source: Rows) -> Iterator[Pixels]:
    """Yield the colours of rows (n, w, 4), spread as `spread_colours` does in the whole picture."""
    for top in range(0, source.height, ROWS):
        bottom = min(top + ROWS, source.height)
        first = max(0, top - REACH)
        window = source.window(first, min(bottom + REACH, source.height))
        colours: Any = spread_colours(window[..., :3], np.ascontiguousarray(window[..., 3]))
        yield np.ascontiguousarray(colours[top - first : bottom - first])
