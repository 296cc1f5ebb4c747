"""What `superres upscale` offers for videos."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from films import clip, flat_frames
from typer.testing import CliRunner, Result

from superres import images, video
from superres.checkpoint import load_model, save_model
from superres.commands.upscale import upscale
from superres.errors import ConfigError
from superres.images import Picture
from superres.inference import CancelledError, Upscaler
from superres.models import build
from superres.video import VideoOptions

app = typer.Typer(pretty_exceptions_enable=False)
app.command()(upscale)


def run(*arguments: Any) -> Result:
    common = ("--model", "nearest", "--scale", 2, "--backend", "torch", "--device", "cpu")
    return CliRunner().invoke(app, [str(argument) for argument in (*arguments, *common)])


@pytest.fixture
def film(tmp_path: Path) -> Path:
    """A clip of 40 frames, 25 a second."""
    video.write(tmp_path / "in.mkv", flat_frames(40, 64, 64))
    return tmp_path / "in.mkv"


def test_codec_quality_and_the_part_to_take(film: Path, tmp_path: Path) -> None:
    wanted = ("--codec", "av1", "--crf", 40, "--preset", "fast", "--start", 0.4, "--duration", 0.4)
    result = run(film, "-o", tmp_path / "out.mp4", *wanted, "--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout)["status"] == "ok"
    info = video.probe(tmp_path / "out.mp4")
    assert (info.codec, info.frames) == ("libdav1d", 10)
    assert (info.width, info.height) == (128, 128)


def test_the_suffix_chooses_the_container(film: Path, tmp_path: Path) -> None:
    assert run(film, "-o", tmp_path / "out.webm").exit_code == 0
    assert video.probe(tmp_path / "out.webm").codec == "vp9"


def test_one_frame_becomes_a_picture(film: Path, tmp_path: Path) -> None:
    assert run(film, "-o", tmp_path / "frame.png", "--frame", 0.5).exit_code == 0
    shown = next(frame for frame in video.read(film) if frame.seconds > 0.47)
    found = images.read(tmp_path / "frame.png").pixels
    assert np.array_equal(found, shown.pixels.repeat(2, axis=0).repeat(2, axis=1))


@pytest.mark.parametrize(
    ("option", "told"),
    [(("--codec", "divx"), "accepted: h264"), (("--on-interrupt", "ask"), "keep, discard")],
)
def test_options_that_are_not_known(film: Path, tmp_path: Path, option: Any, told: str) -> None:
    result = run(film, "-o", tmp_path / "out.mp4", *option)
    assert isinstance(result.exception, ConfigError)
    assert told in str(result.exception)


def test_what_ctrl_c_kept_is_gone_on_with(film: Path, tmp_path: Path) -> None:
    """The playable beginning has the output's name, and is no reason not to write there."""
    done: list[int] = []
    scaler = Upscaler(load_model("nearest", scale=2), backend="torch", device="cpu")
    out = tmp_path / "out.mp4"
    with pytest.raises(CancelledError):
        scaler.video(
            film,
            out,
            options=VideoOptions(on_interrupt="keep"),
            progress=lambda count, total: done.append(count),
            cancelled=lambda: len(done) >= 20,
        )
    assert 20 <= len(list(video.read(out))) < 40
    refused = run(film, "-o", out)
    assert refused.exit_code == 1
    assert "exists already" in refused.stderr
    resumed = run(film, "-o", out, "--resume")
    assert resumed.exit_code == 0
    assert len(list(video.read(out))) == 40
    again = run(film, "-o", out, "--resume")  # nothing is left to go on with
    assert "exists already" in again.stderr


def test_a_folder_of_videos(tmp_path: Path) -> None:
    (tmp_path / "films").mkdir()
    for name in ("a.mp4", "b.webm"):
        video.write(tmp_path / "films" / name, flat_frames(3))
    clip(tmp_path / "films" / "c.ts")
    assert run(tmp_path / "films", "-o", tmp_path / "out").exit_code == 0
    written = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert written == ["a.mp4", "b.webm", "c.mp4"]


def test_a_network_of_video_upscales_films_and_pictures_from_the_command_line(
    film: Path, tmp_path: Path
) -> None:
    network = build("recurrent", scale=2, channels=4, layers=1)
    folder = save_model(tmp_path / "memory", network, {"version": "memory-1"})
    words = [str(film), "-o", str(tmp_path / "out.mkv"), "--model", str(folder), "--json"]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["network"] == "recurrent"
    assert video.probe(tmp_path / "out.mkv").width == 128
    (tmp_path / "in.png").write_bytes(images.encode(Picture(np.zeros((20, 30, 3), np.uint8))))
    words = [str(tmp_path / "in.png"), "-o", str(tmp_path / "out.png"), "--model", str(folder)]
    assert CliRunner().invoke(app, words).exit_code == 0
    assert images.read(tmp_path / "out.png").width == 60
