"""`superres upscale` as a script uses it: what it writes, prints and returns."""

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from numpy.typing import NDArray
from PIL import Image
from typer.testing import CliRunner, Result

from superres import images, video
from superres.checkpoint import save_model
from superres.commands.upscale import upscale
from superres.errors import ConfigError, InputError
from superres.images import Picture
from superres.models import build
from superres.video import Frame

app = typer.Typer(pretty_exceptions_enable=False)
app.command()(upscale)


def run(*arguments: Any) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def records(result: Result) -> list[dict[str, Any]]:
    return [json.loads(line) for line in result.stdout.splitlines()]


@pytest.fixture
def library(tmp_path: Path, photo: NDArray[np.uint8]) -> Path:
    """A folder with a picture, one in a folder below, a broken one and a text file."""
    folder = tmp_path / "library"
    (folder / "deep").mkdir(parents=True)
    images.write(folder / "one.png", Picture(photo))
    images.write(folder / "deep" / "zwei ä.jpg", Picture(photo))
    (folder / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nnot really")
    (folder / "notes.txt").write_text("no picture")
    return folder


def clip(path: Path) -> None:
    frames = (
        Frame(np.full((16, 24, 3), 9 * n, np.uint8), n, n / 10, n, Fraction(1, 10))
        for n in range(4)
    )
    video.write(path, frames)


def test_one_file_into_a_file(library: Path, tmp_path: Path, photo: NDArray[np.uint8]) -> None:
    result = run(library / "one.png", "-o", tmp_path / "sr.png", "--model", "nearest", "--json")
    assert result.exit_code == 0
    (record,) = records(result)
    assert record.pop("seconds") >= 0
    assert record == {
        "input": str(library / "one.png"),
        "output": str(tmp_path / "sr.png"),
        "model": "nearest",
        "version": "nearest",
        "network": "nearest",
        "width": 4 * 56,
        "height": 4 * 40,
        "status": "ok",
    }
    sr = images.read(tmp_path / "sr.png").pixels
    np.testing.assert_array_equal(sr, photo.repeat(4, axis=0).repeat(4, axis=1))


def test_a_folder_is_mirrored_and_a_bad_file_skipped(library: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    result = run(library, "-o", out, "--model", "bicubic", "--scale", "2", "--json")
    assert result.exit_code == 3
    assert {r["output"]: r["status"] for r in records(result)} == {
        str(out / "one.png"): "ok",
        str(out / "deep" / "zwei ä.jpg"): "ok",
        str(out / "broken.png"): "failed",
    }
    (failed,) = [r for r in records(result) if r["status"] == "failed"]
    assert "damaged" in failed["error"]
    assert failed["width"] is None
    assert "broken.png" in result.stderr
    assert sorted(p.name for p in out.rglob("*") if p.is_file()) == ["one.png", "zwei ä.jpg"]


def test_all_files_failed(library: Path, tmp_path: Path) -> None:
    inputs = (library / "broken.png", tmp_path / "missing.png")
    result = run(*inputs, "-o", tmp_path / "out", "--model", "nearest", "--json")
    assert result.exit_code == 1
    assert [record["status"] for record in records(result)] == ["failed", "failed"]


def test_an_existing_output_is_kept_unless_told(library: Path, tmp_path: Path) -> None:
    target = tmp_path / "sr.png"
    target.write_bytes(b"mine")
    arguments = (library / "one.png", "-o", target, "--model", "nearest", "--json")
    refused = run(*arguments)
    assert refused.exit_code == 1
    assert "--overwrite" in records(refused)[0]["error"]
    assert target.read_bytes() == b"mine"
    assert run(*arguments, "--overwrite").exit_code == 0
    assert images.read(target).width == 224


def test_the_input_is_never_the_output(library: Path) -> None:
    before = (library / "one.png").read_bytes()
    result = run(library / "one.png", "-o", library, "--model", "nearest", "--overwrite")
    assert result.exit_code == 1
    assert "the input itself" in result.stderr
    assert (library / "one.png").read_bytes() == before


def test_two_inputs_never_share_an_output(library: Path, tmp_path: Path) -> None:
    (library / "deep" / "one.png").write_bytes((library / "one.png").read_bytes())
    inputs = (library / "one.png", library / "deep" / "one.png")
    result = run(*inputs, "-o", tmp_path / "out", "--model", "nearest", "--overwrite", "--json")
    assert result.exit_code == 3
    assert [record["status"] for record in records(result)] == ["ok", "failed"]


def test_results_of_an_earlier_run_are_not_taken_for_inputs(library: Path) -> None:
    (library / "broken.png").unlink()
    arguments = (library, "-o", library / "sr", "--model", "nearest", "--overwrite", "--json")
    assert len(records(run(*arguments))) == 2
    again = run(*arguments)
    assert again.exit_code == 0
    assert len(records(again)) == 2


def test_a_video_becomes_a_video(tmp_path: Path) -> None:
    clip(tmp_path / "clip.mkv")
    result = run(
        tmp_path / "clip.mkv",
        "-o",
        tmp_path / "sr.mp4",
        "--model",
        "nearest",
        "--scale",
        2,
        "--json",
    )
    assert result.exit_code == 0
    assert (records(result)[0]["width"], records(result)[0]["height"]) == (48, 32)
    assert len(list(video.read(tmp_path / "sr.mp4"))) == 4


def test_a_file_says_which_model_made_it(library: Path, tmp_path: Path) -> None:
    provenance = {"version": "12", "run_id": "f00", "data_sha256": "c0ffee"}
    folder = save_model(tmp_path / "cubic-x2", build("bicubic", scale=2), provenance)
    result = run(library / "one.png", "-o", tmp_path / "sr.png", "--model", folder, "--json")
    assert result.exit_code == 0
    record = records(result)[0]
    assert (record["model"], record["network"]) == ("cubic-x2", "bicubic")
    with Image.open(tmp_path / "sr.png") as picture:
        text = dict(picture.info)
    assert text["superres.model"] == "cubic-x2"
    assert text["superres.network"] == "bicubic"
    assert text["superres.version"] == "12"
    assert text["superres.run_id"] == "f00"
    assert text["superres.data_sha256"] == "c0ffee"


@pytest.mark.parametrize(
    ("words", "size"),
    [
        (["--scale", "4"], (224, 160)),
        (["--scale", "3"], (168, 120)),
        (["--scale", "1.5"], (84, 60)),
        (["--size", "100x"], (100, 71)),
        (["--size", "x100"], (140, 100)),
        (["--size", "90x90"], (90, 90)),
    ],
)
def test_a_model_of_another_scale_gives_any_size(
    library: Path, tmp_path: Path, words: list[str], size: tuple[int, int]
) -> None:
    folder = save_model(tmp_path / "model", build("bicubic", scale=2), {})
    result = run(library / "one.png", "-o", tmp_path / "x.png", "--model", folder, *words, "--json")
    assert result.exit_code == 0
    sr = images.read(tmp_path / "x.png")
    assert (sr.width, sr.height) == size
    assert (records(result)[0]["width"], records(result)[0]["height"]) == size


@pytest.mark.parametrize(
    ("words", "model"),
    [
        (["--size", "112x"], "quality-x2"),
        (["--size", "x60"], "quality-x2"),
        (["--size", "113x"], "quality-x4"),
        (["--size", "999x"], "quality-x4"),
        (["--scale", "1.5"], "quality-x2"),
        ([], "quality-x4"),
    ],
)
def test_the_model_that_stands_in_for_the_champion_suits_the_size(
    library: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], model: str
) -> None:
    monkeypatch.chdir(tmp_path)
    for scale in (2, 4):
        folder = Path("models/pretrained") / f"quality-x{scale}"
        save_model(folder, build("nearest", scale=scale), {})
    result = run(library / "one.png", "-o", "sr.png", *words, "--json")
    assert records(result)[0]["model"] == model


@pytest.mark.parametrize(
    "words",
    [
        ["--scale", "0"],
        ["--scale", "-2"],
        ["--scale", "1000"],
        ["--scale", "2", "--size", "9x9"],
        ["--quality", "0"],
        ["--existing", "maybe"],
        ["--precision", "int3"],
    ],
)
def test_options_that_make_no_sense_are_usage_errors(
    library: Path, tmp_path: Path, words: list[str]
) -> None:
    assert run(library / "one.png", "-o", tmp_path / "x.png", *words).exit_code == 2


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--size", "wide"], "1920x1080, 1920x or x1080"),
        (["--name", "{date}{suffix}"], "{stem}, {suffix}, {scale}, {model}"),
        (["--name", "../{stem}"], "name of a file"),
        (["--format", "doc"], "accepted: avif"),
    ],
)
def test_texts_that_cannot_be_used_say_what_can(
    library: Path, tmp_path: Path, words: list[str], told: str
) -> None:
    result = run(library / "one.png", "-o", tmp_path / "out", "--model", "nearest", *words)
    assert isinstance(result.exception, ConfigError)
    assert told in str(result.exception)


