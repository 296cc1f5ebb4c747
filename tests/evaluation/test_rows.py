"""Figures of an Upscaler over test sets: the published ones, and what is refused."""

import json
import math
import subprocess
import sys
from pathlib import Path
from typing import cast

import numpy as np
import pytest
from small import SCALE, scene, sharpener

from superres import images
from superres.checkpoint import Model, load_model
from superres.data.degrade import degrade
from superres.errors import DataError
from superres.evaluation import (
    Pair,
    Row,
    evaluate,
    folder_pairs,
    means,
    milliseconds,
)
from superres.images import Picture
from superres.inference.upscaler import Upscaler

# Bicubic, luma, shaved by the scale: the row "bicubic" of the super-resolution literature.
PUBLISHED = {
    ("Set5", 2): (33.66, 0.9299),
    ("Set5", 4): (28.42, 0.8104),
    ("Set14", 2): (30.24, 0.8688),
    ("Set14", 4): (26.00, 0.7027),
    ("BSD100", 2): (29.56, 0.8431),
    ("BSD100", 4): (25.96, 0.6675),
}


def bicubic(scale: int = SCALE, tile: int | None = None) -> Upscaler:
    return Upscaler(load_model("bicubic", scale=scale), tile=tile)


@pytest.mark.parametrize(("name", "scale"), PUBLISHED)
def test_bicubic_has_the_published_figures(shared_data: Path, name: str, scale: int) -> None:
    folder = shared_data / "benchmarks" / name
    pairs = list(folder_pairs(folder / "HR", scale, folder / f"LR_x{scale}"))
    rows = evaluate("bicubic", bicubic(scale, tile=64), pairs, scale)
    found = means(rows)["bicubic"][name]
    assert (found["psnr_y"], found["ssim_y"]) == (
        pytest.approx(PUBLISHED[name, scale][0], abs=0.02),
        pytest.approx(PUBLISHED[name, scale][1], abs=0.001),
    )


@pytest.mark.parametrize(("name", "scale"), [key for key in PUBLISHED if key[0] != "BSD100"])
def test_lr_made_here_gives_the_published_figures_too(
    shared_data: Path, name: str, scale: int
) -> None:
    pairs = list(folder_pairs(shared_data / "benchmarks" / name / "HR", scale))
    found = means(evaluate("bicubic", bicubic(scale), pairs, scale))["bicubic"][name]
    assert found["psnr_y"] == pytest.approx(PUBLISHED[name, scale][0], abs=0.02)
    assert found["ssim_y"] == pytest.approx(PUBLISHED[name, scale][1], abs=0.001)


