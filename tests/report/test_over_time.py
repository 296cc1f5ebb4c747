"""Models over the frames of a clip: the table, the plot, the slice and the film."""

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from scenery import moved, scenery

from superres import images, video
from superres.checkpoint import Model, load_model, save_model
from superres.commands.clips import clips
from superres.data.degrade import degrade
from superres.evaluation import Meters, Pair
from superres.images import Picture
from superres.inference.upscaler import Upscaler
from superres.models import Generator, ModelInfo, build
from superres.report import over_time
from superres.report.over_time import BAR, TALL, Seen, watch

SCALE, COUNT = 2, 6


class Nervous(Generator):
    """Bicubic, every other call brighter."""

    def __init__(self) -> None:
        super().__init__()
        self.bicubic, self.calls = build("bicubic", scale=SCALE), 0
        self.info = ModelInfo("nervous", scale=SCALE, halo=2)

    def forward(self, lr: torch.Tensor) -> torch.Tensor:
        self.calls += lr.shape[-1] > 60  # not the probes of the backend
        sr: torch.Tensor = self.bicubic(lr) + 0.02 * (-1) ** self.calls
        return sr


@pytest.fixture(scope="module")
def pairs() -> list[Pair]:
    whole, made = scenery(3, 160, 200), []
    for k in range(COUNT):
        hr = np.ascontiguousarray(moved(whole, -k, -2 * k)[10:106, 10:138])
        lr = Picture(degrade(hr, SCALE))
        made.append(Pair("pan", f"{k}", lr, Picture(hr), clip="pan", frame=k))
    return made


@pytest.fixture(scope="module")
def seen(pairs: list[Pair]) -> list[Seen]:
    network = build("recurrent", scale=SCALE, channels=4, layers=1).eval()
    models = {
        "bicubic": Upscaler(load_model("bicubic", scale=SCALE)),
        "nervous": Upscaler(Model(Nervous(), ModelInfo("nervous", scale=SCALE, halo=2))),
        "memory": Upscaler(Model(network, network.info)),
    }
    return watch(models, pairs, 0, Meters(temporal=True))


def test_every_frame_and_step_is_measured(seen: list[Seen]) -> None:
    assert [one.name for one in seen] == ["bicubic", "nervous", "memory", "HR"]
    for one in seen[:3]:
        assert len(one.rows) == COUNT
        assert one.rows[0].flicker is None, "the first frame follows none"
        assert all(row.flicker is not None and row.tof is not None for row in one.rows[1:])


def test_a_network_of_video_is_measured_as_film_and_new_it_is_bicubic(seen: list[Seen]) -> None:
    bicubic, _, memory = seen[:3]
    for a, b in zip(bicubic.rows, memory.rows, strict=True):
        assert a.psnr_y == pytest.approx(b.psnr_y, abs=0.01)


def test_flicker_shows_in_the_figures(seen: list[Seen]) -> None:
    calm, nervous = (seen[k].mean("flicker") for k in (0, 1))
    assert calm is not None
    assert nervous is not None
    assert nervous > calm + 0.001


def test_the_table_has_a_row_for_each_model(seen: list[Seen]) -> None:
    lines = over_time.table({"pan": seen}).splitlines()
    assert len(lines) == 2 + 3
    assert "tOF" in lines[0]
    assert "PSNR-Y" in lines[0]
    assert lines[2].startswith("| pan | bicubic |")


def test_the_slice_has_the_middle_row_of_every_frame(seen: list[Seen], pairs: list[Pair]) -> None:
    pixels = np.asarray(Image.open(io.BytesIO(over_time.profile(seen))).convert("RGB"))
    tall = BAR + TALL * COUNT
    assert pixels.shape == (4 * tall, 128, 3)
    truth = pixels[3 * tall + BAR :: TALL]
    for k, pair in enumerate(pairs):
        assert np.array_equal(truth[k], pair.hr.pixels[48])


def test_the_report_is_written_whole(seen: list[Seen], tmp_path: Path) -> None:
    over_time.write_report({"pan": seen}, tmp_path / "report", protocol="Luma, 0 px shaved.")
    names = sorted(file.name for file in (tmp_path / "report").iterdir())
    assert names == ["frames.csv", "over-time.md", "pan-slice.png", "pan.mp4", "pan.svg"]
    told = (tmp_path / "report" / "over-time.md").read_text(encoding="utf-8")
    assert told.startswith("Luma, 0 px shaved.\n\n| clip |")
    lines = (tmp_path / "report" / "frames.csv").read_text(encoding="utf-8").splitlines()
    assert len(lines) == 1 + 3 * COUNT
    assert lines[1].startswith("pan,bicubic,0,")
    assert lines[1].endswith(",,,,"), "the first frame has no step before it"
    info = video.probe(tmp_path / "report" / "pan.mp4")
    assert (info.width, info.frames) == (4 * 128, COUNT)
    assert "<svg" in (tmp_path / "report" / "pan.svg").read_text(encoding="utf-8")


def test_the_command_line_measures_folders_of_frames(pairs: list[Pair], tmp_path: Path) -> None:
    (tmp_path / "hr" / "pan").mkdir(parents=True)
    for pair in pairs[:3]:
        file = tmp_path / "hr" / "pan" / f"{pair.image}.png"
        file.write_bytes(images.encode(pair.hr))
    network = build("recurrent", scale=SCALE, channels=4, layers=1)
    save_model(tmp_path / "memory", network, {})
    words = ["clips", "memory", "--data", "hr", "--scale", "2", "-o", "out", "--json"]
    told = subprocess.run(
        [sys.executable, "-m", "superres", *words],
        cwd=tmp_path,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    found = json.loads(told.stdout)["clips"]["pan"]
    assert found.keys() == {"bicubic", "memory"}
    assert found["memory"]["psnr_y"] == pytest.approx(found["bicubic"]["psnr_y"], abs=0.02)
    assert (tmp_path / "out" / "pan.mp4").is_file()
    explained = (tmp_path / "out" / "over-time.md").read_text(encoding="utf-8")
    assert "0 HR pixels shaved, every frame counts (pan 3 frames)" in explained


def test_the_shipped_srgan_frame_by_frame_is_always_beside_it(
    pairs: list[Pair], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "hr" / "pan").mkdir(parents=True)
    for pair in pairs[:2]:
        file = tmp_path / "hr" / "pan" / f"{pair.image}.png"
        file.write_bytes(images.encode(pair.hr))
    network = build("srresnet", scale=SCALE, channels=4, blocks=1)
    save_model(tmp_path / "models" / "pretrained" / "srgan-x2", network, {})
    monkeypatch.chdir(tmp_path)
    clips(["bilinear"], data="hr", scale=SCALE, out=Path("out"))
    table = (tmp_path / "out" / "over-time.md").read_text(encoding="utf-8")
    names = [line.split("|")[2].strip() for line in table.splitlines() if "| pan |" in line]
    assert names == ["bicubic", "srgan-x2", "bilinear"]
