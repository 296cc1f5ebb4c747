"""SPAN: wide in training, plain 3x3 convolutions deployed, bicubic at first."""

from typing import ClassVar

import pytest
import torch
from generator_specification import GeneratorSpecification, Options, picture
from torch import nn

from superres.errors import ModelError
from superres.models import build, parameter_count


class TestSPAN(GeneratorSpecification):
    name = "span"
    variants: ClassVar[list[Options]] = [
        {"scale": 2, "channels": 8, "blocks": 2},
        {"scale": 4, "channels": 16, "blocks": 1, "skip": "none"},
        {"scale": 3, "channels": 6, "blocks": 1, "expansion": 0, "skip": "nearest"},
    ]


@pytest.mark.parametrize("skip", ["bicubic", "nearest"])
def test_untrained_it_is_its_skip(skip: str) -> None:
    lr = picture(7, 6)
    sr = build("span", channels=8, blocks=2, skip=skip)(lr)
    assert torch.equal(sr, build(skip)(lr))


def test_deployed_it_is_plain_convolutions() -> None:
    network = build("span", channels=8, blocks=2)
    deployed = network.deployed()
    kernels = [one.kernel_size for one in deployed.modules() if isinstance(one, nn.Conv2d)]
    assert kernels.count((3, 3)) == 1 + 3 * 2 + 1 + 1
    assert kernels.count((1, 1)) == 1
    assert parameter_count(deployed) < parameter_count(network) / 2


@pytest.mark.parametrize(("channels", "thousand"), [(52, 498), (64, 748)])
def test_parameters_deployed(channels: int, thousand: int) -> None:
    """Wan et al. (2024): 498 thousand at x4."""
    network = build("span", channels=channels, expansion=0)
    assert round(parameter_count(network) / 1000) == thousand


def test_every_block_still_moves_a_new_network() -> None:
    """The attention of a block shrinks small signals; a start that dies would hide it."""
    network, sizes = build("span", channels=16), []
    for block in network.blocks:
        block.register_forward_hook(lambda module, given, made: sizes.append(made[0].std().item()))
    network(picture(16, 16))
    assert len(sizes) == 6
    assert all(0.01 < size < 100 for size in sizes), sizes


@pytest.mark.parametrize(
    ("options", "named"), [({"skip": "sinc"}, "skip"), ({"blocks": 0}, "from 1")]
)
def test_senseless_options_are_refused(options: Options, named: str) -> None:
    with pytest.raises(ModelError, match=named):
        build("span", **options)
