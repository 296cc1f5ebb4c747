"""What every generator must do; a network's test class names its variants and inherits this."""

import copy
import json
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from superres.checkpoint import load_model, save_model
from superres.errors import ModelError
from superres.inference.tiled import Core, TiledNetwork
from superres.models import Generator, ModelInfo, build, parameter_count

Options = dict[str, Any]

# A form of every network that computes in milliseconds.
SMALL: dict[str, Options] = {
    "nearest": {"scale": 2},
    "bilinear": {"scale": 2},
    "bicubic": {"scale": 2},
    "spline": {"scale": 2},
    "lanczos": {"scale": 2},
    "compact": {"scale": 2, "channels": 4, "layers": 1},
    "edsr": {"scale": 2, "blocks": 1, "channels": 4},
    "espcn": {"scale": 2, "channels": [4, 4]},
    "fast": {"scale": 2, "channels": 4, "layers": 2, "expansion": 2},
    "fourier": {"scale": 2, "channels": 4, "layers": 1, "block": 4},
    "fsrcnn": {"scale": 2, "channels": 6, "shrunk": 4, "layers": 1},
    "refinement_unet": {"scale": 2, "channels": 2, "depth": 2},
    "rrdb": {"scale": 2, "blocks": 1, "channels": 4, "growth": 2},
    "span": {"scale": 2, "channels": 4, "blocks": 1},
    "srcnn": {"scale": 2, "channels": [4, 2], "kernels": [5, 1, 3]},
    "srresnet": {"scale": 2, "blocks": 1, "channels": 4},
    "srunet": {"scale": 2, "channels": 2, "depth": 2},
}


