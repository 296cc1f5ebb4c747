"""The torch form gives the figures of the numpy form, picture by picture."""

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from superres import images
from superres.data.degrade import imresize, mod_crop
from superres.errors import InputError
from superres.metrics import batched, fidelity

DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]


def tensor(pixels: NDArray[np.uint8], device: str = "cpu") -> torch.Tensor:
    return torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None].to(device) / 255


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("channel", ["y", "rgb"])
def test_it_equals_the_figures_of_real_pictures(
    shared_data: Path, channel: fidelity.Channel, device: str
) -> None:
    folder = shared_data / "benchmarks" / "Set5"
    for name in ("bird", "woman"):
        hr = mod_crop(images.read(folder / "HR" / f"{name}.png").pixels, 4)
        lr = sorted((folder / "LR_x4").iterdir())[["bird", "woman"].index(name) * 3 + 1]
        sr = imresize(images.read(lr).pixels, 4)
        ours = fidelity.score(sr, hr, border=4, channel=channel)
        found = batched.score(tensor(sr, device), tensor(hr, device), border=4, channel=channel)
        assert [float(value[0]) for value in found] == pytest.approx(list(ours), abs=1e-5)


def test_each_picture_of_a_batch_has_its_own_figures(photo: NDArray[np.uint8]) -> None:
    others = [photo[::-1], np.clip(photo.astype(int) + 9, 0, 255).astype(np.uint8), photo]
    sr = torch.cat([tensor(other) for other in others])
    hr = torch.cat([tensor(photo)] * 3)
    found = batched.score(sr, hr, border=2)
    for place, other in enumerate(others):
        expected = fidelity.score(np.ascontiguousarray(other), photo, border=2)
        assert [float(value[place]) for value in found] == pytest.approx(list(expected), abs=1e-9)
    assert found.psnr[2] == float("inf")
    assert found.ssim[2] == 1


def test_a_network_output_is_rounded_as_a_file_would_be(photo: NDArray[np.uint8]) -> None:
    noise = torch.from_numpy(np.random.default_rng(0).normal(0, 0.1, (1, 3, 40, 56)))
    sr = tensor(photo) + noise.float()  # leaves [0, 1]
    expected = fidelity.score(images.to_pixels(sr), photo, border=0)
    assert float(batched.score(sr, tensor(photo), border=0).psnr) == pytest.approx(
        expected.psnr, abs=1e-9
    )


def test_what_cannot_be_compared_is_refused() -> None:
    small = torch.zeros(1, 3, 10, 20)
    with pytest.raises(InputError, match="at least 11x11 pixels, got 20x10"):
        batched.ssim(small, small)
    with pytest.raises(InputError, match=r"one shape .*\(1, 3, 10, 20\) and \(1, 3, 10, 19\)"):
        batched.mse(small, small[..., 1:])
    with pytest.raises(InputError, match="20x10 has nothing left after a shave of 5"):
        batched.score(small, small, border=5)
