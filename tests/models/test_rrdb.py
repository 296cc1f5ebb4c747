"""RRDB as ESRGAN has it."""

from typing import ClassVar

import pytest
import torch
from generator_specification import GeneratorSpecification, Options

from superres.errors import ModelError
from superres.models import build, parameter_count


class TestRRDB(GeneratorSpecification):
    name = "rrdb"
    variants: ClassVar[list[Options]] = [
        {"scale": 2, "blocks": 1, "channels": 4, "growth": 2},
        {"scale": 4, "blocks": 2, "channels": 4, "growth": 2},
        {"scale": 8, "blocks": 0, "channels": 4, "growth": 2},
    ]


def test_parameters_of_the_paper() -> None:
    with torch.device("meta"):
        assert parameter_count(build("rrdb")) == 16_697_987


def test_another_scale_is_refused() -> None:
    with pytest.raises(ModelError, match=r"scale 3.*\(2, 4, 8\)"):
        build("rrdb", scale=3)