def test_names_and_formats_follow_the_template(library: Path, tmp_path: Path) -> None:
    name = "{stem}_{model}_x{scale}{suffix}"
    words = ("--model", "nearest", "--scale", 2, "--name", name, "--format", "webp")
    assert run(library, "-o", tmp_path / "out", *words).exit_code == 3
    names = sorted(p.name for p in (tmp_path / "out").rglob("*") if p.is_file())
    assert names == ["one_nearest_x2.webp", "zwei ä_nearest_x2.webp"]


def test_a_pattern_names_files(library: Path, tmp_path: Path) -> None:
    words = ("-o", tmp_path / "out", "--model", "nearest", "--json")
    found = records(run(f"{library}/**/*.jpg", *words))
    assert [Path(record["input"]).name for record in found] == ["zwei ä.jpg"]
    nothing = run(f"{library}/*.webp", *words)
    assert isinstance(nothing.exception, InputError)
    assert "of that pattern" in str(nothing.exception)


def test_what_exists_may_be_skipped(library: Path, tmp_path: Path) -> None:
    target = tmp_path / "sr.png"
    target.write_bytes(b"mine")
    words = (library / "one.png", "-o", target, "--model", "nearest", "--existing", "skip")
    result = run(*words, "--json")
    assert (result.exit_code, records(result)[0]["status"]) == (0, "skipped")
    assert target.read_bytes() == b"mine"


