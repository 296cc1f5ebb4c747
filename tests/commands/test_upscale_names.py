"""How `superres upscale` calls its results, and below which folder it puts them."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from films import flat_frames
from PIL import Image
from typer.testing import CliRunner, Result

from superres import images, video
from superres.commands.upscale import upscale
from superres.errors import ConfigError
from superres.images import Picture

app = typer.Typer(pretty_exceptions_enable=False)
app.command()(upscale)


def run(*arguments: Any) -> Result:
    words = [*map(str, arguments), "--model", "nearest"]
    return CliRunner().invoke(app, words)


def picture(path: Path, width: int = 32, height: int = 16) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    images.write(path, Picture(np.zeros((height, width, 3), np.uint8)))
    return path


def written(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.*"))


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("in/**/p.png", ["a/p.png", "b/c/p.png", "p.png"]),
        ("in/*/*.png", ["a/p.png"]),
        ("i?/a/p.png", ["in/a/p.png"]),
    ],
)
def test_a_pattern_is_mirrored_from_its_first_wildcard_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pattern: str, names: list[str]
) -> None:
    for name in ("p.png", "a/p.png", "b/c/p.png"):
        picture(tmp_path / "in" / name)
    monkeypatch.chdir(tmp_path)
    for given in (pattern, tmp_path / pattern):
        out = tmp_path / ("absolute" if given != pattern else "relative")
        assert run(given, "-o", out).exit_code == 0
        assert written(out) == names


@pytest.mark.parametrize(("size", "factor"), [("320x", "10"), ("x40", "2.5"), ("32x160", "10")])
def test_the_factor_in_a_name_is_that_of_the_file(tmp_path: Path, size: str, factor: str) -> None:
    picture(tmp_path / "in" / "a.png")
    picture(tmp_path / "in" / "b.png", 64, 32)
    name = "{stem}_x{scale}{suffix}"
    assert (
        run(tmp_path / "in", "-o", tmp_path / "out", "--size", size, "--name", name).exit_code == 0
    )
    assert f"a_x{factor}.png" in written(tmp_path / "out")
    assert f"b_x{factor}.png" not in written(tmp_path / "out")


def test_the_factor_of_a_turned_picture_and_of_a_video(tmp_path: Path) -> None:
    turned = Image.Exif()
    turned[0x0112] = 6
    (tmp_path / "in").mkdir()
    Image.new("RGB", (32, 16)).save(tmp_path / "in" / "a.jpg", exif=turned.tobytes())
    video.write(tmp_path / "in" / "b.mkv", flat_frames(2, 16, 32))
    (tmp_path / "in" / "c.mkv").write_text("no video")
    name = "{stem}_x{scale}{suffix}"
    words = ("--size", "64x", "--name", name)
    assert run(tmp_path / "in", "-o", tmp_path / "out", *words).exit_code == 3
    assert written(tmp_path / "out") == ["a_x4.jpg", "b_x2.mkv"]


def test_a_format_may_be_a_container(tmp_path: Path) -> None:
    picture(tmp_path / "in" / "a.jpg")
    video.write(tmp_path / "in" / "b.mkv", flat_frames(2, 16, 32))
    assert run(tmp_path / "in", "-o", tmp_path / "out", "--format", "webm").exit_code == 0
    assert written(tmp_path / "out") == ["a.jpg", "b.webm"]
    assert video.probe(tmp_path / "out" / "b.webm").codec == "vp9"


def test_a_format_that_is_none_names_those_that_are(tmp_path: Path) -> None:
    picture(tmp_path / "a.jpg")
    result = run(tmp_path / "a.jpg", "-o", tmp_path / "out", "--format", "avi")
    assert isinstance(result.exception, ConfigError)
    assert "webp" in str(result.exception)
    assert "webm" in str(result.exception)
