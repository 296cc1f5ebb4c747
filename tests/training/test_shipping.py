"""A run becomes a folder for models/pretrained: small, complete, and good to go on from."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from safetensors.torch import load_file
from trainings import parameters, small_pack, supervised

from superres.checkpoint import load_model
from superres.config import Experiment
from superres.errors import ModelError
from superres.training.journal import JsonlTracker
from superres.training.networks import Networks
from superres.training.run import Place, Result, train
from superres.training.shipping import Run, ship
from superres.training.starting import start_from
from superres.training.validation import Validation

STEPS = 30
SOURCES = {"made-here": {"title": "noise of a test", "licence": "CC0-1.0"}}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project folder with a pack, an experiment file and params.yaml."""
    root = tmp_path_factory.mktemp("shipping")
    small_pack(root / "data" / "pairs")
    (root / "experiments").mkdir()
    content = supervised(STEPS, ema=0.9).model_dump(mode="json", exclude_unset=True)
    (root / "experiments" / "tiny-x2.yaml").write_text(yaml.safe_dump(content))
    settings = parameters(state_every=10).model_dump(mode="json", exclude_unset=True)
    (root / "params.yaml").write_text(yaml.safe_dump(settings))
    return root


def run(root: Path, stop: int | None = None) -> Result | None:
    """Train to the end, or interrupt it at a step: the state stays."""

    def at(step: int, steps: int, latest: object) -> None:
        if step == stop:
            raise KeyboardInterrupt

    experiment: Experiment = supervised(STEPS, ema=0.9)
    place = Place(root / "data/pairs", root / "runs", root / "models/runs")
    settings = parameters(state_every=10)
    try:
        return train("tiny-x2", experiment, settings, JsonlTracker(), place, at)
    except KeyboardInterrupt:
        return None


@pytest.fixture(scope="module")
def begun(project: Path) -> Path:
    """The folder shipped of a run that was killed after step 25 of 30, its state being of 20."""
    run(project, stop=25)
    (project / "kept.pt").write_bytes((project / "runs/tiny-x2/state.pt").read_bytes())
    out = project / "models" / "pretrained" / "tiny-x2"
    told = {"hardware": "one core", "git_commit": "c" * 40}
    shipped = ship(Run("tiny-x2", project, told, SOURCES), out)
    assert shipped.folder == out
    return out


@pytest.fixture(scope="module")
def ended(project: Path, begun: Path) -> Path:
    """The same run, gone on with to its end, shipped elsewhere."""
    run(project)
    out = project / "models" / "other" / "tiny-x2"
    ship(Run("tiny-x2", project, sources=SOURCES), out)
    return out


def test_a_run_that_goes_on_is_shipped_with_its_averaged_weights(
    project: Path, begun: Path
) -> None:
    model = load_model(begun)
    assert model.provenance["steps"] == 20
    assert model.provenance["of_steps"] == STEPS
    assert "Not trained to its end: 20 of 30 steps" in (begun / "README.md").read_text()
    average = torch.load(project / "kept.pt", weights_only=True)["networks"]["ema"]
    opened = model.generator.state_dict()
    assert all(torch.equal(opened[name], average[name].half().float()) for name in average)
    assert all(value.dtype == torch.float32 for value in opened.values()), "opened as float32"


def test_an_ended_run_gives_the_weights_it_kept(project: Path, ended: Path) -> None:
    kept = load_model(project / "models/runs/tiny-x2").generator.state_dict()
    stored = load_model(ended).generator.state_dict()
    assert all(torch.equal(stored[name], kept[name].half().float()) for name in kept)
    assert "Not trained to its end" not in (ended / "README.md").read_text()


def test_float16_is_taken_where_it_costs_nothing_that_shows(project: Path, ended: Path) -> None:
    stored = load_file(str(ended / "model.safetensors"))
    assert {value.dtype for value in stored.values()} == {torch.float16}
    told = load_model(ended).provenance["storage"]
    assert told["half"] is True
    validation = Validation(project / "data/pairs", 2, 16, "cpu")
    folders = (project / "models/runs/tiny-x2", ended)
    before, after = (validation.scores(load_model(one).generator)["val/psnr"] for one in folders)
    assert before - after == pytest.approx(told["cost_db"], abs=1e-5)
    assert abs(told["cost_db"]) < 0.01