def test_a_summary_tells_how_it_went(library: Path, tmp_path: Path) -> None:
    result = run(library, "-o", tmp_path / "out", "--model", "nearest", "--scale", 2)
    assert result.exit_code == 3
    table = result.stdout.splitlines()[-3:]
    assert [line.split() for line in table] == [
        ["files", "megapixels", "seconds"],
        ["ok", "2", "0.0", table[1].split()[-1]],
        ["failed", "1", "0.0", table[2].split()[-1]],
    ]


def test_a_picture_through_a_pipe(photo: NDArray[np.uint8]) -> None:
    data = images.encode(Picture(photo), "JPEG")
    words = ["-", "-o", "-", "--model", "nearest", "--scale", "2", "--format", "png"]
    result = CliRunner().invoke(app, words, input=data)
    assert result.exit_code == 0
    sr = images.decode(result.stdout_bytes)
    assert (sr.format, sr.width, sr.height) == ("PNG", 112, 80)


def test_a_picture_from_a_pipe_into_a_file(photo: NDArray[np.uint8], tmp_path: Path) -> None:
    words = ["-", "-o", str(tmp_path / "sr.webp"), "--model", "nearest"]
    result = CliRunner().invoke(app, words, input=images.encode(Picture(photo)))
    assert result.exit_code == 0
    assert images.read(tmp_path / "sr.webp").format == "WEBP"


def test_the_ensemble_is_an_option(library: Path, tmp_path: Path) -> None:
    target = tmp_path / "sr.png"
    words = ("--model", "bicubic", "--ensemble", "--quality", 90)
    assert run(library / "one.png", "-o", target, *words).exit_code == 0
    assert images.read(target).width == 224


def test_a_frame_of_a_video_as_a_preview(tmp_path: Path) -> None:
    clip(tmp_path / "clip.mkv")
    words = ("--model", "nearest", "--scale", 2, "--frame", 0.2)
    assert run(tmp_path / "clip.mkv", "-o", tmp_path / "frame.png", *words).exit_code == 0
    frame = images.read(tmp_path / "frame.png")
    assert (frame.width, frame.height) == (48, 32)
    assert abs(float(frame.pixels.mean()) - 18) < 3


def test_options_of_a_video_reach_it(tmp_path: Path) -> None:
    clip(tmp_path / "clip.mkv")
    words = ("--model", "nearest", "--scale", 2, "--codec", "vp9", "--crf", 30, "--start", 0.15)
    assert run(tmp_path / "clip.mkv", "-o", tmp_path / "sr.webm", *words).exit_code == 0
    assert len(list(video.read(tmp_path / "sr.webm"))) in (2, 3)
    wrong = run(tmp_path / "clip.mkv", "-o", tmp_path / "x.mp4", "--model", "nearest",
                "--codec", "mpeg1")  # fmt: skip
    assert isinstance(wrong.exception, ConfigError)


@pytest.mark.parametrize("tile", ["-1", "big", "1.5", ""])
def test_a_tile_that_is_no_number_is_a_usage_error(
    library: Path, tmp_path: Path, tile: str
) -> None:
    assert run(library / "one.png", "-o", tmp_path / "x.png", f"--tile={tile}").exit_code == 2


@pytest.mark.parametrize("tile", ["auto", "0", "16"])
def test_the_tile_does_not_show(library: Path, tmp_path: Path, tile: str) -> None:
    target = tmp_path / "sr.png"
    assert (
        run(library / "one.png", "-o", target, "--model", "lanczos", "--tile", tile).exit_code == 0
    )
    whole = run(library / "one.png", "-o", tmp_path / "whole.png", "--model", "lanczos")
    assert whole.exit_code == 0
    difference = images.read(target).pixels.astype(int) - images.read(tmp_path / "whole.png").pixels
    assert np.abs(difference).max() <= 1
