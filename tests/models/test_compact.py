"""Our own small network: bicubic at first."""

from typing import ClassVar

import torch
from generator_specification import GeneratorSpecification, Options, picture

from superres.models import build, parameter_count


class TestCompact(GeneratorSpecification):
    name = "compact"
    variants: ClassVar[list[Options]] = [
        {"scale": 2, "channels": 8, "layers": 1},
        {"scale": 3, "channels": 8, "layers": 2},
        {"scale": 4, "channels": 32, "layers": 5},
    ]

    def test_untrained_it_is_bicubic(self, options: Options) -> None:
        lr = picture(7, 6)
        bicubic = build("bicubic", scale=options["scale"])(lr)
        assert torch.equal(build("compact", **options)(lr), bicubic)


def test_parameters_are_those_of_its_convolutions_and_prelus() -> None:
    first, second = (3 * 9 + 1) * 8 + 8, (8 * 9 + 1) * 8 + 8
    last = (8 * 9 + 1) * 3 * 4**2
    assert parameter_count(build("compact", scale=4, channels=8, layers=2)) == first + second + last
