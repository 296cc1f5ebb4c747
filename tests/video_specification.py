"""What every generator of video must do; a test class names its variants and inherits this."""

import json
from pathlib import Path
from typing import ClassVar

import pytest
import torch
from generator_specification import Options

from superres.checkpoint import load_model, save_model
from superres.errors import ModelError
from superres.models import Generator, ModelInfo, VideoGenerator, build, parameter_count
from superres.models.cost import cost


def clip(frames: int, height: int, width: int, count: int = 1) -> torch.Tensor:
    """Return clips (count, frames, 3, height, width) in [0, 1] of a soft pattern that moves."""
    random = torch.Generator().manual_seed(frames * 1000 + height * 10 + width)
    coarse = torch.rand(count, 3, 6, 6, generator=random)
    size = (height + frames, width + 2 * frames)
    wide = torch.nn.functional.interpolate(coarse, size=size, mode="bicubic").clamp(0, 1)
    views = [wide[..., k : k + height, 2 * k : 2 * k + width] for k in range(frames)]
    return torch.stack(views, dim=1)


def stirred(generator: Generator) -> Generator:
    """Add noise to all weights: zeros hide what lies before them."""
    random = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for parameter in generator.parameters():
            parameter.add_(0.05 * torch.randn(parameter.shape, generator=random))
    return generator


class VideoSpecification:
    """A subclass sets `name` and `variants`, the options to test; `options` is each in turn."""

    name: ClassVar[str]
    variants: ClassVar[list[Options]]
    rounding: ClassVar[float] = 1e-5  # that sums of another order may bring to a result

    @pytest.fixture
    def generator(self, options: Options) -> VideoGenerator:
        torch.manual_seed(3)
        made = build(self.name, **options).eval()
        assert isinstance(made, VideoGenerator)
        return made

    def test_the_output_is_scale_times_as_large(self, generator: VideoGenerator) -> None:
        scale = generator.info.scale
        for frames, height, width in ((1, 5, 7), (2, 20, 18), (7, 8, 8)):
            sr = generator(clip(frames, height, width, count=2))
            assert sr.shape == (2, frames, 3, scale * height, scale * width)

    def test_the_stated_minimum_is_accepted(self, generator: VideoGenerator) -> None:
        size = generator.info.minimum
        assert torch.isfinite(generator(torch.rand(1, 3, 3, size, size))).all()

    def test_values_of_a_new_network_are_near_the_unit_range(
        self, generator: VideoGenerator
    ) -> None:
        for lr in (clip(4, 12, 11), torch.zeros(1, 4, 3, 9, 8), torch.ones(1, 4, 3, 9, 8)):
            sr = generator(lr)
            assert torch.isfinite(sr).all()
            assert sr.min() > -1
            assert sr.max() < 2

    def test_its_facts_say_how_far_it_looks(self, generator: VideoGenerator) -> None:
        info = generator.info
        assert info.kind == "video"
        assert info.window == generator.behind + 1 + generator.ahead

    def test_no_frame_matters_beyond_what_it_says(self, generator: VideoGenerator) -> None:
        stirred(generator)
        lr, place = clip(11, 8, 9), 5
        changed = lr.clone()
        changed[:, place] = 1 - changed[:, place]
        moved = (generator(lr) - generator(changed)).abs().amax(dim=(0, 2, 3, 4)) > 0
        touched = [int(one) for one in moved.nonzero()[:, 0]]
        assert place in touched
        if not generator.keeps_state or not generator.ahead:
            assert min(touched) >= place - generator.ahead
        if not generator.keeps_state:
            assert max(touched) <= place + generator.behind
            assert touched == list(range(place - generator.ahead, place + generator.behind + 1))

    def test_pieces_join_to_the_whole(self, generator: VideoGenerator) -> None:
        stirred(generator)
        lr = clip(9, 10, 12)
        whole = generator(lr)
        ahead = generator.ahead if not generator.keeps_state else 9
        state, found = None, []
        for start in range(0, 9, 3):
            first = 0 if generator.keeps_state else max(0, start - generator.behind)
            first = start if generator.keeps_state else first
            last = min(9, start + 3 + ahead)
            later = last - min(9, start + 3)
            sr, state = generator.piece(lr[:, first:last], state, later)
            found.append(sr[:, start - first :])
        torch.testing.assert_close(torch.cat(found, dim=1), whole, rtol=1e-5, atol=1e-5)

    def test_clips_of_a_batch_do_not_touch_each_other(self, generator: VideoGenerator) -> None:
        lr = clip(4, 6, 9, count=2)
        alone = stirred(generator)(lr[1:])
        torch.testing.assert_close(generator(lr)[1:], alone, rtol=1e-5, atol=self.rounding)

    def test_the_gradient_reaches_every_parameter(self, generator: VideoGenerator) -> None:
        lr = clip(6, 9, 9).requires_grad_(True)
        stirred(generator)(lr).square().sum().backward()
        assert lr.grad is not None
        assert lr.grad.any()
        without = [
            name
            for name, parameter in generator.named_parameters()
            if parameter.grad is None or not parameter.grad.any()
        ]
        assert without == []

    def test_the_deployed_form_computes_the_same(self, generator: VideoGenerator) -> None:
        lr = clip(4, 9, 7)
        deployed = stirred(generator).deployed()
        assert parameter_count(deployed) <= parameter_count(generator)
        assert build(deployed.info.name, **deployed.info.options).info == deployed.info
        with torch.inference_mode():
            torch.testing.assert_close(deployed(lr), generator(lr), rtol=1e-5, atol=self.rounding)

    def test_half_precision_makes_nearly_the_same(self, generator: VideoGenerator) -> None:
        lr = clip(3, 8, 8)
        with torch.inference_mode():
            exact = stirred(generator)(lr)
            rounded = generator.bfloat16()(lr.bfloat16())
        assert rounded.dtype == torch.bfloat16
        error = (rounded.float() - exact).square().mean().sqrt()
        assert error < 0.05 * (0.2 + exact.std())

    def test_a_saved_model_makes_the_same_pixels(
        self, generator: VideoGenerator, tmp_path: Path
    ) -> None:
        loaded = load_model(save_model(tmp_path / "model", stirred(generator), {}))
        assert loaded.info == generator.info
        lr = clip(3, 9, 8)
        with torch.inference_mode():
            assert torch.equal(loaded.generator(lr), generator(lr))

    def test_its_facts_build_it_again(self, generator: VideoGenerator) -> None:
        info = ModelInfo.from_dict(json.loads(json.dumps(generator.info.as_dict())))
        again = build(info.name, **info.options)
        assert again.info == generator.info
        shapes = {name: value.shape for name, value in generator.state_dict().items()}
        assert {name: value.shape for name, value in again.state_dict().items()} == shapes

    def test_its_cost_is_that_of_a_frame(self, generator: VideoGenerator) -> None:
        one, four = cost(generator, 90, 160), cost(generator, 180, 320)
        assert four.multiply_adds / one.multiply_adds == pytest.approx(4, rel=0.01)

    def test_an_unknown_option_is_refused_with_the_accepted_ones(self, options: Options) -> None:
        with pytest.raises(ModelError, match="unknown option blokcs") as caught:
            build(self.name, **options, blokcs=3)
        assert all(name in str(caught.value) for name in options)