def picture(height: int, width: int, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    """Return two noisy pictures (2, 3, height, width) in [0, 1]."""
    random = torch.Generator().manual_seed(height * 1000 + width)
    return torch.rand(2, 3, height, width, generator=random, dtype=dtype)


def redrawn(generator: Generator) -> Generator:
    """Draw weights that are all zero anew: they stop gradients and hide what lies before them."""
    random = torch.Generator().manual_seed(5)
    for parameter in generator.parameters():
        if not parameter.any():
            torch.nn.init.normal_(parameter, std=0.05, generator=random)
    return generator


class GeneratorSpecification:
    """A subclass sets `name` and `variants`, the options to test; `options` is each in turn."""

    name: ClassVar[str]
    variants: ClassVar[list[Options]]
    slack: ClassVar[int] = 0  # LR pixels that the halo may be too large

    @pytest.fixture
    def generator(self, options: Options) -> Generator:
        torch.manual_seed(3)
        return build(self.name, **options).eval()

    def test_the_output_is_scale_times_as_large(self, generator: Generator) -> None:
        scale = generator.info.scale
        for height, width in ((5, 7), (10, 3), (8, 8)):
            sr = generator(picture(height, width))
            assert sr.shape == (2, 3, scale * height, scale * width)

    def test_the_stated_minimum_is_accepted(self, generator: Generator) -> None:
        size, scale = generator.info.minimum, generator.info.scale
        sr = generator(picture(size, size))
        assert sr.shape == (2, 3, scale * size, scale * size)
        assert torch.isfinite(sr).all()

    def test_values_of_a_new_network_are_near_the_unit_range(self, generator: Generator) -> None:
        sr = generator(picture(12, 11))
        assert torch.isfinite(sr).all()
        assert sr.min() > -1
        assert sr.max() < 2

    @pytest.mark.parametrize("level", [0.0, 1.0])
    def test_black_and_white_pictures_are_pictures(
        self, generator: Generator, level: float
    ) -> None:
        sr = generator(torch.full((1, 3, 9, 8), level))
        assert torch.isfinite(sr).all()
        assert sr.min() > -1
        assert sr.max() < 2

    def test_half_precision_makes_nearly_the_same(self, generator: Generator) -> None:
        lr = picture(8, 8)
        with torch.inference_mode():
            exact = redrawn(generator)(lr)
            rounded = generator.bfloat16()(lr.bfloat16())
        assert rounded.dtype == torch.bfloat16
        error = (rounded.float() - exact).square().mean().sqrt()
        assert error < 0.05 * (0.2 + exact.std()), "more than eight bits of rounding can explain"

    def test_the_deployed_form_computes_the_same(self, generator: Generator) -> None:
        lr = picture(9, 7)
        deployed = redrawn(generator).deployed()
        assert deployed.info.halo == generator.info.halo
        assert parameter_count(deployed) <= parameter_count(generator)
        assert build(deployed.info.name, **deployed.info.options).info == deployed.info
        with torch.inference_mode():
            torch.testing.assert_close(deployed(lr), generator(lr), rtol=0, atol=1e-5)

    def test_pictures_of_a_batch_do_not_touch_each_other(self, generator: Generator) -> None:
        lr = picture(6, 9)
        alone = redrawn(generator)(lr[1:])
        torch.testing.assert_close(generator(lr)[1:], alone, rtol=0, atol=4e-6)

    def test_the_gradient_reaches_every_parameter(self, generator: Generator) -> None:
        # In eval mode: batch norm in training takes a bias before it away, and its gradient.
        lr = picture(9, 9).requires_grad_(True)
        redrawn(generator)(lr).square().sum().backward()
        assert lr.grad is not None
        assert lr.grad.any()
        without = [
            name
            for name, parameter in generator.named_parameters()
            if parameter.grad is None or not parameter.grad.any()
        ]
        assert without == []

    def test_a_saved_model_makes_the_same_pixels(
        self, generator: Generator, tmp_path: Path
    ) -> None:
        redrawn(generator)
        folder = save_model(tmp_path / "model", generator, {"version": "seven"})
        loaded = load_model(folder)
        assert loaded.info == generator.info
        assert loaded.version == "seven"
        with torch.inference_mode():
            assert torch.equal(loaded.generator(picture(9, 5)), generator(picture(9, 5)))

    def test_its_facts_build_it_again(self, generator: Generator) -> None:
        info = ModelInfo.from_dict(json.loads(json.dumps(generator.info.as_dict())))
        again = build(info.name, **info.options)
        assert again.info == generator.info
        shapes = {name: value.shape for name, value in generator.state_dict().items()}
        assert {name: value.shape for name, value in again.state_dict().items()} == shapes

    def test_no_pixel_matters_beyond_the_halo(self, generator: Generator) -> None:
        reach, halo = _reach(redrawn(generator)), generator.info.halo
        assert reach <= halo, "tiles would differ from the whole picture"
        assert halo <= reach + self.slack, "tiles would compute much that is thrown away"

    def test_tiles_join_to_the_whole(self, generator: Generator) -> None:
        info = redrawn(generator).info
        width = 2 * info.halo + 2 * info.multiple_of + 5
        lr = np.random.default_rng(4).random((1, 11, width, 3), dtype=np.float32)
        whole = _upscaled(generator, lr, tile=0)
        tiled = _upscaled(generator, lr, tile=max(6, info.halo))
        np.testing.assert_allclose(tiled, whole, rtol=0, atol=1e-11)

    def test_an_unknown_option_is_refused_with_the_accepted_ones(self, options: Options) -> None:
        with pytest.raises(ModelError, match="unknown option blokcs") as caught:
            build(self.name, **options, blokcs=3)
        assert all(name in str(caught.value) for name in options)

    def test_a_senseless_scale_is_refused(self, options: Options) -> None:
        for scale in (0, -2, "four", 2.5):
            with pytest.raises(ModelError, match=f"'{self.name}': scale {scale!r}; accepted"):
                build(self.name, **{**options, "scale": scale})


class _Exact:
    """The backend of a network in float64, where tiles can only differ for a reason."""

    name = "exact"

    def __init__(self, generator: Generator) -> None:
        self._network = copy.deepcopy(generator).double()

    def __call__(self, lr: NDArray[np.float32]) -> NDArray[Any]:
        with torch.inference_mode():
            sr: NDArray[Any] = self._network(torch.from_numpy(lr).double()).numpy()
        return sr

    def best_tile(self, halo: int) -> int:
        return 0


def _upscaled(generator: Generator, planes: NDArray[np.float32], tile: int) -> NDArray[np.float64]:
    """Run `planes (1, h, w, 3)` through the tiles of inference -> (1, 3, s*h, s*w)."""
    scale = generator.info.scale
    height, width = planes.shape[1:3]
    sr = np.full((1, 3, scale * height, scale * width), np.nan)

    def keep(core: Core) -> None:
        sr[:, :, core.rows, core.columns] = core.sr

    TiledNetwork(_Exact(generator), generator.info, tile).run(planes, keep)
    return sr


def _reach(generator: Generator) -> int:
    """Measure the gradient's support in LR pixels: NaN marks all that depends on a pixel.

    In float64, where a convolution is a plain sum; faster ones for float32 mix neighbours. With
    a grid of `multiple_of` it depends on where in it the pixel lies.
    """
    network, info = copy.deepcopy(generator).double(), generator.info
    start = -(-(info.halo + 3) // info.multiple_of) * info.multiple_of
    size = 2 * start + info.multiple_of
    reach = 0
    for place in range(start, start + info.multiple_of):
        lr = picture(size, size, torch.float64)[:1]
        lr[..., place, place] = torch.nan
        with torch.inference_mode():
            touched = network(lr)[0, 0].isnan().nonzero() // info.scale
        assert len(touched), "the pixel is seen nowhere"
        reach = max(reach, int((touched - place).abs().max()))
    return reach
