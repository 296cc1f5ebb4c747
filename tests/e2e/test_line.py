"""The line from photographs to a served champion, with the real tools."""

import contextlib
import io
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import torch
from PIL import Image

from e2e.conftest import EXPERIMENTS, TINY, Project
from superres.checkpoint import load_state

pytestmark = pytest.mark.e2e


def test_the_line_ends_with_a_champion_better_than_bicubic(project: Project) -> None:
    """The shipped model comes first, and what was trained in a minute does not replace it."""
    verdict = json.loads((project.folder / "reports/promotion.json").read_text())
    broken = [check["rule"] for check in verdict["checks"] if not check["passed"]]
    assert broken == ["mean PSNR-Y above the champion"], verdict
    champion = json.loads((project.folder / "models/champion/model.json").read_text())
    assert verdict["champion"] == champion["provenance"]["version"]
    assert verdict["champion"].startswith("quality-x4-")
    first = json.loads(
        (project.folder / f"reports/verdicts/{verdict['champion']}.json").read_text()
    )
    assert first["passed"], first
    scores = json.loads((project.folder / "reports/evaluation.json").read_text())
    for name in ("photographs", "world-clip"):
        assert scores["compact-mse"][name]["psnr_y"] > scores["bicubic"][name]["psnr_y"] + 0.1
    assert (project.folder / "models/champion/model.onnx").is_file()
    assert (project.folder / "models/superres.bento").stat().st_size > 10_000


def test_every_run_is_in_mlflow_with_its_metrics_and_lineage(project: Project) -> None:
    with contextlib.closing(sqlite3.connect(project.folder / "mlflow.db")) as store:
        runs = dict(store.execute("select name, run_uuid from runs where status = 'FINISHED'"))
        assert set(EXPERIMENTS) <= set(runs)
        for name in EXPERIMENTS:
            keys = {
                row[0]
                for row in store.execute(
                    "select distinct key from metrics where run_uuid = ?", [runs[name]]
                )
            }
            assert {"train/loss", "val/psnr", "val/ssim", "val/mse", "learning_rate"} <= keys
            tags = dict(
                store.execute("select key, value from tags where run_uuid = ?", [runs[name]])
            )
            assert len(tags["data_sha256"]) == 64
            assert "git_commit" in tags
        alias = store.execute("select alias, version from registered_model_aliases").fetchall()
    assert ("champion", 1) in [(name, int(version)) for name, version in alias]


def test_a_second_repro_runs_nothing(project: Project) -> None:
    again = project.run("dvc", "repro")
    assert again.returncode == 0
    assert "Running stage" not in again.stdout
    assert "up to date" in again.stdout


def test_a_changed_experiment_retrains_only_itself(project: Project) -> None:
    project.edit("experiments/srgan-mse.yaml", grad_clip=5.0)
    plan = project.run("dvc", "repro", "--dry")
    ran = [line for line in plan.stdout.splitlines() if "Running stage" in line]
    assert any("train@srgan-mse" in line for line in ran)
    assert not any("train@compact-mse" in line or "pairs" in line for line in ran)
    project.edit("experiments/srgan-mse.yaml", grad_clip=None)


def test_metrics_and_plots_are_known_to_dvc(project: Project) -> None:
    shown = project.run("dvc", "metrics", "show", "--json")
    assert shown.returncode == 0, shown.stderr
    assert "reports/train/compact-mse.json" in shown.stdout


@pytest.fixture(scope="module")
def bento(project: Project) -> Iterator[str]:
    """Serve the built bento from an empty folder, without the source tree."""
    from superres.bento import serving

    name = json.loads((project.folder / "reports/package.json").read_text())["service"]
    with serving(f"{name}:latest", project.folder / ".bentoml") as address:
        yield address


def test_the_bento_upscales_a_picture_over_http(project: Project, bento: str) -> None:
    picture = io.BytesIO()
    Image.fromarray(np.full((40, 30, 3), 120, dtype=np.uint8)).save(picture, "PNG")
    answer = httpx.post(
        f"{bento}/upscale", files={"image": ("a.png", picture.getvalue())}, timeout=60
    )
    assert answer.status_code == 200
    assert Image.open(io.BytesIO(answer.content)).size == (120, 160)
    champion = json.loads((project.folder / "models/champion/model.json").read_text())
    assert answer.headers["x-superres-version"] == champion["provenance"]["version"]


