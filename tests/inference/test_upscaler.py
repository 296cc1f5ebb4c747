"""What an Upscaler promises: tiles leave no trace, memory may be short, pixels are pixels."""

import threading
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from superres import images, video
from superres.checkpoint import Model
from superres.errors import ConfigError, InputError, ModelError
from superres.images import Picture
from superres.inference import CancelledError, Upscaler
from superres.inference.footage import ahead
from superres.models import Generator, ModelInfo, build
from superres.video import Frame


class Convolutions(Generator):
    """Three convolutions, so a halo of four LR pixels and zero padding at the border."""

    def __init__(self, *, scale: int = 2, gain: float = 1.0) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.first = nn.Conv2d(3, 8, 5, padding=2)
        self.second = nn.Conv2d(8, 8, 3, padding=1)
        self.last = nn.Conv2d(8, 3 * scale**2, 3, padding=1)
        self.scale = scale
        self.gain = gain
        self.info = ModelInfo("convolutions", scale=scale, halo=4)

    def forward(self, lr: torch.Tensor) -> torch.Tensor:
        hidden = torch.relu(self.second(torch.relu(self.first(lr))))
        sr = F.pixel_shuffle(self.last(hidden), self.scale)
        return self.gain * (sr + F.interpolate(lr, scale_factor=self.scale))


