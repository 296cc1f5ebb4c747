"""dvc.yaml agrees with the code, with params.yaml and with the experiments."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from import_closure import ROOT, closure, is_code, pipeline, stage_code

from superres.config import load_experiment, load_params

STAGES: dict[str, dict[str, Any]] = {
    name: entry.get("do", entry) for name, entry in pipeline()["stages"].items()
}
ORDER = ["fetch", "frames", "pairs", "validate", "train", "evaluate", "promote", "package"]


def params() -> dict[str, Any]:
    return dict(yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8")))


def paths(entries: list[Any]) -> list[str]:
    return [entry if isinstance(entry, str) else next(iter(entry)) for entry in entries]


def written(stage: dict[str, Any]) -> list[str]:
    return paths([*stage.get("outs", ()), *stage.get("metrics", ()), *stage.get("plots", ())])


def test_every_station_of_the_line_is_a_stage() -> None:
    assert list(STAGES) == ORDER


@pytest.mark.parametrize("stage", ORDER)
def test_a_stage_depends_on_exactly_the_code_it_reaches(stage: str) -> None:
    named = [dependency for dependency in paths(STAGES[stage]["deps"]) if is_code(dependency)]
    assert named == stage_code(stage), "run `make dvc-deps`"


@pytest.mark.parametrize("stage", ORDER)
def test_a_stage_runs_the_command_of_its_name(stage: str) -> None:
    words = f"python -m superres {stage}"
    assert STAGES[stage]["cmd"] == (f"{words} ${{item}}" if stage == "train" else words)
    assert (ROOT / "src" / "superres" / "commands" / f"{stage}.py").is_file()


@pytest.mark.parametrize("stage", ORDER)
def test_what_a_stage_reads_is_there_or_written_by_an_earlier_stage(stage: str) -> None:
    made = [path for name in ORDER[: ORDER.index(stage)] for path in written(STAGES[name])]
    for dependency in paths(STAGES[stage]["deps"]):
        earlier = any(dependency == path or _inside(path, dependency) for path in made)
        assert earlier or (ROOT / dependency).exists(), dependency


def _inside(path: str, folder: str) -> bool:
    return Path(folder) in Path(path).parents


def test_no_two_stages_write_the_same_file() -> None:
    made = [path for stage in STAGES.values() for path in written(stage)]
    assert len(set(made)) == len(made)
    nested = [(a, b) for a in made for b in made if _inside(a, b)]
    assert nested == []


@pytest.mark.parametrize("stage", ORDER)
def test_every_key_a_stage_watches_is_in_params(stage: str) -> None:
    for entry in STAGES[stage].get("params", ()):
        if isinstance(entry, dict):  # a whole file
            assert list(entry) == ["experiments/${item}.yaml"]
            continue
        value: Any = params()
        for key in entry.split("."):
            assert key in value, entry
            value = value[key]


def test_what_a_stage_uses_of_params_is_watched() -> None:
    """The sections that a command reads, apart from where it runs: threads, tracking, serving."""
    watched = {
        name: {entry for entry in stage.get("params", ()) if isinstance(entry, str)}
        for name, stage in STAGES.items()
    }
    assert {"seed", "scale", "budget"} <= watched["train"]
    assert {"scale", "experiments", "evaluation"} <= watched["evaluate"]
    assert {"scale", "experiments", "evaluation", "gate", "tracking"} <= watched["promote"]
    assert {"scale", "data"} <= watched["pairs"]
    assert watched["fetch"] == watched["frames"] == {"data.sources"}


def test_every_experiment_has_its_file_and_fits_the_scale() -> None:
    known = load_params(ROOT / "params.yaml")
    for name in known.experiments:
        experiment = load_experiment(name, ROOT / "experiments")
        assert experiment.model["scale"] == known.scale
    files = {file.stem for file in (ROOT / "experiments").glob("*.yaml")}
    assert set(known.experiments) <= files


def test_every_experiment_is_trained_into_its_own_files() -> None:
    entry = pipeline()["stages"]["train"]
    assert entry["foreach"] == "${experiments}"
    assert all("${item}" in path for path in written(entry["do"]))


def test_the_champion_survives_a_refusal() -> None:
    (champion,) = (
        entry for entry in STAGES["promote"]["outs"] if "models/champion" in paths([entry])
    )
    assert champion["models/champion"]["persist"] is True


def test_the_closure_follows_imports_inside_functions_and_packages() -> None:
    found = closure("superres.commands.evaluate")
    assert "src/superres/comparison.py" in found  # imported inside the command
    assert "src/superres/data/__init__.py" in found  # a package of a reached module
    assert "src/superres/service.py" not in found
    assert not any(path.startswith("src/superres/training") for path in found)
