"""ESPCN and FSRCNN, which make luma and leave chroma to bicubic."""

from typing import ClassVar

import pytest
import torch
from generator_specification import GeneratorSpecification, Options, picture

from superres.errors import ModelError
from superres.models import build, parameter_count
from superres.models.luma import luma_of, with_luma


class TestESPCN(GeneratorSpecification):
    name = "espcn"
    variants: ClassVar[list[Options]] = [
        {"scale": 2, "channels": [8, 4]},
        {"scale": 3},
        {"scale": 4, "channels": [8, 4], "colour": "rgb"},
    ]


class TestFSRCNN(GeneratorSpecification):
    name = "fsrcnn"
    variants: ClassVar[list[Options]] = [
        {"scale": 2, "channels": 8, "shrunk": 4, "layers": 2},
        {"scale": 3, "channels": 8, "shrunk": 4, "layers": 0},
        {"scale": 4},
        {"scale": 8, "channels": 8, "shrunk": 4, "layers": 1, "colour": "rgb"},
    ]


@pytest.mark.parametrize(("scale", "count"), [(2, 21_284), (3, 22_729), (4, 24_752)])
def test_parameters_of_espcn(scale: int, count: int) -> None:
    assert parameter_count(build("espcn", scale=scale)) == count


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_weights_of_fsrcnn_as_its_paper_counts_them(scale: int) -> None:
    """Dong et al. (2016): FSRCNN(56, 12, 4) has 12,464 weights at every scale."""
    network = build("fsrcnn", scale=scale)
    weights = [one for name, one in network.named_parameters() if one.dim() == 4]
    assert sum(one.numel() for one in weights) == 12_464


@pytest.mark.parametrize("name", ["espcn", "fsrcnn"])
def test_chroma_stays_bicubic_and_luma_is_the_networks(name: str) -> None:
    lr = picture(6, 7)
    network = build(name)
    bicubic = build("bicubic")(lr)
    change = network(lr) - bicubic
    assert change.abs().max() > 0.01
    grey = change.mean(dim=1, keepdim=True).expand_as(change)
    torch.testing.assert_close(change, grey, rtol=0, atol=1e-6)


def test_a_given_luma_is_the_luma_of_the_result() -> None:
    image, luma = picture(5, 4), torch.rand(2, 1, 5, 4)
    torch.testing.assert_close(luma_of(with_luma(image, luma)), luma, rtol=0, atol=1e-6)
    torch.testing.assert_close(with_luma(image, luma_of(image)), image, rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", ["espcn", "fsrcnn"])
def test_an_unknown_colour_is_refused(name: str) -> None:
    with pytest.raises(ModelError, match="'luma', 'rgb'"):
        build(name, colour="ycbcr")
