"""`superres degrade` as a script uses it: what it writes, prints and returns."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from numpy.typing import NDArray
from typer.testing import CliRunner, Result

from superres import images
from superres.commands.degrade import degrade
from superres.data.degrade import degrade as shrink
from superres.images import Picture

app = typer.Typer(pretty_exceptions_enable=False)
app.command()(degrade)


def run(*arguments: Any) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def folder(tmp_path: Path, photo: NDArray[np.uint8]) -> Path:
    source = tmp_path / "hr"
    source.mkdir()
    images.write(source / "one.png", Picture(photo[:39]))
    images.write(source / "two.WEBP", Picture(photo, alpha=photo[..., 1]), quality=100)
    (source / "notes.txt").write_text("no picture, so left alone")
    return source


def test_a_folder_becomes_lr_pngs_of_the_same_names(folder: Path, tmp_path: Path) -> None:
    result = run(folder, tmp_path / "lr", "--scale", 4, "--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout) == {
        "input": str(folder),
        "output": str(tmp_path / "lr"),
        "scale": 4,
        "kernel": "bicubic",
        "border": "replicate",
        "written": 2,
        "failed": [],
    }
    assert sorted(p.name for p in (tmp_path / "lr").iterdir()) == ["one.png", "two.png"]
    for name in ("one.png", "two.WEBP"):
        hr = images.read(folder / name)
        lr = images.read(tmp_path / "lr" / f"{Path(name).stem}.png")
        np.testing.assert_array_equal(lr.pixels, shrink(hr.pixels, 4))
        if hr.alpha is not None:
            np.testing.assert_array_equal(lr.alpha, shrink(hr.alpha, 4))


def test_depth_grey_and_options_are_kept(tmp_path: Path) -> None:
    levels = np.arange(0, 64_000, 250, dtype=np.uint16).reshape(16, 16)
    hr = Picture(np.repeat(levels[..., None], 3, axis=2), grey=True)
    images.write(tmp_path / "deep.png", hr)
    options = ("--kernel", "lanczos3", "--border", "reflect")
    assert run(tmp_path / "deep.png", tmp_path / "lr", "--scale", 2, *options).exit_code == 0
    lr = images.read(tmp_path / "lr" / "deep.png")
    assert (lr.grey, lr.bit_depth) == (True, 16)
    np.testing.assert_array_equal(lr.pixels, shrink(hr.pixels, 2, "lanczos3", "reflect"))


def test_bad_files_are_reported_and_the_others_written(folder: Path, tmp_path: Path) -> None:
    (folder / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n broken")
    images.write(folder / "point.png", Picture(np.zeros((1, 1, 3), np.uint8)))
    images.write(folder / "one.tif", images.read(folder / "one.png"))
    result = run(folder, tmp_path / "lr", "--scale", 4, "--json")
    assert result.exit_code == 3
    summary = json.loads(result.stdout)
    assert summary["written"] == 2
    failed = {Path(entry["input"]).name: entry["error"] for entry in summary["failed"]}
    assert set(failed) == {"broken.png", "point.png", "one.tif"}
    assert "damaged or truncated" in failed["broken.png"]
    assert "at least 4 pixels" in failed["point.png"]
    assert "one.png has the same name" in failed["one.tif"]
    for message in failed.values():
        assert message in result.stderr


def test_nothing_written_is_a_failure(tmp_path: Path) -> None:
    (tmp_path / "bad.png").write_bytes(b"text")
    assert run(tmp_path / "bad.png", tmp_path / "lr", "--scale", 2).exit_code == 1
    (tmp_path / "empty").mkdir()
    result = run(tmp_path / "empty", tmp_path / "lr", "--scale", 2)
    assert result.exit_code == 1
    assert "no picture was written, of 0 found" in result.stderr


@pytest.mark.parametrize(
    "options",
    [[], ["--scale", 0], ["--scale", 2, "--kernel", "cubic"], ["--scale", 2, "--border", "wrap"]],
)
def test_wrong_usage(folder: Path, tmp_path: Path, options: list[Any]) -> None:
    assert run(folder, tmp_path / "lr", *options).exit_code == 2
    assert not (tmp_path / "lr").exists()


def test_hr_files_are_never_overwritten(folder: Path) -> None:
    before = {p.name: p.read_bytes() for p in folder.iterdir()}
    for source in (folder, folder / "one.png"):
        assert run(source, folder, "--scale", 2).exit_code == 2
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == before
    assert run(folder / "gone", folder, "--scale", 2).exit_code == 2
