"""What every generator must do; a network's test class names its variants and inherits this."""

import json
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch

from superres.checkpoint import load_model, save_model
from superres.errors import ModelError
from superres.inference.tiling import plan
from superres.models import Generator, ModelInfo, build

Options = dict[str, Any]


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

    def test_pictures_of_a_batch_do_not_touch_each_other(self, generator: Generator) -> None:
        lr = picture(6, 9)
        alone = redrawn(generator)(lr[1:])
        torch.testing.assert_close(generator(lr)[1:], alone, rtol=0, atol=1e-6)

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
        assert halo <= reach + 2, "tiles would compute much that is thrown away"

    def test_tiles_join_to_the_whole(self, generator: Generator) -> None:
        generator, scale = redrawn(generator).double(), generator.info.scale
        height, width = 11, 2 * generator.info.halo + 5
        lr = picture(height, width, torch.float64)[:1]
        joined = torch.full((1, 3, scale * height, scale * width), torch.nan, dtype=lr.dtype)
        with torch.inference_mode():
            for part in plan(height, width, max(6, generator.info.halo), generator.info.halo):
                rows = slice(part.outer_top, part.outer_top + part.outer_height)
                columns = slice(part.outer_left, part.outer_left + part.outer_width)
                sr = generator(lr[..., rows, columns])
                top = scale * (part.top - part.outer_top)
                left = scale * (part.left - part.outer_left)
                core = sr[..., top : top + scale * part.height, left : left + scale * part.width]
                bottom, right = part.top + part.height, part.left + part.width
                placed = joined[..., scale * part.top : scale * bottom, :]
                placed[..., scale * part.left : scale * right] = core
            torch.testing.assert_close(joined, generator(lr), rtol=0, atol=1e-12)

    def test_an_unknown_option_is_refused_with_the_accepted_ones(self, options: Options) -> None:
        with pytest.raises(ModelError, match="unknown option blokcs") as caught:
            build(self.name, **options, blokcs=3)
        assert all(name in str(caught.value) for name in options)

    def test_a_senseless_scale_is_refused(self, options: Options) -> None:
        for scale in (0, -2, "four", 2.5):
            with pytest.raises(ModelError, match=f"'{self.name}': scale {scale!r}; accepted"):
                build(self.name, **{**options, "scale": scale})


def _reach(generator: Generator) -> int:
    """Measure how many LR pixels away a pixel is seen: NaN marks all that depends on it.

    In float64, where a convolution is a plain sum; faster ones for float32 mix neighbours.
    """
    middle, scale = generator.info.halo + 3, generator.info.scale
    lr = picture(2 * middle + 1, 2 * middle + 1, torch.float64)[:1]
    lr[..., middle, middle] = torch.nan
    with torch.inference_mode():
        touched = generator.double()(lr)[0, 0].isnan().nonzero() // scale
    generator.float()
    assert len(touched), "the pixel is seen nowhere"
    return int((touched - middle).abs().max())
