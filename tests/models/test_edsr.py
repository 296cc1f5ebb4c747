"""EDSR as its paper counts it."""

from typing import ClassVar

import pytest
from generator_specification import GeneratorSpecification, Options

from superres.errors import ModelError
from superres.models import build, parameter_count


class TestEDSR(GeneratorSpecification):
    name = "edsr"
    variants: ClassVar[list[Options]] = [
        {"scale": 2, "blocks": 2, "channels": 4},
        {"scale": 3, "blocks": 1, "channels": 4, "residual": 0.1},
        {"scale": 4, "blocks": 1, "channels": 4},
        {"scale": 8, "blocks": 0, "channels": 4},
    ]


@pytest.mark.parametrize(("scale", "count"), [(2, 1_369_859), (3, 1_554_499), (4, 1_517_571)])
def test_parameters_of_the_baseline(scale: int, count: int) -> None:
    assert parameter_count(build("edsr", scale=scale)) == count


def test_another_scale_is_refused() -> None:
    with pytest.raises(ModelError, match=r"scale 5.*\(2, 3, 4, 8\)"):
        build("edsr", scale=5)
