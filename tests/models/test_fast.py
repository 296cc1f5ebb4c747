"""The real-time network: branches in training, plain convolutions when it is used."""

from typing import ClassVar

import pytest
import torch
from generator_specification import GeneratorSpecification, Options, picture, redrawn
from torch import nn

from superres.errors import ModelError
from superres.models import build, parameter_count
from superres.models.branched import BranchedConv
from superres.models.fast import Fast


class TestFast(GeneratorSpecification):
    name = "fast"
    variants: ClassVar[list[Options]] = [
        {"scale": 2, "channels": 8, "layers": 1, "expansion": 2},
        {"scale": 3, "channels": 8, "layers": 2, "expansion": 2, "colour": "rgb"},
        {"scale": 4, "channels": 8, "layers": 3, "deployed": True},
    ]

    def test_untrained_it_is_bicubic(self, options: Options) -> None:
        begun = build("fast", **{**options, "deployed": False})  # training begins in no other form
        lr = picture(7, 6)
        assert torch.equal(begun(lr), build("bicubic", scale=options["scale"])(lr))


@pytest.fixture
def trained() -> Fast:
    torch.manual_seed(4)
    network = Fast(scale=2, channels=8, layers=3, expansion=3)
    redrawn(network)
    return network.eval()


def test_the_plain_form_makes_the_same_pixels(trained: Fast) -> None:
    plain, lr = trained.deployed(), picture(9, 11)
    assert not any(isinstance(module, BranchedConv) for module in plain.modules())
    assert plain.info.options["deployed"]
    assert plain.info.halo == trained.info.halo
    torch.testing.assert_close(plain(lr), trained(lr), rtol=0, atol=1e-6)


def test_the_plain_form_has_the_parameters_of_its_convolutions(trained: Fast) -> None:
    first, middle, last = (3 * 9 + 1) * 8, (8 * 9 + 1) * 8, (8 * 9 + 1) * 4
    assert parameter_count(trained.deployed()) == first + 2 * middle + last + 3 * 8
    assert parameter_count(trained) > parameter_count(trained.deployed())


def test_the_branches_add_up_to_their_kernel() -> None:
    torch.manual_seed(5)
    layer = redrawn_layer(BranchedConv(6, 6, expansion=2, zero=False))
    features = torch.rand(1, 6, 7, 8)
    wide = nn.functional.conv2d(features, layer.expand[:, :, None, None])
    wide = nn.functional.conv2d(wide, layer.squeeze, padding=1)
    direct = nn.functional.conv2d(features, layer.direct, layer.bias, padding=1)
    point = nn.functional.conv2d(features, layer.point[:, :, None, None])
    torch.testing.assert_close(layer(features), wide + direct + point + features)


def redrawn_layer(layer: BranchedConv) -> BranchedConv:
    for parameter in layer.parameters():
        nn.init.normal_(parameter, std=0.3)
    return layer


def test_the_luma_form_leaves_the_chroma_bicubic(trained: Fast) -> None:
    lr = picture(8, 8)
    detail = trained(lr) - build("bicubic", scale=2)(lr)
    assert detail.abs().max() > 0.01
    torch.testing.assert_close(detail[:, 0], detail[:, 1], rtol=0, atol=1e-6)
    torch.testing.assert_close(detail[:, 0], detail[:, 2], rtol=0, atol=1e-6)


def test_an_unknown_colour_is_refused() -> None:
    with pytest.raises(ModelError, match="colour 'cmyk': accepted: 'luma', 'rgb'"):
        build("fast", colour="cmyk")