class Pooling(Generator):
    """Works at a quarter of the LR size: needs multiples of 4, at least 8, and an aligned grid."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(2)
        self.inner = nn.Conv2d(3, 3, 3, padding=1)
        self.info = ModelInfo("pooling", scale=2, halo=8, multiple_of=4, minimum=8)

    def forward(self, lr: torch.Tensor) -> torch.Tensor:
        assert lr.shape[2] % 4 == lr.shape[3] % 4 == 0
        assert min(lr.shape[2:]) >= 8
        coarse = self.inner(F.avg_pool2d(lr, 4))
        return F.interpolate(lr, scale_factor=2) + F.interpolate(coarse, scale_factor=8)


def upscaler(generator: Generator, **options: Any) -> Upscaler:
    model = Model(generator.eval(), generator.info, {"version": "7", "run_id": "abc"})
    return Upscaler(model, backend="torch", device="cpu", **options)


def noise(height: int, width: int, dtype: Any = np.uint8, seed: int = 0) -> Any:
    levels = np.random.default_rng(seed).integers(0, np.iinfo(dtype).max, (height, width, 3))
    return levels.astype(dtype)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 60), st.integers(1, 60), st.integers(1, 48), st.booleans())
def test_tiled_equals_whole(height: int, width: int, tile: int, pools: bool) -> None:
    generator = Pooling() if pools else Convolutions()
    picture = noise(height, width, seed=height * 61 + width)
    whole = upscaler(generator, tile=0).pixels(picture)
    tiled = upscaler(generator, tile=tile).pixels(picture)
    difference = np.abs(whole.astype(int) - tiled.astype(int))
    assert whole.shape == (2 * height, 2 * width, 3)
    assert difference.max() <= 1
    assert (difference > 0).mean() < 1e-4


@pytest.mark.parametrize("name", ["nearest", "bicubic", "lanczos", "compact", "srcnn"])
def test_tiled_equals_whole_for_our_networks(name: str) -> None:
    generator = build(name, scale=3)
    for parameter in generator.parameters():
        nn.init.normal_(parameter, std=0.05, generator=torch.Generator().manual_seed(3))
    picture = noise(41, 53)
    whole = upscaler(generator, tile=0).pixels(picture)
    tiled = upscaler(generator, tile=16).pixels(picture)
    assert np.abs(whole.astype(int) - tiled.astype(int)).max() <= 1
    assert (whole != tiled).mean() < 1e-4


def test_a_halo_too_small_would_be_noticed() -> None:
    generator = Convolutions()
    generator.info = replace(generator.info, halo=1)
    picture = noise(40, 40)
    whole = upscaler(generator, tile=0).pixels(picture)
    assert (whole != upscaler(generator, tile=8).pixels(picture)).mean() > 1e-2


def test_nearest_repeats_every_level() -> None:
    picture = np.arange(256, dtype=np.uint8).repeat(3).reshape(16, 16, 3)
    sr = upscaler(build("nearest", scale=2), tile=5).pixels(picture)
    np.testing.assert_array_equal(sr, picture.repeat(2, axis=0).repeat(2, axis=1))


def test_sixteen_bits_stay_sixteen_bits() -> None:
    picture = noise(9, 7, np.uint16)
    sr = upscaler(build("nearest", scale=2)).pixels(picture)
    np.testing.assert_array_equal(sr, picture.repeat(2, axis=0).repeat(2, axis=1))


def test_overshoot_is_clamped() -> None:
    sr = upscaler(Convolutions(gain=50.0)).pixels(noise(12, 12))
    assert sr.min() == 0
    assert sr.max() == 255


def test_the_input_is_left_alone() -> None:
    picture = noise(12, 12)
    before = picture.copy()
    upscaler(Convolutions(), tile=4).pixels(picture)
    np.testing.assert_array_equal(picture, before)


class Greedy:
    """A backend whose memory holds only tiles up to a number of pixels."""

    name = "greedy"

    def __init__(self, inner: Any, most: int, error: Exception) -> None:
        self.inner, self.most, self.error = inner, most, error
        self.calls = 0

    def __call__(self, lr: Any) -> Any:
        self.calls += 1
        if lr.shape[2] * lr.shape[3] > self.most:
            raise self.error
        return self.inner(lr)


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory"),
        Exception("[ONNXRuntimeError] : 6 : RUNTIME_EXCEPTION : Failed to allocate memory"),
    ],
)
def test_out_of_memory_halves_the_tile_and_remembers(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    picture = noise(64, 96)
    expected = upscaler(Convolutions(), tile=0).pixels(picture)
    tight = upscaler(Convolutions(), tile=0)
    greedy = Greedy(tight.backend, 40 * 40, error)
    tight._network.backend = greedy
    sr = tight.pixels(picture)
    assert np.abs(sr.astype(int) - expected.astype(int)).max() <= 1
    assert tight._network.tile == 24
    assert "out of memory" in caplog.text
    greedy.calls = 0
    tight.pixels(picture)
    assert greedy.calls == 3 * 4  # no failed attempt the second time


def test_no_memory_at_all_is_an_error_not_a_picture() -> None:
    tight = upscaler(Convolutions())
    tight._network.backend = Greedy(tight.backend, 0, MemoryError())
    with pytest.raises(ModelError, match="out of memory"):
        tight.pixels(noise(64, 64))


def test_other_errors_of_a_backend_pass_through() -> None:
    broken = upscaler(Convolutions())
    broken._network.backend = Greedy(broken.backend, 0, RuntimeError("wrong channel count"))
    with pytest.raises(RuntimeError, match="wrong channel count"):
        broken.pixels(noise(64, 64))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_a_result_that_is_not_finite_is_an_error(value: float) -> None:
    generator = Convolutions()
    nn.init.constant_(generator.last.bias, value)
    with pytest.raises(ModelError, match="NaN or infinite"):
        upscaler(generator).pixels(noise(8, 8))


@pytest.mark.parametrize(
    "wrong",
    [
        np.zeros((8, 8), np.uint8),
        np.zeros((8, 8, 4), np.uint8),
        np.zeros((8, 8, 3), np.float32),
        np.zeros((0, 8, 3), np.uint8),
    ],
)
def test_other_arrays_are_refused(wrong: Any) -> None:
    with pytest.raises(InputError):
        upscaler(Convolutions()).pixels(wrong)


def test_cancelled_between_tiles() -> None:
    answers = iter([False, False, True])
    with pytest.raises(CancelledError):
        upscaler(Convolutions(), tile=8).pixels(noise(64, 64), cancelled=lambda: next(answers))


def test_alpha_is_upscaled_and_constant_alpha_stays_constant() -> None:
    alpha = np.full((6, 5), 77, np.uint8)
    sr = upscaler(Convolutions()).image(Picture(noise(6, 5), alpha=alpha))
    assert sr.alpha is not None
    assert sr.alpha.shape == (12, 10)
    assert (sr.alpha == 77).all()
    sixteen = Picture(noise(6, 5, np.uint16), alpha=noise(6, 5, np.uint16)[..., 0])
    result = upscaler(Convolutions()).image(sixteen).alpha
    assert result is not None
    assert result.dtype == np.uint16


def test_grey_stays_grey() -> None:
    picture = Picture(noise(8, 8)[..., :1].repeat(3, axis=2), grey=True)
    sr = upscaler(Convolutions()).image(picture)
    assert sr.grey
    assert (sr.pixels[..., 0] == sr.pixels[..., 1]).all()
    assert (sr.pixels[..., 0] == sr.pixels[..., 2]).all()
    coloured = upscaler(Convolutions()).pixels(picture.pixels)
    assert (coloured[..., 0] != coloured[..., 1]).any()


def test_profile_and_metadata_are_carried_over(tmp_path: Path) -> None:
    path = tmp_path / "grüße.png"
    images.write(path, Picture(noise(8, 8), icc=b"profile"))
    sr = upscaler(Convolutions()).image(path)
    assert sr.icc == b"profile"
    assert (sr.height, sr.width, sr.format) == (16, 16, "PNG")


def test_an_array_gives_an_array() -> None:
    assert isinstance(upscaler(Convolutions()).image(noise(4, 4)), np.ndarray)


def test_tensor_takes_a_batch_and_does_not_round() -> None:
    scaler = upscaler(Convolutions(), tile=16)
    batch = np.random.default_rng(0).random((3, 3, 20, 30), dtype=np.float32)
    sr = scaler.tensor(batch)
    assert sr.shape == (3, 3, 40, 60)
    assert sr.dtype == np.float32
    assert 0 <= sr.min() <= sr.max() <= 1
    np.testing.assert_allclose(scaler.tensor(batch[1:2])[0], sr[1], atol=1e-6)
    assert (sr * 255 != np.round(sr * 255)).any()


def test_several_threads_may_share_one() -> None:
    scaler = upscaler(Convolutions(), tile=16)
    pictures = [noise(40, 40, seed=seed) for seed in range(4)]
    alone = [scaler.pixels(picture) for picture in pictures]
    together: dict[int, Any] = {}

    def work(index: int) -> None:
        together[index] = scaler.pixels(pictures[index])

    threads = [threading.Thread(target=work, args=(index,)) for index in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for index, expected in enumerate(alone):
        np.testing.assert_array_equal(together[index], expected)


def test_lineage_names_what_is_known() -> None:
    lineage = upscaler(Convolutions()).lineage
    assert lineage == {"model": "convolutions", "version": "7", "run_id": "abc"}


def test_options_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ConfigError, match="tile -1"):
        upscaler(Convolutions(), tile=-1)
    generator = Convolutions()
    generator.info = replace(generator.info, kind="video")
    with pytest.raises(ModelError, match="kind 'video'"):
        upscaler(generator)


def clip(path: Path, frames: int = 6, size: tuple[int, int] = (18, 22)) -> list[float]:
    """Write a clip with uneven frame times and return them in seconds."""
    moments = [0, 40, 100, 133, 166, 240, 280, 300, 400, 500][:frames]
    made = (
        Frame(np.full((*size, 3), 20 * index, np.uint8), index, ms / 1000, ms, Fraction(1, 1000))
        for index, ms in enumerate(moments)
    )
    video.write(path, made)
    return [ms / 1000 for ms in moments]


def test_a_video_keeps_its_frames_and_their_times(tmp_path: Path) -> None:
    moments = clip(tmp_path / "in.mp4")
    seen: list[tuple[int, int | None]] = []
    scaler = upscaler(build("nearest", scale=2))
    info = scaler.video(
        tmp_path / "in.mp4",
        tmp_path / "out.mp4",
        progress=lambda done, total: seen.append((done, total)),
    )
    assert (info.width, info.height) == (44, 36)
    assert seen == [(count, 6) for count in range(1, 7)]
    frames = list(video.read(tmp_path / "out.mp4"))
    assert [frame.seconds for frame in frames] == pytest.approx(moments, abs=0.002)
    assert [round(float(frame.pixels.mean()) / 20) for frame in frames] == list(range(6))


def test_a_cancelled_video_leaves_nothing_and_ends_its_threads(tmp_path: Path) -> None:
    clip(tmp_path / "in.mp4")
    done: list[int] = []
    with pytest.raises(CancelledError):
        upscaler(Convolutions()).video(
            tmp_path / "in.mp4",
            tmp_path / "out.mp4",
            progress=lambda count, total: done.append(count),
            cancelled=lambda: len(done) >= 2,
        )
    assert [path.name for path in tmp_path.iterdir()] == ["in.mp4"]
    assert not [t for t in threading.enumerate() if t.name == "superres-ahead"]


def test_an_error_within_a_video_surfaces_and_leaves_nothing(tmp_path: Path) -> None:
    clip(tmp_path / "in.mp4")
    generator = Convolutions()
    nn.init.constant_(generator.last.bias, float("nan"))
    with pytest.raises(ModelError, match="NaN"):
        upscaler(generator).video(tmp_path / "in.mp4", tmp_path / "out.mp4")
    assert [path.name for path in tmp_path.iterdir()] == ["in.mp4"]
    with pytest.raises(InputError):
        upscaler(Convolutions()).video(tmp_path / "missing.mp4", tmp_path / "out.mp4")


def test_work_runs_only_a_few_items_ahead() -> None:
    made: list[int] = []

    def items() -> Iterator[int]:
        for number in range(100):
            made.append(number)
            yield number

    with closing(ahead(items(), depth=2)) as ready:
        assert next(ready) == 0
        time.sleep(0.3)
        assert len(made) <= 4
        assert next(ready) == 1
    assert len(made) <= 5
