"""SRCNN as its papers count it."""

from typing import ClassVar

import pytest
import torch
from generator_specification import GeneratorSpecification, Options, picture

from superres.colour import LUMA
from superres.errors import ModelError
from superres.models import build, parameter_count


class TestSRCNN(GeneratorSpecification):
    name = "srcnn"
    variants: ClassVar[list[Options]] = [
        {"scale": 2, "channels": [8, 4]},
        {"scale": 3, "channels": [8, 4], "kernels": [9, 5, 5]},
        {"scale": 2, "channels": [8, 4], "kernels": [9, 5, 5], "colour": "luma"},
        {"scale": 4, "channels": [8, 4], "colour": "luma"},
        {"scale": 4},
    ]


@pytest.mark.parametrize("scale", [2, 4])
@pytest.mark.parametrize(("kernels", "weights"), [((9, 1, 5), 8_032), ((9, 5, 5), 57_184)])
def test_weights_of_the_papers(kernels: tuple[int, int, int], weights: int, scale: int) -> None:
    network = build("srcnn", scale=scale, kernels=kernels, colour="luma")
    biases = 64 + 32 + 1
    assert parameter_count(network) - biases == weights


def test_luma_form_leaves_chroma_to_bicubic() -> None:
    lr = picture(6, 6)
    change = build("srcnn", colour="luma")(lr) - build("bicubic")(lr)
    assert change.abs().max() > 0.01  # an untrained network does something,
    grey = change.mean(dim=1, keepdim=True).expand_as(change)
    torch.testing.assert_close(change, grey, rtol=0, atol=1e-6)  # the same to R, G and B


def test_luma_form_makes_the_luma_that_its_convolutions_say() -> None:
    lr = picture(6, 6)
    network = build("srcnn", colour="luma")
    weights = torch.tensor(LUMA).view(1, 3, 1, 1) / 255
    bicubic = (build("bicubic")(lr) * weights).sum(dim=1, keepdim=True)
    found = (network(lr) * weights).sum(dim=1, keepdim=True)
    torch.testing.assert_close(found, network.body(bicubic), rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"colour": "ycbcr"}, "'rgb', 'luma'"),
        ({"kernels": [9, 1]}, "kernels"),
        ({"channels": [64, 32, 16]}, "channels"),
        ({"channels": [-1, 32]}, "channels"),
    ],
)
def test_senseless_options_are_refused(options: Options, named: str) -> None:
    with pytest.raises(ModelError, match=named):
        build("srcnn", **options)
