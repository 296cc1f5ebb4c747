"""Every experiment file through the real flow; minutes, so it is run by `make matrix`."""

import csv
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from e2e.conftest import ROOT, Project, clone

pytestmark = pytest.mark.matrix

STEPS = 30  # of each file's demo


def experiments(scale: int) -> list[str]:
    """Return the names of the generators for this scale."""
    files = sorted((ROOT / "experiments").glob("*.yaml"))
    content = {file.stem: yaml.safe_load(file.read_text(encoding="utf-8")) for file in files}
    return [name for name, one in content.items() if one["model"].get("scale") == scale]


@pytest.fixture(scope="module", params=[2, 4])
def trained(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Project, "subprocess.CompletedProcess[str]", list[str]]]:
    scale: int = request.param
    names = experiments(scale)
    project = clone(tmp_path_factory.mktemp(f"matrix-x{scale}") / "project")
    project.edit("params.yaml", scale=scale, experiments=names)
    for name in names:
        file = project.folder / "experiments" / f"{name}.yaml"
        demo = yaml.safe_load(file.read_text(encoding="utf-8"))["demo"]
        project.edit(f"experiments/{name}.yaml", demo=demo | {"steps": STEPS})
    prepared = project.run("dvc", "repro", "validate")
    assert prepared.returncode == 0, prepared.stderr[-3000:]
    done = project.run(sys.executable, "flows/train.py", "--matrix", timeout=3600)
    yield project, done, names


def test_every_experiment_trains_through_the_flow(
    trained: tuple[Project, "subprocess.CompletedProcess[str]", list[str]],
) -> None:
    project, done, names = trained
    assert done.returncode == 0, done.stderr[-3000:]
    for name in names:
        assert (project.folder / "models/runs" / name / "model.safetensors").is_file()
        assert _losses(project.folder / "reports/curves" / f"{name}.csv")


def _losses(curve: Path) -> list[float]:
    with curve.open(encoding="utf-8") as stream:
        return [float(row["train_loss"]) for row in csv.DictReader(stream) if row["train_loss"]]
