"""The widened tail is the same convolution."""

import pytest
import torch
from torch import nn

from superres.inference.network import prepared
from superres.inference.widening import widened
from superres.models import build


@pytest.mark.parametrize("kernel", [3, 5, 7, 9])
@pytest.mark.parametrize("factor", [2, 3, 4])
@pytest.mark.parametrize("bias", [True, False])
def test_before_the_shuffle_as_after_it(kernel: int, factor: int, bias: bool) -> None:
    torch.manual_seed(kernel)
    plain = nn.Conv2d(5, 3, kernel, padding=kernel // 2, bias=bias)
    shuffle = nn.PixelShuffle(factor)
    features = torch.randn(2, 5 * factor**2, 11, 6)
    with torch.inference_mode():
        expected = plain(shuffle(features))
        found = shuffle(widened(plain, factor)(features))
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("scale", [2, 4, 8])
@pytest.mark.parametrize("upsampler", ["pixel_shuffle", "resize_conv"])
def test_srresnet_computes_the_same(scale: int, upsampler: str) -> None:
    network = build("srresnet", scale=scale, blocks=1, channels=8, upsampler=upsampler).eval()
    made = prepared(network, torch.device("cpu"))
    assert isinstance(made.tail, nn.Sequential) == (upsampler == "pixel_shuffle")
    assert isinstance(network.tail, nn.Conv2d)
    lr = torch.rand(1, 3, 17, 12)
    with torch.inference_mode():
        torch.testing.assert_close(made(lr), network(lr), atol=1e-5, rtol=1e-4)
