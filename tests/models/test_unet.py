"""R1's two U-Nets."""

from typing import ClassVar

import pytest
import torch
from generator_specification import GeneratorSpecification, Options, picture

from superres.errors import ModelError
from superres.models import build, parameter_count


class TestSRUNet(GeneratorSpecification):
    name = "srunet"
    variants: ClassVar[list[Options]] = [
        {"scale": 2, "channels": 2, "depth": 1},
        {"scale": 2, "channels": 2, "depth": 3},
        {"scale": 4, "channels": 2, "depth": 2, "norm": True},
        {"scale": 8, "channels": 2, "depth": 1, "skip": "bicubic"},
    ]

    def test_tiles_start_where_its_pools_do(self, options: Options) -> None:
        assert build("srunet", **options).info.multiple_of == 2 ** options["depth"]


class TestRefinementUNet(GeneratorSpecification):
    name = "refinement_unet"
    variants: ClassVar[list[Options]] = [
        {"scale": 2, "channels": 2, "depth": 3},
        {"scale": 3, "channels": 2, "depth": 1, "norm": True},
        {"scale": 4, "channels": 2, "depth": 2},
    ]

    def test_untrained_it_is_bicubic(self, options: Options) -> None:
        lr = picture(7, 6)
        bicubic = build("bicubic", scale=options["scale"])(lr)
        assert torch.equal(build("refinement_unet", **options)(lr), bicubic)


def test_the_form_of_the_report_takes_64_to_128_with_the_widths_of_the_paper() -> None:
    """Ronneberger et al. (2015): 64 channels doubling to 1024 over four levels."""
    with torch.device("meta"):
        network = build("srunet")
    assert network(torch.rand(7, 3, 64, 64, device="meta")).shape == (7, 3, 128, 128)
    first = [block[0].out_channels for block in network.trunk.contracting]
    assert first == [64, 128, 256, 512, 1024]


def test_parameters_of_a_small_form_are_those_of_its_convolutions() -> None:
    def convolution(inside: int, outside: int, side: int = 3) -> int:
        return (inside * side**2 + 1) * outside

    down = convolution(3, 4) + convolution(4, 4) + convolution(4, 8) + convolution(8, 8)
    up = convolution(8, 4) + convolution(4 + 4, 4) + convolution(4, 4)
    further = convolution(4, 4) * 3
    last = convolution(4, 3, 1)
    network = build("srunet", channels=4, depth=1)
    assert parameter_count(network) == down + up + further + last
    assert parameter_count(build("refinement_unet", channels=4, depth=1)) == down + up + last


@pytest.mark.parametrize("scale", [3, 6, 16])
def test_scales_that_no_level_makes_are_refused(scale: int) -> None:
    with pytest.raises(ModelError, match=rf"scale {scale}.*\(2, 4, 8\)"):
        build("srunet", scale=scale)


def test_with_the_bicubic_skip_it_starts_as_bicubic() -> None:
    network = build("srunet", channels=4, depth=1, skip="bicubic").eval()
    lr = picture(8, 6)
    assert torch.equal(network(lr), build("bicubic", scale=2)(lr))
    with pytest.raises(ModelError, match="skip 'cubic': accepted: 'none', 'bicubic'"):
        build("srunet", skip="cubic")
