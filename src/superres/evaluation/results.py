"""What a model makes of test pictures, one after another, and how long it takes.

A network of video gets the frames of a clip in order, as of a film.
"""

import time
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from superres.errors import DataError
from superres.evaluation.pairs import Pair
from superres.evaluation.protocol import Rounding
from superres.images import Picture
from superres.inference.temporal import upscaled
from superres.inference.tiled import GREY
from superres.inference.upscaler import Upscaler

Result = tuple[Pair, Any, float]  # SR (H, W, 3) uint8, or (1, 3, H, W) in [0, 1]; seconds


def results(
    name: str, upscaler: Upscaler, pairs: Iterable[Pair], rounding: Rounding
) -> Iterator[Result]:
    """Yield every pair with its SR; floats before rounding where `rounding` is "none".

    Raises DataError for pairs that do not fit the model's scale, which is called `name`, and for
    a network of video with `rounding` "none".
    """
    fitting = (_fitting(name, upscaler, pair) for pair in pairs)
    if upscaler.info.kind == "video":
        return _films(upscaler, fitting, rounding)
    return _pictures(upscaler, fitting, rounding)


def _pictures(upscaler: Upscaler, pairs: Iterable[Pair], rounding: Rounding) -> Iterator[Result]:
    for pair in pairs:
        begun = time.perf_counter()
        made: Any
        if rounding == "none":
            made = _before_rounding(upscaler, pair.lr)
        else:
            made = upscaler.image(pair.lr).pixels.astype(np.uint8, casting="no")
        yield pair, made, time.perf_counter() - begun


def _films(upscaler: Upscaler, pairs: Iterable[Pair], rounding: Rounding) -> Iterator[Result]:
    """Begin anew with every pair that does not follow the one before.

    A frame's time is that until it came out: the first of a piece has all of it, so only the sum
    says something. Reading the pairs is not in it.
    """
    if rounding == "none":
        raise DataError("networks of video are measured rounded: protocol y or y-luma")
    before: Pair | None = None
    reading = 0.0

    def begins(pair: Pair) -> bool:
        nonlocal before
        last, before = before, pair
        return last is None or not pair.follows(last)

    def read() -> Iterator[Pair]:
        nonlocal reading
        iterator = iter(pairs)
        while True:
            begun = time.perf_counter()
            pair = next(iterator, None)
            reading += time.perf_counter() - begun
            if pair is None:
                return
            yield pair

    begun = time.perf_counter()
    for pair, sr in upscaled(read(), _pixels, upscaler, begins):
        yield pair, sr, time.perf_counter() - begun - reading
        begun, reading = time.perf_counter(), 0.0


def _pixels(pair: Pair) -> Any:
    return pair.lr.pixels


def _fitting(name: str, upscaler: Upscaler, pair: Pair) -> Pair:
    scale, lr, hr = upscaler.info.scale, pair.lr, pair.hr
    if (lr.height * scale, lr.width * scale) != (hr.height, hr.width):
        raise DataError(
            f"{pair.image}: LR is {lr.width}x{lr.height} and HR {hr.width}x{hr.height}, but model "
            f"'{name}' is for scale {scale}."
        )
    return pair


def _before_rounding(upscaler: Upscaler, source: Picture) -> NDArray[np.float32]:
    """Return SR `(1, 3, s*h, s*w)` in [0, 1]; a grey picture stays grey."""
    most = np.float32(np.iinfo(source.pixels.dtype).max)
    sr = upscaler.tensor(source.pixels.transpose(2, 0, 1)[np.newaxis].astype(np.float32) / most)
    if not source.grey:
        return sr
    weights = np.array(GREY, np.float32).reshape(1, 3, 1, 1)
    return np.repeat((sr * weights).sum(axis=1, keepdims=True), 3, axis=1)
