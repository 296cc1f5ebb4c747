"""Tiles leave no trace, memory may be short, and a broken result is an error."""

import threading
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from superres.checkpoint import Model
from superres.errors import ModelError
from superres.inference import CancelledError, Upscaler
from superres.inference.rows import ArrayRows
from superres.models import Generator, ModelInfo, build


class Convolutions(Generator):
    """Three convolutions, so a halo of four LR pixels and zero padding at the border."""

    def __init__(self, *, scale: int = 2) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.first = nn.Conv2d(3, 8, 5, padding=2)
        self.second = nn.Conv2d(8, 8, 3, padding=1)
        self.last = nn.Conv2d(8, 3 * scale**2, 3, padding=1)
        self.scale = scale
        self.info = ModelInfo("convolutions", scale=scale, halo=4)

    def forward(self, lr: torch.Tensor) -> torch.Tensor:
        hidden = torch.relu(self.second(torch.relu(self.first(lr))))
        sr = F.pixel_shuffle(self.last(hidden), self.scale)
        return sr + F.interpolate(lr, scale_factor=self.scale)


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
    model = Model(generator.eval(), generator.info, {"version": "7"})
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


def test_rows_that_are_done_stay_done_when_memory_runs_out() -> None:
    picture = noise(96, 40)
    expected = upscaler(Convolutions(), tile=0).pixels(picture)
    tight = upscaler(Convolutions(), tile=32)
    greedy = Greedy(tight.backend, 10**9, MemoryError())
    tight._network.backend = greedy
    strips = tight._network.strips(ArrayRows(picture))
    first = next(strips)
    assert len(first) == 64
    greedy.most = 600
    rest = list(strips)
    assert tight._network.tile == 16
    np.testing.assert_array_equal(np.concatenate([first, *rest]), expected)


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


def test_cancelled_between_tiles() -> None:
    answers = iter([False, False, True])
    with pytest.raises(CancelledError):
        upscaler(Convolutions(), tile=8).pixels(noise(64, 64), cancelled=lambda: next(answers))


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
