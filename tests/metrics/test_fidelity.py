"""Figures are MATLAB's: published tables can be compared with."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from superres import images
from superres.data.degrade import imresize, mod_crop
from superres.errors import InputError
from superres.metrics import mse, psnr, score, shave, ssim

# Bicubic enlargement of the MATLAB-made LR files: luma, shave = scale (PSNR in dB, SSIM).
BICUBIC = {
    ("Set5", 2): (33.674, 0.9303),
    ("Set5", 4): (28.430, 0.8111),
    ("Set14", 2): (30.232, 0.8691),
    ("Set14", 4): (25.997, 0.7029),
    ("BSD100", 2): (29.561, 0.8434),
    ("BSD100", 4): (25.962, 0.6681),
}


@pytest.mark.parametrize(("name", "scale"), BICUBIC)
def test_published_bicubic_rows(shared_data: Path, name: str, scale: int) -> None:
    folder = shared_data / "benchmarks" / name
    hr_files = sorted((folder / "HR").iterdir())
    lr_files = sorted((folder / f"LR_x{scale}").iterdir())
    scores = []
    for hr_file, lr_file in zip(hr_files, lr_files, strict=True):
        hr = images.read(hr_file)
        sr = imresize(images.read(lr_file).pixels, scale)
        scores.append(score(sr, mod_crop(hr.pixels, scale), border=scale, grey=hr.grey))
    expected_psnr, expected_ssim = BICUBIC[name, scale]
    assert np.mean([s.psnr for s in scores]) == pytest.approx(expected_psnr, abs=0.0006)
    assert np.mean([s.ssim for s in scores]) == pytest.approx(expected_ssim, abs=0.00006)


# Bicubic x4 of Set14 pictures cut to multiples of 12, shaved by 4 (PSNR, SSIM in RGB, then luma):
# basicsr/metrics/README.md, MATLAB for RGB and numpy for luma.
BASICSR = {
    "baboon": (20.419710, 0.391853, 22.441898, 0.453097),
    "comic": (20.239912, 0.567738, 21.720398, 0.585511),
}


@pytest.mark.parametrize("name", BASICSR)
def test_golden_values_of_basicsr(shared_data: Path, name: str) -> None:
    """MATLAB's figures to the last digit; luma but for their float32 colour.

    Their pictures mirror the border and round only the finished picture, not each pass.
    """
    hr = mod_crop(
        images.read(shared_data / "benchmarks" / "Set14" / "HR" / f"{name}.png").pixels, 12
    )
    lr = np.floor(imresize(hr.astype(np.float64), 1 / 4, border="reflect") + 0.5).clip(0, 255)
    sr = np.floor(imresize(lr, 4, border="reflect") + 0.5).clip(0, 255).astype(np.uint8)
    rgb, luma = score(sr, hr, border=4, channel="rgb"), score(sr, hr, border=4)
    assert (rgb.psnr, rgb.ssim) == pytest.approx(BASICSR[name][:2], abs=6e-7)
    assert (luma.psnr, luma.ssim) == pytest.approx(BASICSR[name][2:], abs=2e-6)


def test_mse_and_psnr_by_hand() -> None:
    a = np.array([[0, 10], [20, 30]], np.uint8)
    b = np.array([[3, 10], [20, 26]], np.uint8)
    assert mse(a, b) == mse(b, a) == (9 + 16) / 4
    assert psnr(a, b) == pytest.approx(10 * np.log10(255**2 / 6.25))
    assert psnr(a / 255, b / 255, peak=1.0) == pytest.approx(psnr(a, b))


def test_unsigned_differences_do_not_wrap() -> None:
    assert mse(np.zeros((1, 1), np.uint8), np.full((1, 1), 255, np.uint8)) == 255**2


def test_equal_pictures_have_infinite_psnr_and_ssim_one(photo: NDArray[np.uint8]) -> None:
    assert psnr(photo, photo) == float("inf")
    assert ssim(photo, photo) == 1.0
    assert score(photo, photo, border=4) == (float("inf"), 1.0, 0.0)


def test_ssim_by_hand_of_flat_pictures() -> None:
    a, b = np.full((11, 11), 100.0), np.full((11, 11), 110.0)
    c1 = (0.01 * 255) ** 2
    assert ssim(a, b) == pytest.approx((2 * 100 * 110 + c1) / (100**2 + 110**2 + c1), abs=1e-12)


def test_ssim_by_hand_of_one_window() -> None:
    generator = np.random.default_rng(1)
    a, b = generator.uniform(0, 255, (2, 11, 11))
    offsets = np.arange(-5, 6)
    window = np.exp(-(offsets[:, None] ** 2 + offsets**2) / (2 * 1.5**2))
    window /= window.sum()
    mean_a, mean_b = (window * a).sum(), (window * b).sum()
    variance_a, variance_b = (window * (a - mean_a) ** 2).sum(), (window * (b - mean_b) ** 2).sum()
    covariance = (window * (a - mean_a) * (b - mean_b)).sum()
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    expected = (2 * mean_a * mean_b + c1) * (2 * covariance + c2)
    expected /= (mean_a**2 + mean_b**2 + c1) * (variance_a + variance_b + c2)
    assert ssim(a, b) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("peak", [1.0, 255.0])
def test_ssim_equals_scikit_image_inside_its_border(photo: NDArray[np.uint8], peak: float) -> None:
    structural_similarity = pytest.importorskip("skimage.metrics").structural_similarity
    a = images.luma(photo) * peak / 255
    b = np.clip(a + np.random.default_rng(3).normal(0, 0.05 * peak, a.shape), 0, peak)
    options = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    _, surface = structural_similarity(a, b, data_range=peak, full=True, **options)
    assert ssim(a, b, peak) == pytest.approx(surface[5:-5, 5:-5].mean(), abs=1e-6)


def test_scikit_images_own_mean_is_ours_only_with_its_options_set(photo: NDArray[np.uint8]) -> None:
    """Its defaults, a uniform 7x7 window and sample covariances, give another figure."""
    structural_similarity = pytest.importorskip("skimage.metrics").structural_similarity
    a = images.luma(photo)
    b = np.clip(a + np.random.default_rng(3).normal(0, 12, a.shape), 0, 255)
    options = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    assert structural_similarity(a, b, data_range=255, **options) == pytest.approx(
        ssim(a, b), abs=1e-6
    )
    assert abs(structural_similarity(a, b, data_range=255) - ssim(a, b)) > 1e-3
    sampled = structural_similarity(a, b, data_range=255, gaussian_weights=True, sigma=1.5)
    assert 1e-5 < abs(sampled - ssim(a, b)) < 0.02


def test_torchmetrics_counts_windows_beyond_the_border(photo: NDArray[np.uint8]) -> None:
    """It mirrors the picture and takes the mean over all of it: 0.0017 more on Set14 bicubic x4."""
    image = pytest.importorskip("torchmetrics.functional.image")
    torch = pytest.importorskip("torch")
    a = images.luma(photo)
    b = np.clip(a + np.random.default_rng(3).normal(0, 12, a.shape), 0, 255)
    tensors = [torch.from_numpy(plane)[None, None] for plane in (a, b)]
    theirs = float(image.structural_similarity_index_measure(*tensors, data_range=255.0))
    assert theirs != pytest.approx(ssim(a, b), abs=1e-5)
    wide = [np.pad(plane, 5, mode="reflect") for plane in (a, b)]
    assert theirs == pytest.approx(ssim(*wide), abs=1e-5)
    ratio = float(image.peak_signal_noise_ratio(*tensors, data_range=255.0))
    assert ratio == pytest.approx(psnr(a, b), abs=1e-5)


def test_ssim_of_many_rows_is_that_of_all_windows() -> None:
    """The rows are taken in blocks; no window is lost or counted twice where blocks meet."""
    a, b = np.random.default_rng(2).uniform(0, 255, (2, 59, 30))
    parts = [ssim(a[top : top + 11], b[top : top + 11]) for top in range(49)]
    assert ssim(a, b) == pytest.approx(np.mean(parts), abs=1e-12)


def test_ssim_of_colour_is_the_mean_of_its_channels(photo: NDArray[np.uint8]) -> None:
    other = 255 - photo
    channels = [ssim(photo[..., c], other[..., c]) for c in range(3)]
    assert ssim(photo, other) == pytest.approx(np.mean(channels))


def test_score_shaves_before_it_measures(photo: NDArray[np.uint8]) -> None:
    damaged = photo.copy()
    damaged[:4] = damaged[-4:] = damaged[:, :4] = damaged[:, -4:] = 0
    assert score(damaged, photo, border=4).mse == 0
    assert score(damaged, photo, border=3).mse > 0


def test_score_in_luma_and_rgb(photo: NDArray[np.uint8]) -> None:
    other = photo.copy()
    other[..., 0] = np.where(photo[..., 0] > 127, photo[..., 0] - 20, photo[..., 0] + 20)
    luma_score = score(other, photo, border=0)
    rgb_score = score(other, photo, border=0, channel="rgb")
    assert luma_score.mse == pytest.approx((20 * 65.481 / 255 / 255) ** 2)
    assert rgb_score.mse == pytest.approx(400 / 3 / 255**2)
    assert rgb_score.psnr == pytest.approx(-10 * np.log10(rgb_score.mse))


def test_a_single_channel_file_is_compared_on_its_levels(photo: NDArray[np.uint8]) -> None:
    hr = np.repeat(photo[..., :1], 3, axis=2)
    sr = np.where(hr > 127, hr - 10, hr + 10).astype(np.uint8)
    as_levels, as_luma = score(sr, hr, border=0, grey=True), score(sr, hr, border=0)
    assert as_levels.psnr == pytest.approx(psnr(sr[..., 0], hr[..., 0]))
    assert as_levels.ssim == pytest.approx(ssim(sr[..., 0], hr[..., 0]))
    assert as_luma.psnr - as_levels.psnr == pytest.approx(20 * np.log10(255 / 219))


def test_luma_in_whole_levels_is_another_protocol(photo: NDArray[np.uint8]) -> None:
    other = np.clip(photo.astype(int) + 3, 0, 255).astype(np.uint8)
    rounded = score(other, photo, border=0, whole_levels=True)
    planes = [np.floor(images.luma(picture) + 0.5) for picture in (other, photo)]
    assert rounded.psnr == pytest.approx(psnr(*planes))
    assert rounded.psnr != pytest.approx(score(other, photo, border=0).psnr, abs=1e-3)


def test_shave_cuts_every_side(tiny: NDArray[np.uint8]) -> None:
    np.testing.assert_array_equal(shave(tiny, 1), tiny[1:3, 1:5])
    np.testing.assert_array_equal(shave(tiny, 0), tiny)


def test_what_cannot_be_compared_is_refused(photo: NDArray[np.uint8]) -> None:
    with pytest.raises(InputError, match=r"one shape .* \(40, 56, 3\) and \(39, 56, 3\)"):
        score(photo, photo[1:], border=0)
    with pytest.raises(InputError, match="at least 11x11 pixels, got 56x10"):
        ssim(photo[:10], photo[:10])
    with pytest.raises(InputError, match="56x40 has nothing left after a shave of 20 pixels"):
        shave(photo, 20)
