"""From uint8 to uint8 in one go for networks of our fast kind: plain steps plus a bicubic skip."""

import copy
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from superres.inference.facts import Facts, Floats
from superres.inference.levels import Crop
from superres.inference.skip import BicubicSkip

if TYPE_CHECKING:
    from torch import nn

    from superres.inference.compiling import Run

KINDS = ("fast", "compact")  # networks that are a plain body plus a bicubic image

# (h, w, 3) uint8 -> (C, h, w) float32: C sub-pixels for each pixel, in levels. Its memory may be
# used again after the context.
Residual = Callable[[NDArray[Any]], AbstractContextManager[Floats]]


class FastLevels:
    """What computes the residual, and the bicubic image that it is added to."""

    def __init__(self, residual: Residual, info: Facts) -> None:
        self._residual = residual
        self._skip = BicubicSkip(info.scale, info.name)

    def __call__(self, lr: NDArray[Any], crop: Crop) -> NDArray[Any]:
        """`lr (h, w, 3)` uint8 -> the crop of the result, uint8; ModelError if not finite."""
        with self._residual(lr) as residual:
            return self._skip.levels(lr, residual, crop)


def fused_torch(
    network: "nn.Module", info: Facts, made: "Callable[[nn.Module], Run]"
) -> FastLevels | None:
    """Return the fused form of a network on the CPU, None where it is of another kind.

    `made`: makes of its steps what computes them.
    """
    import torch
    from torch import nn

    body, skip = getattr(network, "body", None), getattr(network, "skip", None)
    if info.name not in KINDS or info.scale < 2:
        return None
    if not isinstance(body, nn.Sequential) or not isinstance(body[-1], nn.PixelShuffle):
        return None
    if getattr(getattr(skip, "info", None), "name", None) != "bicubic":
        return None
    steps = copy.deepcopy(body[:-1])
    first, last = steps[0], steps[-1]
    if not isinstance(first, nn.Conv2d) or not isinstance(last, nn.Conv2d) or last.bias is None:
        return None
    with torch.no_grad():  # so that levels go in and levels come out
        first.weight.div_(255)
        last.weight.mul_(255)
        last.bias.mul_(255)

    run = made(steps)

    def residual(lr: NDArray[Any]) -> AbstractContextManager[Floats]:
        with torch.inference_mode():
            # A copy as floats: decoded arrays are read-only, which torch does not know.
            image = torch.from_numpy(lr.astype(np.float32)).permute(2, 0, 1)[None]
            return nullcontext(run(image)[0].contiguous().numpy())

    return FastLevels(residual, info)
