"""Figures beyond PSNR and SSIM: LPIPS as published, consistency, steps between frames."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import peers
import pytest
from small import SCALE, scene, sharpener

from superres.checkpoint import Model, load_model
from superres.data.degrade import degrade, imresize
from superres.evaluation import Meters, Pair, evaluate, find_set, means, open_meters
from superres.evaluation.meters import load_distance
from superres.images import Picture
from superres.inference.upscaler import Upscaler
from superres.metrics import psnr
from superres.metrics.artefacts import checkerboard

BIG = scene(4, 220, 240)
PAIR = Pair("discs", "0", Picture(degrade(BIG, SCALE)), Picture(BIG))


def upscaler(strength: float = 0.05) -> Upscaler:
    generator = sharpener(strength)
    return Upscaler(Model(generator, generator.info))


def test_without_meters_nothing_more_is_measured() -> None:
    (row,) = evaluate("m", upscaler(), [PAIR], SCALE)
    assert row.lpips is row.niqe is row.consistency is row.checkerboard is row.tof is None
    assert "niqe" not in means([row])["m"]["discs"]


def test_lpips_of_bicubic_is_the_published_one(
    shared_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """0.286 with MATLAB's own enlargement, which rounds each pass; 0.288 with the served one."""
    monkeypatch.setenv("SUPERRES_SHARED_DATA", str(shared_data))
    distance = load_distance()
    pairs = list(find_set("set5", 4).pairs(4))
    found = [distance(imresize(pair.lr.pixels, 4), pair.hr.pixels) for pair in pairs]
    assert np.mean(found) == pytest.approx(0.286, abs=0.0005)
    bicubic = Upscaler(load_model("bicubic", scale=4))
    rows = evaluate("bicubic", bicubic, pairs, 4, meters=open_meters(["lpips"]))
    assert means(rows)["bicubic"]["Set5"]["lpips"] == pytest.approx(0.2876, abs=0.0005)


def test_a_public_srgan_is_closer_by_lpips_than_bicubic(
    shared_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """0.105 against 0.288 over all five pictures; and it leaves a grid, which bicubic does not."""
    monkeypatch.setenv("SUPERRES_SHARED_DATA", str(shared_data))
    pairs = [pair for pair in find_set("set5", 4).pairs(4) if pair.image in ("bird", "butterfly")]
    models = {
        "bicubic": load_model("bicubic", scale=4),
        "srgan": peers.srgan(shared_data / "weights" / "peers"),
    }
    meters = open_meters(["lpips", "checkerboard"])
    rows = [
        row
        for name, model in models.items()
        for row in evaluate(name, Upscaler(model), pairs, 4, meters=meters)
    ]
    found = {name: sets["Set5"] for name, sets in means(rows).items()}
    assert found["srgan"]["lpips"] < 0.6 * found["bicubic"]["lpips"]
    assert found["srgan"]["checkerboard"] > found["bicubic"]["checkerboard"] + 3


def test_lpips_without_weights_is_left_out_with_a_note(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SUPERRES_SHARED_DATA", str(tmp_path))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    meters = open_meters(["lpips", "niqe"])
    assert meters.lpips is None
    assert meters.niqe
    assert "squeezenet1_1" in meters.notes[0]


def test_consistency_is_the_psnr_of_sr_made_small_again() -> None:
    served = upscaler(0.1)
    (row,) = evaluate("m", served, [PAIR], SCALE, meters=Meters(consistency=True))
    sr = served.pixels(PAIR.lr.pixels).astype(np.uint8)
    assert row.consistency == pytest.approx(psnr(degrade(sr, SCALE), PAIR.lr.pixels))
    shifted = replace(PAIR, lr=Picture(np.clip(PAIR.lr.pixels, 0, 200) + np.uint8(30)))
    (moved,) = evaluate("m", served, [shifted], SCALE, meters=Meters(consistency=True))
    assert moved.consistency is not None
    assert moved.consistency > 30  # against the LR it was given, whatever HR is


def test_a_grid_stands_out_above_that_of_hr() -> None:
    generator = sharpener(0)
    generator.body[2].bias.data[0] = generator.body[2].bias.data[4] = 12 / 255
    meters = Meters(checkerboard=True)
    (bad,) = evaluate("m", Upscaler(Model(generator, generator.info)), [PAIR], SCALE, meters=meters)
    (good,) = evaluate("m", upscaler(), [PAIR], SCALE, meters=meters)
    assert bad.checkerboard is not None
    assert good.checkerboard is not None
    assert bad.checkerboard > good.checkerboard + 10
    sr = upscaler().pixels(PAIR.lr.pixels)[SCALE:-SCALE, SCALE:-SCALE]
    inner = BIG[SCALE:-SCALE, SCALE:-SCALE]
    assert good.checkerboard == pytest.approx(checkerboard(sr, 2) - checkerboard(inner, 2))


def test_pictures_too_small_for_a_figure_leave_its_place_empty() -> None:
    small = Pair("discs", "1", Picture(degrade(scene(0), SCALE)), Picture(scene(0)))
    big = Pair("discs", "2", PAIR.lr, Picture(BIG))
    rows = evaluate("m", upscaler(), [small, big], SCALE, meters=Meters(niqe=True))
    assert rows[0].niqe is None
    assert rows[1].niqe is not None
    assert means(rows)["m"]["discs"]["niqe"] == rows[1].niqe


def frames(*numbers: int, clip: str = "c") -> list[Pair]:
    made = []
    for number in numbers:
        hr = np.ascontiguousarray(BIG[:, number : number + 200])
        pair = Pair("v", str(number), Picture(degrade(hr, SCALE)), Picture(hr), clip, number)
        made.append(pair)
    return made


def test_steps_are_measured_between_neighbouring_frames_alone() -> None:
    meters = Meters(temporal=True, lpips=lambda a, b: float(np.abs(a - b).mean()))
    rows = evaluate("m", upscaler(), frames(0, 1, 2, 9, 10), SCALE, meters=meters)
    assert [row.flicker is not None for row in rows] == [False, True, True, False, True]
    assert [row.tlp is not None for row in rows] == [False, True, True, False, True]
    table = means(rows)["m"]["v"]
    assert table["flicker"] == pytest.approx(
        np.mean([row.flicker for row in rows if row.flicker is not None])
    )
    assert {"tof", "warping_error"} <= table.keys()
    assert math.isfinite(table["tof"])


def test_pictures_are_no_frames_and_clips_do_not_mix() -> None:
    meters = Meters(temporal=True)
    rows = evaluate("m", upscaler(), [PAIR, PAIR], SCALE, meters=meters)
    assert [row.flicker for row in rows] == [None, None]
    two = [*frames(0), *frames(1, clip="d")]
    assert [row.tof for row in evaluate("m", upscaler(), two, SCALE, meters=meters)] == [None, None]
