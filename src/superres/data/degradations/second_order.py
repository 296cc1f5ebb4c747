"""Draw the "real-world" chain of Real-ESRGAN (Wang et al. 2021) with its published ranges.

Twice blur, resize, noise and JPEG; at the end a sinc filter, before or after the last JPEG.
"""

import math
from dataclasses import dataclass
from typing import Final

from superres.data.degradations import kernels
from superres.data.degradations.operations import (
    Drawing,
    Filter,
    Gaussian,
    Jpeg,
    Operation,
    Poisson,
    Resize,
)

SHAPES: Final = ("gaussian", "gaussian", "generalized", "generalized", "plateau", "plateau")
SHAPE_PROBABILITIES: Final = (0.45, 0.25, 0.12, 0.03, 0.12, 0.03)  # round, turned, round, ...
BETAS: Final = {"gaussian": (1.0, 1.0), "generalized": (0.5, 4.0), "plateau": (1.0, 2.0)}
RESIZES: Final = (("box", True), ("bilinear", False), ("bicubic", False))  # kernel, antialias
SINC_INSTEAD_OF_BLUR: Final = 0.1
GAUSSIAN_NOISE: Final = 0.5  # else Poisson
GREY_NOISE: Final = 0.4
JPEG_QUALITY: Final = (30.0, 95.0)
LAST_SINC: Final = 0.8


@dataclass(frozen=True)
class _Round:
    """Ranges of one of the two rounds."""

    blur: float  # probability
    sigma: tuple[float, float]  # pixels
    smaller: float  # probability; what is left of 1 keeps the size
    larger: float
    factors: tuple[float, float]  # the lowest and the highest
    noise: tuple[float, float]  # grey levels
    poisson: tuple[float, float]


FIRST: Final = _Round(1.0, (0.2, 3.0), 0.7, 0.2, (0.15, 1.5), (1.0, 30.0), (0.05, 3.0))
SECOND: Final = _Round(0.8, (0.2, 1.5), 0.4, 0.3, (0.3, 1.2), (1.0, 25.0), (0.05, 2.5))


def second_order(drawing: Drawing) -> tuple[Operation, ...]:
    """Return the operations of one draw; the result has the LR size and is JPEG-compressed."""
    height, width = drawing.height, drawing.width
    operations = _round(FIRST, drawing, (height, width))
    operations += [Jpeg(round(drawing.amount(JPEG_QUALITY)))]
    operations += _round(SECOND, drawing, drawing.lr_size)
    to_lr = _resize(drawing, drawing.lr_size)
    last = [_last_sinc(drawing)] if drawing.happens(LAST_SINC) else []
    jpeg = Jpeg(round(drawing.amount(JPEG_QUALITY)))
    if drawing.happens(0.5):
        return (*operations, to_lr, *last, jpeg)
    return (*operations, jpeg, to_lr, *last)


def _round(ranges: _Round, drawing: Drawing, size: tuple[int, int]) -> list[Operation]:
    operations: list[Operation] = []
    if drawing.happens(ranges.blur):
        operations.append(_blur(ranges, drawing))
    factor = _factor(ranges, drawing)
    operations.append(_resize(drawing, (round(size[0] * factor), round(size[1] * factor))))
    if drawing.happens(GAUSSIAN_NOISE):
        sigma = drawing.amount(ranges.noise)
        operations.append(Gaussian(sigma, drawing.happens(GREY_NOISE)))
    else:
        scale = drawing.amount(ranges.poisson)
        operations.append(Poisson(scale, drawing.happens(GREY_NOISE)))
    return operations


def _blur(ranges: _Round, drawing: Drawing) -> Filter:
    side = _side(drawing)
    if drawing.happens(SINC_INSTEAD_OF_BLUR):
        lowest = math.pi / 3 if side < 13 else math.pi / 5
        return Filter(kernels.sinc(drawing.amount((lowest, math.pi)), side))
    kind = int(drawing.random.choice(len(SHAPES), p=SHAPE_PROBABILITIES))
    is_round = kind % 2 == 0
    sigma = drawing.amount(ranges.sigma)
    other = sigma if is_round else drawing.amount(ranges.sigma)
    angle = 0.0 if is_round else drawing.amount((-math.pi, math.pi))
    low, high = BETAS[SHAPES[kind]]
    beta = drawing.amount((low, 1.0) if drawing.happens(0.5) else (1.0, high))
    return Filter(kernels.bell(side, (sigma, other), angle, shape=SHAPES[kind], beta=beta))


def _last_sinc(drawing: Drawing) -> Filter:
    side = _side(drawing)
    return Filter(kernels.sinc(drawing.amount((math.pi / 3, math.pi)), side))


def _side(drawing: Drawing) -> int:
    """7, 9 ... 21."""
    return 2 * int(drawing.random.integers(3, 11)) + 1


def _factor(ranges: _Round, drawing: Drawing) -> float:
    drawn = drawing.amount((0.0, 1.0))
    if drawn < ranges.smaller:
        return drawing.amount((ranges.factors[0], 1.0))
    if drawn < ranges.smaller + ranges.larger:
        return drawing.amount((1.0, ranges.factors[1]))
    return 1.0


def _resize(drawing: Drawing, size: tuple[int, int]) -> Resize:
    kernel, antialias = RESIZES[int(drawing.random.integers(len(RESIZES)))]
    return Resize(max(1, size[0]), max(1, size[1]), kernel, antialias=antialias)