def test_the_command_gives_the_published_figures_as_json(shared_data: Path, tmp_path: Path) -> None:
    folder = shared_data / "benchmarks" / "Set5"
    words = ["evaluate", "--model", "bicubic", "--scale", "4", "--data", str(folder / "HR")]
    done = subprocess.run(
        [sys.executable, "-m", "superres", *words, "--lr", str(folder / "LR_x4"), "--json"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    found = json.loads(done.stdout)
    assert found["psnr"] == pytest.approx(28.42, abs=0.02)
    assert found["ssim"] == pytest.approx(0.8104, abs=0.001)
    told = [found[key] for key in ("model", "scale", "protocol", "images")]
    assert told == ["bicubic", 4, "y", 5]
    names = [one["image"] for one in found["per_image"]]
    assert names == ["baby", "bird", "butterfly", "head", "woman"]
    assert np.mean([one["psnr"] for one in found["per_image"]]) == pytest.approx(found["psnr"])


def test_what_is_measured_is_the_picture_as_it_would_be_written() -> None:
    hr = scene(0)
    pair = Pair("discs", "0", Picture(degrade(hr, SCALE)), Picture(hr))
    generator = sharpener(0.05)
    upscaler = Upscaler(Model(generator, generator.info))
    (row,) = evaluate("sharp", upscaler, [pair], SCALE)
    sr = images.decode(images.encode(upscaler.image(pair.lr))).pixels
    inner = (slice(SCALE, -SCALE), slice(SCALE, -SCALE))
    mse = np.mean((sr[inner].astype(float) - hr[inner]) ** 2)
    assert row.psnr_rgb == pytest.approx(10 * math.log10(255**2 / mse))
    assert row.mse == pytest.approx(mse / 255**2)
    difference = images.luma(sr[inner]) - images.luma(hr[inner])
    assert row.psnr_y == pytest.approx(10 * math.log10(255**2 / np.mean(difference**2)))
    shift = np.abs(sr.mean(axis=(0, 1)) - pair.lr.pixels.mean(axis=(0, 1))).max()
    assert row.colour_shift == pytest.approx(shift)
    assert (row.model, row.set, row.image) == ("sharp", "discs", "0")
    assert row.seconds > 0


def test_a_colour_shift_is_seen_in_its_channel() -> None:
    hr = scene(0)
    generator = sharpener(0)
    last = generator.body[2]
    last.bias.data[: SCALE**2] = 10 / 255  # red
    pair = Pair("discs", "0", Picture(degrade(hr, SCALE)), Picture(hr))
    (row,) = evaluate("red", Upscaler(Model(generator, generator.info)), [pair], SCALE)
    assert row.colour_shift == pytest.approx(10, abs=0.5)


def test_the_tile_changes_no_figure() -> None:
    pair = Pair("discs", "0", Picture(degrade(scene(0), SCALE)), Picture(scene(0)))
    rows = [evaluate("b", bicubic(tile=tile), [pair], SCALE)[0] for tile in (0, 8)]
    assert rows[0].psnr_y == rows[1].psnr_y


def test_means_are_over_the_pictures_of_each_set() -> None:
    def row(model: str, name: str, value: float) -> Row:
        return Row(model, name, "i", value, value, value, value, value, value, 1.0)

    table = means([row("a", "x", 20), row("a", "x", 30), row("a", "y", 5), row("b", "x", 1)])
    assert table["a"]["x"]["psnr_y"] == 25
    assert table["a"]["y"]["ssim_rgb"] == 5
    assert table["b"] == {"x": table["b"]["x"]}


def test_lr_of_another_scale_is_named_with_its_sizes(tmp_path: Path) -> None:
    pair = Pair("discs", "discs/0", Picture(degrade(scene(0), 4)), Picture(scene(0)))
    with pytest.raises(DataError, match=r"discs/0: LR is 16x12 and HR 64x48.*'b' is for scale 2"):
        evaluate("b", bicubic(), [pair], SCALE)


def test_a_picture_too_small_to_measure_is_named() -> None:
    hr = scene(0, 12, 40)
    pair = Pair("discs", "discs/thin", Picture(degrade(hr, SCALE)), Picture(hr))
    with pytest.raises(DataError, match=r"discs/thin cannot be measured: .*11x11"):
        evaluate("b", bicubic(), [pair], SCALE)


def test_grey_pictures_are_measured_on_their_own_levels(tmp_path: Path) -> None:
    grey = np.repeat(scene(0)[..., :1], 3, axis=2)
    images.write(tmp_path / "grey.png", Picture(grey, grey=True))
    images.write(tmp_path / "rgb.png", Picture(grey))
    one, three = evaluate("b", bicubic(), folder_pairs(tmp_path, SCALE), SCALE)
    assert one.psnr_y == pytest.approx(one.psnr_rgb)
    assert three.psnr_y == pytest.approx(one.psnr_y + 20 * math.log10(255 / 219))


def test_times_are_taken_in_turns_and_the_first_round_is_not_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls: list[str] = []
    clock = {"now": 0.0}
    spends = {"a": iter((1, 7, 5)), "b": iter((90, 30, 40))}  # milliseconds, by round

    class Timed:
        backend = None  # of pictures

        def __init__(self, name: str) -> None:
            self.name = name

        def image(self, lr: Picture) -> None:
            calls.append(self.name)
            clock["now"] += next(spends[self.name]) / 1000

    monkeypatch.setattr("time.perf_counter", lambda: clock["now"])
    timed = {name: cast(Upscaler, Timed(name)) for name in "ab"}
    spent = milliseconds(timed, Picture(scene(0)), 2)
    assert calls == ["a", "b"] * 3
    assert spent == pytest.approx({"a": 5, "b": 30})