@pytest.mark.parametrize("content", [b"", b"this is no picture", b"\x89PNG\r\n\x1a\n\x00\x00"])
def test_the_bento_refuses_what_is_no_picture(bento: str, content: bytes) -> None:
    answer = httpx.post(f"{bento}/upscale", files={"image": ("a.png", content)}, timeout=60)
    assert 400 <= answer.status_code < 500
    assert answer.json()["error"]["message"]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def _group(project: Project, environment: dict[str, str], *words: str) -> Iterator[None]:
    log = project.folder / f"{words[1]}-{words[2]}.log"
    with log.open("wb") as stream:
        child = subprocess.Popen(
            words,
            cwd=project.folder,
            env=environment,
            stdout=stream,
            stderr=stream,
            start_new_session=True,
        )
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGTERM)
        try:
            child.wait(timeout=30)
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()


@pytest.fixture(scope="module")
def prefect(project: Project) -> Iterator[dict[str, str]]:
    """A real Prefect server, work pool, deployments and worker."""
    port = _free_port()
    environment = project.environment | {"PREFECT_API_URL": f"http://127.0.0.1:{port}/api"}
    command = [sys.executable, "-m", "prefect"]
    server = [*command, "server", "start", "--host", "127.0.0.1", "--port", str(port), "--no-ui"]
    with _group(project, environment, *server):
        until = time.monotonic() + 120
        while time.monotonic() < until:
            with contextlib.suppress(httpx.HTTPError):
                if httpx.get(f"http://127.0.0.1:{port}/api/health", timeout=5).status_code == 200:
                    break
            time.sleep(0.5)
        for words in (
            ["work-pool", "create", "local", "--type", "process"],
            ["--no-prompt", "deploy", "--all"],
        ):
            told = subprocess.run(
                [*command, *words],
                cwd=project.folder,
                env=environment,
                capture_output=True,
                text=True,
                timeout=120,
                check=False,
            )
            assert told.returncode == 0, told.stdout + told.stderr
        with _group(project, environment, *command, "worker", "start", "--pool", "local"):
            yield environment


def test_a_deployment_trains_through_dvc_on_a_worker(
    project: Project, prefect: dict[str, str]
) -> None:
    project.edit("experiments/srgan-mse.yaml", grad_clip=4.0)
    words = ["deployment", "run", "train-srgan/local", "--param", "experiment=srgan-mse", "--watch"]
    told = subprocess.run(
        [sys.executable, "-m", "prefect", *words],
        cwd=project.folder,
        env=prefect,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert told.returncode == 0, told.stdout[-3000:] + told.stderr[-3000:]
    log = (project.folder / "runs/srgan-mse/log.jsonl").read_text().splitlines()
    assert json.loads(log[0])["params"]["grad_clip"] == "4.0"
    assert json.loads(log[-1])["status"] == "FINISHED"
    status = project.run("dvc", "status", "train@srgan-mse")
    assert "up to date" in status.stdout


def test_a_cancelled_deployment_stops_the_training_and_leaves_its_state(
    project: Project, prefect: dict[str, str]
) -> None:
    project.edit("experiments/compact-mse.yaml", demo=TINY["compact-mse"] | {"steps": 500_000})
    command = [sys.executable, "-m", "prefect"]
    words = ["deployment", "run", "train-srgan/local", "--param", "experiment=compact-mse"]
    told = subprocess.run(
        [*command, *words],
        cwd=project.folder,
        env=prefect,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert told.returncode == 0, told.stderr
    progress = project.folder / "runs/compact-mse/progress.json"
    _until(lambda: _progress(progress).get("status") == "running", seconds=120)
    _until(lambda: int(_progress(progress).get("step", 0)) > 20, seconds=60)
    api = prefect["PREFECT_API_URL"]
    runs = httpx.post(f"{api}/flow_runs/filter", json={"sort": "START_TIME_DESC"}).json()
    newest = next(run for run in runs if run["state_type"] == "RUNNING")
    cancelling = {"state": {"type": "CANCELLING"}, "force": False}
    httpx.post(f"{api}/flow_runs/{newest['id']}/set_state", json=cancelling).raise_for_status()
    _until(lambda: _progress(progress).get("status") == "interrupted", seconds=60)
    state = project.folder / "runs/compact-mse/state.pt"
    assert state.is_file()
    assert load_state(state, key=_key(state))["standing"]["step"] > 20
    _until(lambda: not _alive("superres train compact-mse"), seconds=30)
    finished = f"{api}/flow_runs/{newest['id']}"
    _until(lambda: httpx.get(finished).json()["state_type"] == "CANCELLED", seconds=60)


def _until(happens: Callable[[], bool], *, seconds: float) -> None:
    end = time.monotonic() + seconds
    while not happens():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.3)


def _progress(path: Path) -> dict[str, Any]:
    try:
        content: dict[str, Any] = json.loads(path.read_text())
    except FileNotFoundError:
        return {}
    return content


def _key(state: Path) -> str:
    return str(torch.load(state, weights_only=True)["key"])


def _alive(words: str) -> bool:
    return subprocess.run(["pgrep", "-f", words], capture_output=True, check=False).returncode == 0
