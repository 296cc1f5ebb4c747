"""A protocol's name says every choice, and each choice changes the figure as it should."""

import numpy as np
import pytest
from small import SCALE, scene, sharpener

from superres import images
from superres.checkpoint import Model, load_model
from superres.data.degrade import degrade
from superres.errors import ConfigError
from superres.evaluation import Pair, Protocol, evaluate, read_protocol
from superres.images import Picture
from superres.inference.upscaler import Upscaler
from superres.metrics import psnr

PAIR = Pair("discs", "0", Picture(degrade(scene(0), SCALE)), Picture(scene(0)))


@pytest.mark.parametrize(
    ("name", "expected", "full"),
    [
        ("y", Protocol(), "y-shave4-uint8"),
        ("rgb", Protocol("rgb"), "rgb-shave4-uint8"),
        ("y-shave", Protocol(), "y-shave4-uint8"),
        ("rgb-shave0", Protocol("rgb", 0), "rgb-shave0-uint8"),
        ("y-shave6-luma", Protocol("y", 6, "luma"), "y-shave6-luma"),
        ("y-none-x8", Protocol("y", None, "none", True), "y-shave4-none-x8"),
    ],
)
def test_names_are_read_and_written(name: str, expected: Protocol, full: str) -> None:
    found = read_protocol(name)
    assert found == expected
    assert found.name(4) == full
    assert read_protocol(full).name(4) == full


def test_options_are_told_in_words() -> None:
    assert read_protocol("y-shave-x8").as_dict(3) == {
        "name": "y-shave3-uint8-x8",
        "channel": "y",
        "shave": 3,
        "rounding": "uint8",
        "self_ensemble": True,
    }


@pytest.mark.parametrize("name", ["", "ycbcr", "y-", "y-shave-4", "x8", "rgb-round", "Y"])
def test_other_names_are_refused(name: str) -> None:
    with pytest.raises(ConfigError, match=r"accepted: y, rgb, y-shave"):
        read_protocol(name)


def model(strength: float = 0.05) -> Model:
    generator = sharpener(strength)
    return Model(generator, generator.info)


def test_without_rounding_the_float_result_is_measured() -> None:
    upscaler = Upscaler(model())
    (row,) = evaluate("m", upscaler, [PAIR], 0, rounding="none")
    sr = upscaler.tensor(images.to_tensor(PAIR.lr.pixels).numpy())[0].transpose(1, 2, 0)
    assert row.psnr_rgb == pytest.approx(psnr(sr * 255.0, PAIR.hr.pixels), abs=1e-5)
    (rounded,) = evaluate("m", upscaler, [PAIR], 0)
    assert row.psnr_rgb != rounded.psnr_rgb
    assert abs(row.psnr_y - rounded.psnr_y) < 0.1


def test_a_grey_picture_is_the_same_without_rounding() -> None:
    grey = np.repeat(scene(0)[..., :1], 3, axis=2)
    pair = Pair("g", "0", Picture(degrade(grey, SCALE), grey=True), Picture(grey, grey=True))
    (row,) = evaluate("m", Upscaler(model()), [pair], 0, rounding="none")
    assert row.psnr_y == pytest.approx(row.psnr_rgb, abs=1e-3)


def test_whole_levels_of_luma_change_luma_alone() -> None:
    upscaler = Upscaler(load_model("bicubic", scale=SCALE))
    (plain,), (whole,) = (
        evaluate("b", upscaler, [PAIR], SCALE, rounding=rounding) for rounding in ("uint8", "luma")
    )
    assert plain.psnr_rgb == whole.psnr_rgb
    assert plain.psnr_y != whole.psnr_y
    assert whole.psnr_y < plain.psnr_y < whole.psnr_y + 1  # rounding is noise of 59 dB


def test_the_self_ensemble_is_the_mean_of_eight_before_rounding() -> None:
    """By hand: every turn and mirroring of LR, enlarged, turned back, averaged, rounded once."""
    opened = model(0.2)
    opened.generator.body[0].weight.data[..., 0] += 0.05  # no longer symmetric
    single = Upscaler(opened)
    made = []
    for quarter in range(4):
        for mirrored in (False, True):
            lr = np.rot90(images.to_tensor(PAIR.lr.pixels).numpy(), quarter, (2, 3))
            seen = lr[..., ::-1] if mirrored else lr
            sr = single.tensor(np.ascontiguousarray(seen))
            made.append(np.rot90(sr[..., ::-1] if mirrored else sr, -quarter, (2, 3)))
    mean = np.mean(made, axis=0)[0].transpose(1, 2, 0)
    assert np.ptp(made, axis=0).max() > 0.01
    eightfold = Upscaler(opened, ensemble=True)
    (row,) = evaluate("m", eightfold, [PAIR], 0, rounding="none")
    assert row.psnr_rgb == pytest.approx(psnr(mean * 255.0, PAIR.hr.pixels), abs=1e-3)
