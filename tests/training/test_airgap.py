"""A GPU box without network: a pack and an experiment file go in, a run folder comes out."""

import json
import os
import shutil
import subprocess
import sys
from importlib.metadata import packages_distributions, requires
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from trainings import adversarial, small_pack

from superres.__main__ import main
from superres.checkpoint import load_model
from superres.config import TrackingParams
from superres.tracking.store import connect

ALLOWED = ("torch", "numpy", "safetensors", "pydantic", "pyyaml")
PHASES: list[dict[str, Any]] = [
    {"steps": 3, "losses": {"mse": 1}},
    {"steps": 3, "losses": {"mse": 1, "adversarial": 0.01}, "adversarial": {"objective": "hinge"}},
]
# Finds nothing that is not of the standard library, ours, or of what is allowed.
SITE = """
import sys

from importlib.machinery import PathFinder

class Allowed(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        top = name.partition(".")[0]
        known = top in sys.stdlib_module_names or top in ALLOWED or top.startswith("_sysconfig")
        return super().find_spec(name, path, target) if known else None

sys.meta_path[sys.meta_path.index(PathFinder)] = Allowed
import runpy
sys.argv = ["superres.training", *sys.argv[1:]]
runpy.run_module("superres.training", run_name="__main__", alter_sys=True)
"""


def closure() -> set[str]:
    """Return the import names of the allowed distributions and of all that they require."""
    found, waiting = set(), list(ALLOWED)
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        found.add(name)
        for line in requires(name) or []:
            wanted = Requirement(line)
            if wanted.marker is None or wanted.marker.evaluate({"extra": ""}):
                waiting.append(plain(wanted.name))
    imported = packages_distributions().items()
    return {"superres"} | {
        name for name, owners in imported if found & {plain(owner) for owner in owners}
    }


def plain(name: str) -> str:
    return name.lower().replace("_", "-")


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with nothing but a pack and an experiment file, after a training there."""
    made = small_pack(tmp_path_factory.mktemp("here") / "pairs")
    box = tmp_path_factory.mktemp("box")
    shutil.copytree(made, box / "pairs")
    content = adversarial(phases=PHASES).model_dump(mode="json", exclude_none=True)
    (box / "game.yaml").write_text(yaml.safe_dump(content))
    assert sorted(path.name for path in box.iterdir()) == ["game.yaml", "pairs"]
    switches = ["training.device=cpu", "training.threads=1", "training.log_every=2"]
    words = ["game.yaml", "--pack", "pairs", *(f"--set={switch}" for switch in switches)]
    told = subprocess.run(
        [sys.executable, "-W", "error", "-c", f"ALLOWED = {closure()!r}\n{SITE}", *words],
        cwd=box,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert told.returncode == 0, told.stderr
    (box / "told.json").write_text(told.stdout)
    return box


def test_nothing_more_is_needed_than_the_allowed_five_need() -> None:
    names = closure()
    assert {"torch", "numpy", "safetensors", "pydantic", "yaml", "superres"} <= names
    for absent in ("PIL", "cv2", "skimage", "scipy", "torchvision", "typer", "tqdm", "mlflow"):
        assert absent.lower() not in {name.lower() for name in names}


def test_the_box_leaves_a_run_and_a_model(box: Path) -> None:
    told = json.loads((box / "told.json").read_text())
    assert (told["experiment"], told["steps"], told["model"]) == ("game", 6, "models/runs/game")
    model = load_model(box / told["model"])
    assert model.provenance["weights"] == told["weights"]
    assert model.provenance["metrics"]["val/psnr"] == told["psnr"]
    log = (box / "runs" / "game" / "log.jsonl").read_text().splitlines()
    kinds = [json.loads(line)["kind"] for line in log]
    assert (kinds[0], kinds[-1]) == ("start", "finish")
    assert "image" not in kinds  # no Pillow, no pictures, and no harm


def test_its_run_folder_becomes_an_mlflow_run(
    box: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the command, on another machine: step metrics, model, status and times as they were."""
    for part in ("runs", "models"):
        shutil.copytree(box / part, tmp_path / part)
    params = {"experiments": ["game"], "data": {"sources": [{"name": "photographs"}]}}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["superres", "import-run", "runs/game", "--json"])
    monkeypatch.setattr(os, "_exit", sys.exit)
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code in (0, None)

    lines = (box / "runs" / "game" / "log.jsonl").read_text().splitlines()
    entries = [json.loads(line) for line in lines]
    marker = json.loads((tmp_path / "runs" / "game" / "mlflow.json").read_text())
    client = connect(TrackingParams(), tmp_path).client
    run = client.get_run(marker["run_id"])
    assert run.info.status == "FINISHED"
    assert run.info.start_time == round(entries[0]["time"] * 1000)
    assert run.info.end_time == round(entries[-1]["time"] * 1000)
    assert run.data.params["batch_size"] == "4"
    assert run.data.tags["data_sha256"] == entries[0]["tags"]["data_sha256"]
    written = {
        (entry["step"], round(entry["time"] * 1000)): entry["values"]["train/loss"]
        for entry in entries
        if "train/loss" in entry.get("values", {})
    }
    history = client.get_metric_history(marker["run_id"], "train/loss")
    assert {(one.step, one.timestamp): one.value for one in history} == written
    assert sorted(step for step, _ in written) == [2, 4, 6]
    artifacts = {file.path for file in client.list_artifacts(marker["run_id"], "model")}
    assert {"model/model.json", "model/model.safetensors", "model/README.md"} <= artifacts
