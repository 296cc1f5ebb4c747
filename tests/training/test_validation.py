"""Validation scores whole pictures as they would be written, and shows them."""

from pathlib import Path

import numpy as np
import pytest
import torch
from packs import pairs, picture, write_pack

from superres.metrics import score
from superres.models import Generator, build
from superres.training.validation import EXACT, Validation

SCALE = 2


def upscaled(generator: Generator, lr: np.ndarray) -> np.ndarray:
    image = torch.from_numpy(np.array(lr)).permute(2, 0, 1)[None].float() / 255
    with torch.inference_mode():
        sr = generator(image)[0].permute(1, 2, 0)
    return np.floor(sr.clamp(0, 1).numpy() * 255 + 0.5).astype(np.uint8)


def test_scores_are_means_of_the_protocol(pack: Path) -> None:
    validation = Validation(pack, SCALE, 8, "cpu")
    bicubic = build("bicubic", scale=SCALE)
    single = [
        score(upscaled(bicubic, lr), hr, border=SCALE, channel="y") for lr, hr in validation.pairs
    ]
    assert len(single) == 2
    assert validation.scores(bicubic) == {
        "val/psnr": pytest.approx(np.mean([one.psnr for one in single]), abs=1e-3),
        "val/ssim": pytest.approx(np.mean([one.ssim for one in single]), abs=1e-5),
        "val/mse": pytest.approx(np.mean([one.mse for one in single]), rel=1e-3),
    }


def test_only_so_many_pictures_of_the_validation_split_are_used(pack: Path) -> None:
    one = Validation(pack, SCALE, 1, "cpu")
    assert len(one.pairs) == 1
    np.testing.assert_array_equal(one.pairs[0][1], picture(40, 44 + 2 * 4, 4))


def test_the_network_is_scored_in_eval_mode_and_left_as_it_was(pack: Path) -> None:
    torch.manual_seed(1)
    generator = build("srresnet", scale=SCALE, blocks=1, channels=4)
    validation = Validation(pack, SCALE, 1, "cpu")
    before = {name: value.clone() for name, value in generator.state_dict().items()}
    expected = validation.scores(generator.eval())
    assert validation.scores(generator.train()) == expected
    assert generator.training
    for name, value in generator.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_no_validation_pictures_give_no_scores(tmp_path: Path) -> None:
    folder = write_pack(tmp_path, SCALE, {"train": pairs(SCALE, picture(40, 40))})
    validation = Validation(folder, SCALE, 8, "cpu")
    assert validation.scores(build("bicubic", scale=SCALE)) == {}
    assert validation.shown(build("bicubic", scale=SCALE)) == []


def test_an_exact_picture_does_not_hide_the_others(tmp_path: Path) -> None:
    """A fade to black is upscaled exactly, and its PSNR is infinite."""
    black = np.zeros((40, 40, 3), np.uint8)
    folder = write_pack(tmp_path, SCALE, {"val": pairs(SCALE, black, picture(40, 40))})
    alone = write_pack(tmp_path / "alone", SCALE, {"val": pairs(SCALE, picture(40, 40))})
    bicubic = build("bicubic", scale=SCALE)
    both = Validation(folder, SCALE, 8, "cpu").scores(bicubic)
    one = Validation(alone, SCALE, 8, "cpu").scores(bicubic)
    assert both["val/psnr"] == pytest.approx((one["val/psnr"] + EXACT) / 2)


def test_the_middle_of_each_picture_is_shown_in_four_ways(pack: Path) -> None:
    validation = Validation(pack, SCALE, 8, "cpu")
    shown = validation.shown(build("lanczos", scale=SCALE))
    assert len(shown) == 2
    lr, hr = validation.pairs[0]
    top, left = 0, (lr.shape[1] - 20) // 2
    lr_part = lr[top : top + 20, left : left + 20]
    for name, found in (
        ("nearest", shown[0].nearest),
        ("bicubic", shown[0].bicubic),
        ("lanczos", shown[0].sr),
    ):
        np.testing.assert_array_equal(found, upscaled(build(name, scale=SCALE), lr_part))
    np.testing.assert_array_equal(shown[0].hr, hr[2 * top : 2 * top + 40, 2 * left : 2 * left + 40])


def test_lpips_is_a_figure_where_its_network_is_given(pack: Path) -> None:
    """Of whole RGB pictures as they are written, nothing shaved."""

    class Distance(torch.nn.Module):
        def forward(self, sr: torch.Tensor, hr: torch.Tensor) -> torch.Tensor:
            return (sr - hr).abs().mean(dim=(1, 2, 3))

    bicubic = build("bicubic", scale=SCALE)
    validation = Validation(pack, SCALE, 8, "cpu", Distance())
    expected = [
        np.abs(upscaled(bicubic, lr).astype(float) - hr).mean() / 255 for lr, hr in validation.pairs
    ]
    assert validation.scores(bicubic)["val/lpips"] == pytest.approx(np.mean(expected), abs=1e-4)
    assert "val/lpips" not in Validation(pack, SCALE, 8, "cpu").scores(bicubic)