def test_weights_that_float16_cannot_hold_stay_float32(
    project: Path, ended: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("superres.training.shipping.HALF_COSTS", -1.0)
    out = tmp_path / "whole"
    assert not ship(Run("tiny-x2", project), out).half
    stored, kept = (load_model(one) for one in (out, project / "models/runs/tiny-x2"))
    ours, theirs = stored.generator.state_dict(), kept.generator.state_dict()
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


def test_card_log_experiment_and_pictures_travel_with_the_model(begun: Path) -> None:
    files = {file.name for file in begun.iterdir()}
    wanted = {"model.safetensors", "model.json", "README.md"}
    assert files == wanted | {"experiment.yaml", "log.jsonl", "data.csv"}
    card = (begun / "README.md").read_text()
    for words in ("noise of a test", "CC0-1.0", "one core", "c" * 40):
        assert words in card, words
    records = [json.loads(line) for line in (begun / "log.jsonl").read_text().splitlines()]
    assert records[0]["kind"] == "start"
    assert {"metrics"} <= {one["kind"] for one in records}
    assert "image" not in {one["kind"] for one in records}
    assert supervised(STEPS, ema=0.9).model_dump(mode="json", exclude_unset=True) == yaml.safe_load(
        (begun / "experiment.yaml").read_text()
    )
    rows = list(csv.DictReader((begun / "data.csv").read_text().splitlines()))
    assert [row["id"] for row in rows] == [f"train/{place}" for place in range(4)]
    assert all(len(row["sha256"]) == 64 for row in rows)
    assert {row["licence"] for row in rows} == {"CC0-1.0"}


def test_a_later_training_begins_with_the_shipped_weights(
    project: Path, ended: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project / "data")  # models/runs of the project is not in sight
    experiment = supervised(init=str(ended), ema=0.9)
    networks = Networks(experiment, "cpu", 1)
    told = start_from(networks, experiment, Path("runs"))
    assert told == load_model(ended).version
    wanted = load_model(ended).generator.state_dict()
    ours: dict[str, Any] = networks.generator.state_dict()
    assert all(torch.equal(ours[name], value) for name, value in wanted.items())


def test_the_same_weights_have_the_same_version_and_others_another(
    begun: Path, ended: Path
) -> None:
    one, other = (load_model(folder).version for folder in (begun, ended))
    assert one.startswith("tiny-x2-")
    assert one != other


def test_what_cannot_be_shipped_says_why_and_leaves_the_folder_as_it_was(
    project: Path, ended: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = (ended / "model.json").read_bytes()
    monkeypatch.setattr("superres.training.shipping.MAX_BYTES", 100)
    with pytest.raises(ModelError, match=r"weights of [\d,]+ bytes; at most 100 are shipped"):
        ship(Run("tiny-x2", project), ended)
    assert (ended / "model.json").read_bytes() == before


def test_a_run_that_left_nothing_is_named(project: Path, tmp_path: Path) -> None:
    file = project / "experiments" / "tiny-x2.yaml"
    (tmp_path / "experiments").mkdir()
    (tmp_path / "experiments" / "tiny-x2.yaml").write_text(file.read_text())
    with pytest.raises(ModelError, match=r"'tiny-x2': neither .*state\.pt nor a model in"):
        ship(Run("tiny-x2", tmp_path), tmp_path / "out")


def test_a_pack_of_other_pictures_is_refused(project: Path, ended: Path, tmp_path: Path) -> None:
    for name in ("experiments", "models", "runs", "params.yaml"):
        (tmp_path / name).symlink_to(project / name)
    folder = small_pack(tmp_path / "data" / "pairs")
    content = json.loads((folder / "pack.json").read_text())
    (folder / "pack.json").write_text(json.dumps(content | {"sha256": "0" * 64}))
    with pytest.raises(ModelError, match="not the data that tiny-x2 was trained on"):
        ship(Run("tiny-x2", tmp_path), tmp_path / "out")
