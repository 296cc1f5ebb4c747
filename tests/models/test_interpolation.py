"""The baselines: what MATLAB and torch make of the same pixels."""

from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from generator_specification import GeneratorSpecification, Options, picture
from numpy.typing import NDArray
from scipy import ndimage
from torch.nn import functional as F

from superres.data.degrade import imresize
from superres.errors import ModelError
from superres.models import BASELINES, build, parameter_count
from superres.models.interpolation import Interpolation

SCALES = [2, 3, 4]


class TestNearest(GeneratorSpecification):
    name = "nearest"
    variants: ClassVar[list[Options]] = [{"scale": scale} for scale in SCALES]

    def test_pixels_are_repeated(self, options: Options) -> None:
        scale, lr = options["scale"], picture(4, 5)
        expected = lr.repeat_interleave(scale, dim=2).repeat_interleave(scale, dim=3)
        assert torch.equal(build("nearest", **options)(lr), expected)


class TestBilinear(GeneratorSpecification):
    name = "bilinear"
    variants: ClassVar[list[Options]] = [{"scale": scale} for scale in SCALES]

    def test_it_is_the_one_of_torch_up_to_the_edge(self, options: Options) -> None:
        lr = picture(6, 9)
        expected = F.interpolate(lr, scale_factor=options["scale"], mode="bilinear")
        torch.testing.assert_close(build("bilinear", **options)(lr), expected, rtol=0, atol=1e-6)


class TestBicubic(GeneratorSpecification):
    name = "bicubic"
    variants: ClassVar[list[Options]] = [{"scale": scale} for scale in SCALES]

    def test_it_is_the_one_of_torch_inside(self, options: Options) -> None:
        lr, scale = picture(12, 15), options["scale"]
        # Only its antialiased form has the kernel of MATLAB, a = -0.5; its edge is another.
        expected = F.interpolate(lr, scale_factor=scale, mode="bicubic", antialias=True)
        inside = slice(2 * scale, -2 * scale)
        sr = build("bicubic", **options)(lr)
        torch.testing.assert_close(
            sr[..., inside, inside], expected[..., inside, inside], rtol=0, atol=1e-6
        )

    def test_it_is_the_one_of_matlab_to_a_grey_level(
        self, options: Options, photo: NDArray[np.uint8]
    ) -> None:
        assert _grey_levels_from_matlab("bicubic", options["scale"], photo) <= 1


class TestLanczos(GeneratorSpecification):
    name = "lanczos"
    variants: ClassVar[list[Options]] = [{"scale": scale} for scale in SCALES]

    def test_it_is_the_one_of_matlab_to_a_grey_level(
        self, options: Options, photo: NDArray[np.uint8]
    ) -> None:
        # Without overshoot beyond black and white: MATLAB clips between its two passes.
        assert _grey_levels_from_matlab("lanczos", options["scale"], photo // 2 + 64) <= 1


class TestSpline(GeneratorSpecification):
    name = "spline"
    variants: ClassVar[list[Options]] = [{"scale": scale} for scale in SCALES]

    def test_it_is_the_one_of_scipy_to_a_hundredth_of_a_grey_level(
        self, options: Options, photo: NDArray[np.uint8]
    ) -> None:
        plane = photo[..., 0].astype(np.float64)
        expected = ndimage.zoom(plane, options["scale"], order=3, mode="nearest", grid_mode=True)
        lr = torch.from_numpy(photo).permute(2, 0, 1)[None].double() / 255
        sr = build("spline", **options).double()(lr)[0, 0].numpy() * 255
        np.testing.assert_allclose(sr, expected, rtol=0, atol=0.01)

    def test_it_goes_through_the_pixels_of_an_odd_scale(self, options: Options) -> None:
        if options["scale"] % 2:
            lr = picture(6, 7)
            sr = build("spline", **options)(lr)
            middle = options["scale"] // 2
            step = options["scale"]
            found = sr[..., middle::step, middle::step]
            torch.testing.assert_close(found, lr, rtol=0, atol=1e-4)


def _grey_levels_from_matlab(name: str, scale: int, photo: NDArray[np.uint8]) -> float:
    """Return the largest difference on the whole picture, edges too; MATLAB rounds twice."""
    kernel = {"lanczos": "lanczos3"}.get(name, name)
    expected: Any = imresize(photo, scale, kernel=kernel)
    lr = torch.from_numpy(photo).permute(2, 0, 1)[None].float() / 255
    sr = build(name, scale=scale)(lr)[0].permute(1, 2, 0).clamp(0, 1) * 255
    return float(np.abs(sr.round().numpy() - expected).max())


@pytest.mark.parametrize("name", BASELINES)
def test_a_plain_colour_stays_as_it_is(name: str) -> None:
    colour = torch.tensor([0.2, 0.5, 0.9]).view(1, 3, 1, 1)
    sr = build(name, scale=3)(colour.expand(1, 3, 5, 5).contiguous())
    torch.testing.assert_close(sr, colour.expand(1, 3, 15, 15), rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", BASELINES)
def test_baselines_have_nothing_to_learn(name: str) -> None:
    assert parameter_count(build(name)) == 0


def test_an_unknown_kernel_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ModelError, match=r"'sinc'.*bicubic.*lanczos"):
        Interpolation(kernel="sinc")


def test_an_unknown_model_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ModelError, match=r"'vdsr' is not known.*bicubic.*srcnn.*srresnet"):
        build("vdsr")
