"""R3's generator on Fourier transforms, block by block."""

from typing import ClassVar

import numpy as np
import pytest
import torch
from generator_specification import GeneratorSpecification, Options, picture

from superres.errors import ModelError
from superres.models import build
from superres.models.block_transform import BlockTransform
from superres.models.fourier import SPECTRA


class TestFourier(GeneratorSpecification):
    name = "fourier"
    variants: ClassVar[list[Options]] = [
        {"scale": 2, "channels": 6, "layers": 2},
        {"scale": 4, "channels": 6, "layers": 1, "spectrum": "polar"},
        {"scale": 3, "channels": 6, "layers": 1, "spectrum": "real", "block": 4},
        {"scale": 2, "channels": 6, "layers": 1, "block": 16},
    ]

    def test_untrained_it_is_bicubic(self, options: Options) -> None:
        lr = picture(7, 6)
        bicubic = build("bicubic", scale=options["scale"])(lr)
        torch.testing.assert_close(build("fourier", **options)(lr), bicubic, rtol=0, atol=1e-5)


@pytest.mark.parametrize("size", [4, 8, 16])
def test_a_block_has_the_coefficients_that_numpy_finds(size: int) -> None:
    plane = torch.rand(1, 1, 4 * size, 4 * size, generator=torch.Generator().manual_seed(1))
    real, imaginary = BlockTransform(size)(plane)
    row, column = 3, 4  # the block that starts at (row - 1, column - 1) hops
    top, left = (row - 1) * size // 2, (column - 1) * size // 2
    window = np.sin(np.pi * (np.arange(size) + 0.5) / size)
    block = plane[0, 0, top : top + size, left : left + size].numpy() * np.outer(window, window)
    expected = np.fft.rfft2(block).ravel() / size
    np.testing.assert_allclose(real[0, :, row, column], expected.real, atol=1e-5)
    np.testing.assert_allclose(imaginary[0, :, row, column], expected.imag, atol=1e-5)


@pytest.mark.parametrize("size", [4, 8, 16])
@pytest.mark.parametrize("shape", [(1, 1), (7, 13), (32, 16)])
def test_the_way_back_is_exact(size: int, shape: tuple[int, int]) -> None:
    plane, transform = torch.rand(2, 1, *shape), BlockTransform(size)
    back = transform.back(*transform(plane), plane.shape[2:])
    torch.testing.assert_close(back, plane, rtol=0, atol=1e-5)


def test_the_real_form_leaves_imaginary_parts_alone() -> None:
    network = build("fourier", spectrum="real", channels=4, layers=1, block=4)
    torch.nn.init.normal_(network.body[-1].weight)
    given = torch.rand(1, 3 * 12, 3, 3), torch.rand(1, 3 * 12, 3, 3)
    real, imaginary = network._change(*given)
    assert real.abs().max() > 0.01
    assert not imaginary.any()


def test_the_polar_form_turns_and_scales() -> None:
    """A constant turn by 90 degrees makes a real part of an imaginary one."""
    network = build("fourier", spectrum="polar", channels=4, layers=1, block=4)
    with torch.no_grad():
        network.body[-1].bias[: 3 * 12] = 0
        network.body[-1].bias[3 * 12 :] = np.pi / 2
    real, imaginary = torch.rand(1, 3 * 12, 3, 3), torch.rand(1, 3 * 12, 3, 3)
    change = network._change(real, imaginary)
    torch.testing.assert_close(real + change[0], -imaginary, rtol=0, atol=1e-5)
    torch.testing.assert_close(imaginary + change[1], real, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("options", "named"),
    [({"spectrum": "phase"}, str(sorted(SPECTRA))[1:-1]), ({"block": 5}, "even numbers from 4")],
)
def test_senseless_options_are_refused(options: Options, named: str) -> None:
    with pytest.raises(ModelError, match=named):
        build("fourier", **options)
