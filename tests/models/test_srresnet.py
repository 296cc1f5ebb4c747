"""SRResNet as SRGAN's paper has it, and the variants of the reports."""

from typing import ClassVar

import pytest
import torch
from generator_specification import GeneratorSpecification, Options, picture

from superres.errors import ModelError
from superres.models import build, parameter_count
from superres.models.blocks import UPSAMPLERS, icnr, upsampling

SLIM: Options = {"blocks": 2, "channels": 4}
PLAIN: Options = {"norm": False, "skip": "bicubic"}


class TestSRResNet(GeneratorSpecification):
    name = "srresnet"
    slack = 2  # for some upsamplers; the halo is written in models that exist
    variants: ClassVar[list[Options]] = [
        {"scale": 2, **SLIM},
        {"scale": 4, **SLIM, "upsampler": "resize_conv"},
        {"scale": 4, **SLIM, **PLAIN, "init": "icnr"},
        {"scale": 8, "blocks": 0, "channels": 4, "upsampler": "resize_conv", **PLAIN},
        {"scale": 8, "blocks": 5, "channels": 4},
        {"scale": 2, "blocks": 16, "channels": 2},
        {"scale": 4, **SLIM, "output": "tanh"},
    ]


def test_parameters_of_the_paper() -> None:
    assert parameter_count(build("srresnet", scale=4, blocks=16, channels=64)) == 1_549_462


def test_with_tanh_no_value_leaves_the_unit_range() -> None:
    """Report R5: (tanh + 1) / 2, so a network that gives nothing gives mid-grey."""
    network = build("srresnet", **SLIM, output="tanh")
    with torch.no_grad():
        network.tail.weight.mul_(1000)
    sr = network(picture(5, 6))
    assert sr.min() >= 0
    assert sr.max() <= 1
    torch.nn.init.zeros_(network.tail.weight)
    torch.nn.init.zeros_(network.tail.bias)
    assert torch.equal(network(picture(5, 6)), torch.full((2, 3, 20, 24), 0.5))


def test_options_of_models_saved_before_are_as_they_were() -> None:
    plain = build("srresnet", **SLIM).info.options
    assert list(plain) == [*("scale", "blocks", "channels", "upsampler", "norm", "skip", "init")]


@pytest.mark.parametrize("upsampler", UPSAMPLERS)
def test_with_the_skip_it_starts_as_bicubic(upsampler: str) -> None:
    lr = picture(5, 6)
    network = build("srresnet", **SLIM, **PLAIN, upsampler=upsampler)
    assert torch.equal(network(lr), build("bicubic")(lr))


@pytest.mark.parametrize("scale", [3, 6])
@pytest.mark.parametrize("upsampler", UPSAMPLERS)
def test_scales_that_are_no_doublings_are_refused(scale: int, upsampler: str) -> None:
    with pytest.raises(ModelError, match=f"scale {scale}.*2, 4, 8"):
        build("srresnet", scale=scale, upsampler=upsampler)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"upsampler": "deconv"}, "pixel_shuffle.*resize_conv"),
        ({"skip": "bilinear"}, "'none', 'bicubic'"),
        ({"init": "zero"}, "'default', 'icnr'"),
        ({"output": "sigmoid"}, "'linear', or 'tanh'"),
        ({"output": "tanh", "skip": "bicubic", "norm": False}, "'tanh' with skip 'none'"),
        ({"channels": -3}, "channels"),
    ],
)
def test_unknown_choices_are_refused_with_the_known_ones(options: Options, named: str) -> None:
    with pytest.raises(ModelError, match=named):
        build("srresnet", **options)


def test_resize_convolution_cannot_draw_a_grid_by_itself() -> None:
    """Odena et al. (2016): every phase of an upsampled pixel has the same weights."""
    up = upsampling("resize_conv", 4, 4)
    sr = up(torch.ones(1, 4, 8, 8))
    inside = sr[..., 8:-8, 8:-8]
    torch.testing.assert_close(inside, inside[..., :1, :1].expand_as(inside))


def test_icnr_starts_without_a_grid() -> None:
    """Aitken et al. (2017): sub-pixel convolution starts as nearest resize."""
    convolution = torch.nn.Conv2d(4, 16, 3, padding=1)
    with_grid = torch.nn.functional.pixel_shuffle(convolution(torch.rand(1, 4, 6, 6)), 2)
    assert (with_grid[..., ::2, ::2] - with_grid[..., 1::2, 1::2]).abs().max() > 0.01
    icnr(convolution)
    made = torch.nn.functional.pixel_shuffle(convolution(torch.rand(1, 4, 6, 6)), 2)
    for row, column in ((0, 1), (1, 0), (1, 1)):
        assert torch.equal(made[..., row::2, column::2], made[..., ::2, ::2])
    assert made.std() > 0.01
