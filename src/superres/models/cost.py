"""What a network costs: parameters, multiply-adds and activations, without computing anything."""

import copy
from dataclasses import dataclass
from math import prod
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from superres.models.info import Generator, parameter_count

MOMENTS = 8  # frames of the clip that a video network is counted with
HD = (720, 1280)  # height and width of the output that published tables count for


@dataclass(frozen=True)
class Cost:
    """`multiply_adds` and `activations` (values that convolutions make) for one picture.

    Published "FLOPs" of super-resolution are multiply-adds.
    """

    parameters: int
    multiply_adds: int
    activations: int


class _Convolutions:
    """Counts a convolution whichever module or function asks for it; twice, as torch does."""

    def __init__(self) -> None:
        self.activations = 0

    def __call__(
        self, image: list[int], weight: list[int], *more: Any, out_shape: Any, **_: Any
    ) -> int:
        transposed = more[4]  # after bias, stride, padding and dilation
        self.activations += prod(out_shape)
        # A kernel is applied at each output place, a transposed one at each input place.
        return 2 * prod(image if transposed else out_shape) * prod(weight[1:])


def cost(generator: Generator, height: int, width: int) -> Cost:
    """Count the deployed form for one LR picture, or frame, of `height` x `width` pixels.

    All that runs is counted, also the fixed convolution of a bicubic skip (25 * 3 * scale^2
    multiply-adds an LR pixel, which papers leave out) and true work: a transposed convolution
    multiplies at input places, where papers on FSRCNN count its kernel at every output place.
    A video network's is the mean of a clip; optical flow, which OpenCV computes, is not in it.
    """
    frames = MOMENTS if generator.info.kind == "video" else None
    convolutions = _Convolutions()
    known = {torch.ops.aten.convolution: convolutions}
    with torch.no_grad(), torch.device("meta"):  # sizes without the numbers
        network = copy.deepcopy(generator).to("meta").deployed().eval()
        with FlopCounterMode(display=False, custom_mapping=known) as counter:
            network(torch.empty(1, *([] if frames is None else [frames]), 3, height, width))
    shared = frames or 1
    multiply_adds = counter.get_total_flops() // 2 // shared
    return Cost(parameter_count(network), multiply_adds, convolutions.activations // shared)


def cost_at_hd(generator: Generator) -> Cost:
    """Count for an output of 1280 x 720, rounded up to whole LR pixels that the network takes."""
    step = generator.info.scale * generator.info.multiple_of
    height, width = (-(-side // step) * generator.info.multiple_of for side in HD)
    return cost(generator, height, width)
