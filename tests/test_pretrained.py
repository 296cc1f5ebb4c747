"""Shipped models are found by name from a checkout, another folder and an installation."""

import shutil
import tomllib
from pathlib import Path

import pytest
from small import write_model

import superres
from superres import pretrained
from superres.checkpoint import load_model
from superres.errors import ModelError
from superres.inference.opening import open_model

PLACES = pretrained._places  # tests/conftest.py puts another in its place
ROOT = Path(__file__).parents[1]
SMALL = 8_000_000  # bytes of a shipped folder
SHIPPED = sorted(file.parent for file in (ROOT / "models/pretrained").glob("*/model.json"))


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder; nothing is shipped but below it."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def shipped(project: Path, *names: str) -> None:
    for name in names:
        write_model(project / "models/pretrained" / name, 0.02, scale=int(name[-1]))


def test_a_name_is_a_model_everywhere_that_one_is_taken(project: Path) -> None:
    shipped(project, "fast-x4", "fast-x2")
    assert load_model("fast-x4").version == "fast-x4-v"
    assert load_model("pretrained/fast-x2").info.scale == 2
    assert open_model("fast-x4").version == "fast-x4-v"
    assert superres.load("fast-x2").info.scale == 2


def test_an_own_training_of_that_name_comes_first(project: Path) -> None:
    shipped(project, "fast-x4")
    write_model(project / "models/runs/fast-x4", 0.03, scale=4)
    assert load_model("fast-x4").folder == Path("models/runs/fast-x4")
    assert load_model("pretrained/fast-x4").folder == Path("models/pretrained/fast-x4")


def test_until_there_is_a_champion_the_best_shipped_model_is_used(
    project: Path, caplog: pytest.LogCaptureFixture
) -> None:
    shipped(project, "fast-x4", "fast-x2", "photo-x4", "quality-x4", "srunet-x2")
    assert load_model("champion").version == "quality-x4-v"
    assert "no champion yet" in caplog.text
    assert load_model("champion", scale=2).version == "fast-x2-v"
    assert load_model("champion", scale=3).info.scale == 4, "any is better than none"
    write_model(project / "models/champion", 0.03, scale=4)
    assert superres.load().model.version == "champion-v"


def test_without_shipped_models_the_error_says_where_they_are(project: Path) -> None:
    with pytest.raises(ModelError, match=r"a shipped model \(none here; the repository's models/"):
        load_model("champion")
    shipped(project, "fast-x4")
    with pytest.raises(ModelError, match=r"model 'fast-x3'.*a shipped model \(fast-x4\)"):
        load_model("fast-x3")


def test_a_folder_that_is_being_written_is_no_model(project: Path) -> None:
    shipped(project, "fast-x4")
    shutil.copytree(project / "models/pretrained/fast-x4", project / "models/pretrained/.x.partial")
    assert list(pretrained.folders()) == ["fast-x4"]
    (project / "models/pretrained/fast-x4/model.json").write_text("{")
    assert pretrained.default() is None, "damaged: its scale is not known"


def test_the_nearer_place_has_the_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    near, far = (write_model(tmp_path / side / "fast-x4", 0.02).parent for side in ("near", "far"))
    write_model(far / "fast-x2", 0.02)
    monkeypatch.setattr(pretrained, "_places", lambda: [near, far])
    assert pretrained.folders() == {"fast-x2": far / "fast-x2", "fast-x4": near / "fast-x4"}


def test_the_repository_is_found_from_any_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(pretrained, "_places", PLACES)
    found = {folder.resolve() for folder in pretrained.folders().values()}
    assert found >= set(SHIPPED)


def test_an_installation_carries_every_shipped_model() -> None:
    content = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    carried = content["tool"]["setuptools"]["data-files"]
    for folder in SHIPPED:
        place = f"{pretrained.INSTALLED.as_posix()}/{folder.name}"
        assert carried[place] == [f"models/pretrained/{folder.name}/*"], folder.name


@pytest.mark.parametrize("folder", SHIPPED, ids=[folder.name for folder in SHIPPED])
def test_a_shipped_model_is_small_whole_and_tells_what_it_is(folder: Path) -> None:
    sizes = {file.name: file.stat().st_size for file in folder.iterdir()}
    model, floats = load_model(folder), folder.name.removesuffix("-int8")
    wanted = {"model.json", "README.md", "model.safetensors"}
    if floats == folder.name:
        wanted |= {"experiment.yaml", "log.jsonl", "data.csv"}
    else:
        assert model.provenance["quantised_from"] == load_model(folder.with_name(floats)).version
    if (
        model.info.kind == "image" and 3 * sizes["model.safetensors"] < SMALL
    ):  # the export is float32
        wanted |= {"model.onnx"}
    assert sizes.keys() >= wanted
    assert sum(sizes.values()) < SMALL
    assert model.version.startswith(f"{floats}-")
    assert model.info.scale == int(floats[-1])
    assert "not stated" not in (folder / "README.md").read_text(encoding="utf-8")
