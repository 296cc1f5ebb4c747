"""`superres upscale` through stdin and stdout, and of one frame: the rules of files hold there."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from films import flat_frames
from numpy.typing import NDArray
from PIL import Image
from typer.testing import CliRunner, Result

from superres import images, video
from superres.commands.upscale import upscale
from superres.errors import ConfigError
from superres.images import Picture, animation

app = typer.Typer(pretty_exceptions_enable=False)
app.command()(upscale)


def run(*arguments: Any, given: bytes | None = None) -> Result:
    words = [*map(str, arguments), "--model", "nearest", "--scale", "2"]
    return CliRunner().invoke(app, words, input=given)


@pytest.fixture
def picture(tmp_path: Path, photo: NDArray[np.uint8]) -> Path:
    images.write(tmp_path / "in.png", Picture(photo))
    return tmp_path / "in.png"


@pytest.fixture
def film(tmp_path: Path) -> Path:
    video.write(tmp_path / "in.mkv", flat_frames(4, 16, 24))
    return tmp_path / "in.mkv"


def test_what_cannot_be_read_is_an_error_in_words(tmp_path: Path) -> None:
    missing = run(tmp_path / "nope.png", "-o", "-")
    assert missing.exit_code == 1
    assert (
        missing.stderr == f"error: {tmp_path}/nope.png: cannot be read: No such file or directory\n"
    )
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "in.png").write_bytes(b"any")
    folder = run(tmp_path / "folder", "-o", "-")
    assert folder.exit_code == 1
    assert "is a folder; - as output takes one picture" in folder.stderr
    text = run("-", "-o", "-", given=b"no picture")
    assert text.exit_code == 1
    assert "no picture of a known type" in text.stderr
    assert missing.stdout_bytes == folder.stdout_bytes == text.stdout_bytes == b""


@pytest.mark.parametrize("words", [("-", "-o"), ("in.mkv", "--frame", "0.1", "-o")])
def test_what_exists_is_kept_unless_told(
    picture: Path, film: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    monkeypatch.chdir(picture.parent)
    target, given = Path("out.png"), picture.read_bytes()
    target.write_bytes(b"mine")
    refused = run(*words, target, given=given)
    assert refused.exit_code == 1
    assert "exists already; use --overwrite" in refused.stderr
    skipped = run(*words, target, "--existing", "skip", given=given)
    assert (skipped.exit_code, target.read_bytes()) == (0, b"mine")
    assert run(*words, target, "--overwrite", given=given).exit_code == 0
    assert images.read(target).width in (48, 112)


def test_json_is_told_of_a_pipe_and_a_frame(picture: Path, film: Path, tmp_path: Path) -> None:
    given = picture.read_bytes()
    piped = run("-", "-o", tmp_path / "out.png", "--json", given=given)
    record = json.loads(piped.stdout)
    assert (record["input"], record["status"], record["width"]) == ("-", "ok", 112)
    framed = run(film, "-o", tmp_path / "frame.png", "--frame", "0", "--json")
    record = json.loads(framed.stdout)
    assert (record["input"], record["status"], record["width"]) == (str(film), "ok", 48)
    wrong = run(film, "-o", tmp_path / "late.png", "--frame", "60", "--json")
    assert (wrong.exit_code, json.loads(wrong.stdout)["status"]) == (1, "failed")


def test_json_never_mixes_with_a_picture_on_stdout(picture: Path) -> None:
    result = run(picture, "-o", "-", "--json")
    assert images.decode(result.stdout_bytes).width == 112
    assert json.loads(result.stderr)["output"] == "-"
    failed = run("-", "-o", "-", "--json", given=b"no picture")
    assert failed.stdout_bytes == b""
    assert json.loads(failed.stderr)["status"] == "failed"


def test_an_animation_through_a_pipe_stays_one(tmp_path: Path) -> None:
    made = [Image.new("RGB", (10, 6), colour) for colour in ("red", "lime", "blue")]
    made[0].save(tmp_path / "in.gif", save_all=True, append_images=made[1:], duration=[50, 90, 70])
    result = run("-", "-o", "-", given=(tmp_path / "in.gif").read_bytes())
    assert animation.extent(result.stdout_bytes) == (3, 20, 12)
    assert animation.timing(result.stdout_bytes).durations == (50, 90, 70)


def test_a_frame_on_stdout(film: Path) -> None:
    result = run(film, "-o", "-", "--frame", "0.1", "--format", "jpg")
    picture = images.decode(result.stdout_bytes)
    assert (picture.format, picture.width) == ("JPEG", 48)


@pytest.mark.parametrize("words", [("in.png",), ("-",), ("in.mkv", "--frame", "0")])
def test_a_format_never_contradicts_the_name(
    picture: Path, film: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    monkeypatch.chdir(picture.parent)
    given = picture.read_bytes()
    result = run(*words, "-o", "a.png", "--format", "webp", given=given)
    assert isinstance(result.exception, ConfigError)
    assert "leave --format out or name the output a.webp" in str(result.exception)
    assert not Path("a.png").exists()
    assert run(*words, "-o", "a.jpeg", "--format", "jpg", given=given).exit_code == 0
    assert images.read(Path("a.jpeg")).format == "JPEG"
