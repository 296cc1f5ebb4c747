"""The training flows: thin over DVC, several in a row, and one for real with a killed stage."""

import json
import logging
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed

from flows import train
from flows.dvc_stage import StageError
from flows.environment import ROOT
from flows.process_group import Follower
from superres.errors import ConfigError

EXPERIMENTS = tuple(yaml.safe_load((ROOT / "params.yaml").read_text())["experiments"])


class Calls:
    """What the flows asked of their surroundings, in order."""

    def __init__(self) -> None:
        self.made: list[str] = []
        self.tables: list[tuple[str, list[str]]] = []

    def note(self, what: str) -> None:
        self.made.append(what)

    def show_table(self, name: str, rows: list[dict[str, Any]], description: str) -> None:
        self.tables.append((name, [row["experiment"] for row in rows]))


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Calls:
    """Slot, progress and DVC replaced by notes."""
    made = Calls()

    @contextmanager
    def device_slot(name: str, holder: str, say: object) -> Iterator[int]:
        made.note(f"slot taken by {holder}")
        yield 42
        made.note("slot left")

    class Progress:
        def __init__(self, experiment: str, runs: Path) -> None:
            self.tick = lambda: None

        def done(self) -> None:
            made.note("done")

    def repro(target: str, root: Path, follower: Follower, *, keep_open: tuple[int, ...]) -> None:
        made.note(f"dvc repro {target} with {keep_open}")

    monkeypatch.setattr(train, "device_slot", device_slot)
    monkeypatch.setattr(train, "repro", repro)
    monkeypatch.setattr(train, "get_run_logger", lambda: logging.getLogger("test"))
    monkeypatch.setattr(train, "Progress", Progress)
    monkeypatch.setattr(train, "show_table", made.show_table)
    monkeypatch.setattr(train, "result_row", lambda experiment, root: {"experiment": experiment})
    return made


class Task:
    """Stands in for the task, which needs Prefect's engine; `failing` names its bad runs."""

    def __init__(self, failing: tuple[str, ...] = ()) -> None:
        self.failing = failing
        self.retries: list[int] = []

    def with_options(self, *, retries: int) -> "Task":
        self.retries.append(retries)
        return self

    def __call__(self, experiment: str, device: str, *, return_state: bool = False) -> Any:
        row = {"experiment": experiment}
        if not return_state:
            return row
        state: State[Any] = Failed() if experiment in self.failing else Completed(data=row)
        return state


def test_the_task_runs_the_stage_in_its_slot(calls: Calls) -> None:
    assert train.train_stage.fn("srgan-mse", "cpu") == {"experiment": "srgan-mse"}
    assert calls.made == [
        "slot taken by srgan-mse",
        "dvc repro train@srgan-mse with (42,)",
        "done",
        "slot left",
    ]


def test_a_failed_task_is_tried_again_and_nothing_is_cached_by_prefect() -> None:
    assert train.train_stage.retries == 2
    assert train.train_stage.persist_result is False
    assert train.train_stage.cache_policy == train.NO_CACHE


def test_one_experiment_ends_in_a_table(calls: Calls, monkeypatch: pytest.MonkeyPatch) -> None:
    task = Task()
    monkeypatch.setattr(train, "train_stage", task)
    assert train.train_srgan.fn(EXPERIMENTS[0], retries=5) == {"experiment": EXPERIMENTS[0]}
    assert calls.tables == [(f"result-{EXPERIMENTS[0]}", [EXPERIMENTS[0]])]
    assert task.retries == [5]


def test_an_unknown_experiment_is_refused_before_anything_runs(calls: Calls) -> None:
    with pytest.raises(ConfigError, match=f"no experiment nope; it has: {EXPERIMENTS[0]}"):
        train.train_srgan.fn("nope")
    with pytest.raises(ConfigError, match="no experiment nope"):
        train.train_matrix.fn([EXPERIMENTS[0], "nope"])
    assert calls.made == []


def test_a_matrix_without_names_trains_every_experiment(
    calls: Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(train, "train_stage", Task())
    rows = train.train_matrix.fn()
    assert [row["experiment"] for row in rows] == list(EXPERIMENTS)


def test_a_failing_experiment_stops_no_other_but_fails_the_matrix(
    calls: Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad, *good = EXPERIMENTS
    monkeypatch.setattr(train, "train_stage", Task(failing=(bad,)))
    with pytest.raises(StageError, match=f"not trained: {bad};"):
        train.train_matrix.fn()
    assert calls.tables == [("result-matrix", good)]


# A stage that is killed once at step 5 and goes on from there.
STAGE = """
import json, os, pathlib, sys, time
name = sys.argv[1]
run = pathlib.Path("runs") / name
run.mkdir(parents=True, exist_ok=True)
state = run / "state"
begin = int(state.read_text()) if state.exists() else 0
print("training from step", begin, flush=True)
for step in range(begin + 1, 11):
    time.sleep(0.6)
    told = {"step": step, "steps": 10, "eta_seconds": 10 - step, "phase": 0, "status": "running"}
    (run / "progress.json").write_text(json.dumps(told))
    state.write_text(str(step))
    if step == 5 and begin == 0:
        sys.exit("out of memory")
model = pathlib.Path("models/runs") / name
model.mkdir(parents=True)
provenance = {"run_id": "abc", "metrics": {"psnr": 28.25}}
(model / "model.json").write_text(json.dumps({"provenance": provenance}))
"""
PIPELINE = """
stages:
  train:
    foreach: [NAME]
    do: {cmd: "python stage.py ${item}", deps: [stage.py], outs: ["models/runs/${item}"]}
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project of this one's flows and a stage that takes seconds."""
    shutil.copytree(ROOT / "flows", tmp_path / "flows")
    shutil.copy(ROOT / "params.yaml", tmp_path)
    (tmp_path / "stage.py").write_text(STAGE)
    (tmp_path / "dvc.yaml").write_text(PIPELINE.replace("NAME", EXPERIMENTS[0]))
    dvc = [sys.executable, "-m", "dvc"]
    subprocess.run([*dvc, "init", "--no-scm", "--quiet"], cwd=tmp_path, check=True)
    subprocess.run([*dvc, "config", "core.analytics", "false"], cwd=tmp_path, check=True)
    return tmp_path


@pytest.mark.e2e
def test_a_flow_without_a_server_retries_resumes_and_reports(project: Path) -> None:
    environment = {key: value for key, value in os.environ.items() if "PREFECT" not in key}
    done = subprocess.run(
        [sys.executable, "flows/train.py", "--experiment", EXPERIMENTS[0], "--retries", "1"],
        cwd=project,
        env=environment,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    assert said.index("training from step 0") < said.index("out of memory")
    assert said.index("out of memory") < said.index("training from step 5")
    with sqlite3.connect(project / ".prefect" / "prefect.db") as database:
        shown = dict(database.execute("SELECT type, data FROM artifact WHERE key IS NOT NULL"))
        slots = database.execute("SELECT active_slots FROM concurrency_limit_v2").fetchall()
    database.close()
    assert float(shown["progress"]) == 100
    (row,) = json.loads(json.loads(shown["table"]))
    assert (row["experiment"], row["psnr"], row["mlflow_run"]) == (EXPERIMENTS[0], 28.25, "abc")
    assert slots == [(0,)]
