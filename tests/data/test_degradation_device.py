"""Crops are degraded on the training device: the same seed, the same pixels everywhere."""

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from superres import images
from superres.data.degradation_device import (
    DeviceDegradation,
    filtered_by_convolution,
    filtered_by_taps,
)
from superres.data.degradations import Degradation, kernels
from superres.data.degradations.device_jpeg import compressed
from superres.errors import ConfigError

REAL = "real-world"
CHAINS = [
    REAL,
    "blur sigma=0.5..3; downsample; noise sigma=1..20 grey=0.4; jpeg quality=30..95",
    "sinc; resize factor=0.3..1.5; poisson scale=0.1..3 grey=0.5; downsample kernel=lanczos3",
    "downsample kernel=opencv_cubic; jpeg quality=60",
]


@pytest.fixture(scope="module")
def crops(photo: NDArray[np.uint8]) -> torch.Tensor:
    """(4, 3, 32, 48) in [0, 1]: one picture in four turns."""
    one = torch.from_numpy(photo[:32, :48].copy()).permute(2, 0, 1).float() / 255
    return torch.stack([one, one.flip(1), one.flip(2), one.flip(0)])


def run(chain: str, hr: torch.Tensor, seed: int = 5, scale: int = 2) -> torch.Tensor:
    degradation = DeviceDegradation(Degradation.parse(chain), scale)
    return degradation(hr, torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("chain", CHAINS)
def test_the_same_seed_gives_the_same_pixels_with_any_number_of_threads(
    chain: str, crops: torch.Tensor
) -> None:
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        first = run(chain, crops)
        torch.set_num_threads(2)
        assert torch.equal(run(chain, crops), first)
    finally:
        torch.set_num_threads(before)
    assert first.shape == (4, 3, 16, 24)
    assert first.dtype == torch.float32
    assert torch.equal(first, torch.round(first * 255) / 255)
    if Degradation.parse(chain).is_random:
        assert not torch.equal(run(chain, crops, seed=6), first)
        assert not torch.equal(first[0], first[1].flip(1))


@pytest.mark.parametrize("chain", CHAINS)
def test_the_gpu_gives_the_pixels_of_the_cpu(chain: str, crops: torch.Tensor) -> None:
    if not torch.cuda.is_available():
        pytest.skip("needs a CUDA device: CPU and GPU pixels are compared")
    assert torch.equal(run(chain, crops.cuda()).cpu(), run(chain, crops))


@pytest.mark.parametrize("chain", CHAINS)
def test_the_way_of_a_gpu_gives_the_same_pixels(
    chain: str, crops: torch.Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Filters run as one convolution there, tap by tap here; sums are in another order."""
    expected = run(chain, crops)
    module = "superres.data.degradation_device.filtered_by_taps"
    monkeypatch.setattr(module, filtered_by_convolution)
    assert torch.equal(run(chain, crops), expected)


def test_sums_are_exact_in_any_order() -> None:
    random = torch.Generator().manual_seed(0)
    levels = torch.randint(255 * 4096, (3, 40, 40), generator=random).double() / 4096
    for weights in (kernels.bell(21, (3, 0.7), 0.4), kernels.sinc(0.9, 21)):
        kernel = torch.from_numpy(weights)
        forward = filtered_by_taps(levels, kernel)
        backward = filtered_by_taps(levels.flip(1, 2), kernel.flip(0, 1)).flip(1, 2)
        assert torch.equal(forward, backward)
        assert torch.equal(forward, filtered_by_convolution(levels, kernel))


@pytest.mark.parametrize("scale", [1, 2, 3, 4])
@pytest.mark.parametrize("chain", ["bicubic", "bd", "downsample kernel=bilinear border=reflect"])
def test_chains_without_chance_give_the_pixels_of_the_host(chain: str, scale: int) -> None:
    random = np.random.default_rng(1)
    hr = random.integers(0, 256, (36, 48, 3), dtype=np.uint8)
    tensor = torch.from_numpy(hr).permute(2, 0, 1)[None].float() / 255
    lr = (run(chain, tensor, scale=scale)[0] * 255).round().byte().permute(1, 2, 0).numpy()
    np.testing.assert_array_equal(lr, Degradation.parse(chain).apply(hr, scale, 0))


def test_a_crop_does_not_depend_on_its_batch_but_on_its_place(crops: torch.Tensor) -> None:
    assert torch.equal(run(REAL, crops)[:2], run(REAL, crops[:2]))
    alike = run(REAL, crops[:1].expand(4, -1, -1, -1))
    assert not torch.equal(alike[0], alike[1])


def test_a_generator_goes_on_where_it_was(crops: torch.Tensor) -> None:
    degradation = DeviceDegradation(Degradation.parse(REAL), 2)
    random = torch.Generator().manual_seed(3)
    degradation(crops, random)
    state = random.get_state()
    second = degradation(crops, random)
    random.set_state(state)
    assert torch.equal(degradation(crops, random), second)


@pytest.mark.parametrize("quality", [95, 75, 40, 10])
def test_jpeg_loses_as_much_as_a_jpeg_file(shared_data: Path, quality: int) -> None:
    picture = images.read(shared_data / "benchmarks/Set5/HR/butterfly.png")
    pixels = picture.pixels[:200, :203]
    tensor = torch.from_numpy(pixels.copy()).permute(2, 0, 1).double()
    ours = compressed(tensor, quality).permute(1, 2, 0).numpy()
    chain = Degradation.parse(f"downsample; jpeg quality={quality}")
    real = chain.apply(pixels, 1, 0).astype(float)

    def loss(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
        return float(((one - other) ** 2).mean())

    truth = pixels.astype(float)
    assert loss(ours, truth) == pytest.approx(loss(real, truth), rel=0.35)
    assert loss(ours, real) < 0.5 * loss(real, truth)


def test_steps_that_need_whole_frames_are_refused() -> None:
    for chain in ("r1", "downsample; video crf=28"):
        with pytest.raises(ConfigError, match="needs whole frames"):
            DeviceDegradation(Degradation.parse(chain), 2)
