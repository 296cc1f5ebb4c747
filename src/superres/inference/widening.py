"""A large last convolution to three channels, computed before the pixel-shuffle instead of after.

A convolution with three outputs leaves most of a processor's lanes idle, and at SR size it also
waits for memory. The same sums come from a smaller kernel on the features before they are shuffled:
each output pixel of an r x r block becomes a channel of its own, 3 * r**2 of them.
"""

import torch
from torch import nn

LEAST_KERNEL = 5  # a smaller one gains nothing
MOST_OUTPUTS = 4


def widen_tail(network: nn.Module) -> None:
    """Replace `tail(up(features))`, as SRResNet ends, where that pays; the result is the same."""
    up, tail = getattr(network, "up", None), getattr(network, "tail", None)
    if not isinstance(up, nn.Sequential) or not isinstance(tail, nn.Conv2d) or len(up) < 2:
        return
    shuffle, activation = up[-2], up[-1]
    if not isinstance(shuffle, nn.PixelShuffle) or not isinstance(activation, nn.PReLU):
        return
    kernel = tail.kernel_size[0]
    suits = kernel >= LEAST_KERNEL and tail.out_channels <= MOST_OUTPUTS
    plain = tail.padding == (kernel // 2, kernel // 2) and tail.kernel_size == (kernel, kernel)
    # One slope for all channels, else the shuffled ones would need slopes of their own.
    if suits and plain and activation.num_parameters == 1 and tail.stride == (1, 1):
        factor = shuffle.upscale_factor
        network.up = nn.Sequential(*up[:-2], activation)
        network.tail = nn.Sequential(widened(tail, factor), nn.PixelShuffle(factor))


def widened(convolution: nn.Conv2d, factor: int) -> nn.Conv2d:
    """Return the convolution that gives, before `PixelShuffle(factor)`, what this gives after it.

    `(N, C, f*h, f*w) -> (N, O, f*h, f*w)` becomes `(N, C*f**2, h, w) -> (N, O*f**2, h, w)`.
    """
    outside, inside, kernel, _ = convolution.weight.shape
    half = kernel // 2
    reach = -(-half // factor)
    side = 2 * reach + 1
    weight = torch.zeros(outside, factor, factor, inside, factor, factor, side, side)
    pairs = list(_places(kernel, factor, reach))
    for out_row, in_row, row, tap_row in pairs:
        for out_column, in_column, column, tap_column in pairs:
            source = convolution.weight[:, :, tap_row, tap_column]
            weight[:, out_row, out_column, :, in_row, in_column, row, column] = source
    planes = factor**2
    result = nn.Conv2d(inside * planes, outside * planes, side, padding=reach)
    with torch.no_grad():
        result.weight.copy_(weight.reshape(result.weight.shape))
        bias = convolution.bias
        result.bias = None
        if bias is not None:
            result.bias = nn.Parameter(bias.repeat_interleave(planes))
    return result.requires_grad_(False)


def _places(kernel: int, factor: int, reach: int) -> list[tuple[int, int, int, int]]:
    """Return, along one axis: place in the output block, in the input block, new tap, old tap."""
    found = []
    for place in range(factor):
        for tap in range(-reach, reach + 1):
            for other in range(factor):
                old = factor * tap + other - place + kernel // 2
                if 0 <= old < kernel:
                    found.append((place, other, tap + reach, old))
    return found
