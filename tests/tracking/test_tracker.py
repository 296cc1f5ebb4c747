"""The live tracker records a run in MLflow; nothing that happens to MLflow reaches the training."""

import json
import logging
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from superres.config import TrackingParams
from superres.tracking import MlflowTracker
from superres.tracking.run import Point, Run
from superres.tracking.store import Store
from superres.training.journal import RunInfo, Tracker

MakeRun = Callable[..., RunInfo]


@pytest.fixture
def model_folder(tmp_path: Path) -> Path:
    folder = tmp_path / "models" / "srgan-mse"
    folder.mkdir(parents=True)
    (folder / "model.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(b"weights")
    return folder


def steps_of(store: Store, run_id: str, key: str) -> list[int]:
    return [metric.step for metric in store.client.get_metric_history(run_id, key)]


def test_a_run_is_recorded_whole(
    settings: TrackingParams,
    store: Store,
    root: Path,
    run_info: MakeRun,
    model_folder: Path,
    png: bytes,
) -> None:
    tracker: Tracker = MlflowTracker(settings, root)
    info = run_info()
    began = time.time()
    tracker.start(info)
    for step in range(1, 2501):  # more than one request takes
        tracker.metrics(step, {"train/loss": 1 / step})
    tracker.metrics(2500, {"val/psnr": 28.5, "val/odd name, 100 %": 1.0})
    tracker.image(2500, "val", png)
    tracker.tag(2500, "health.discriminator_won", "step 2500")
    run_id = tracker.run_id
    tracker.finish("FINISHED", model_folder)

    assert run_id is not None
    run = store.client.get_run(run_id)
    assert run.info.status == "FINISHED"
    assert run.info.run_name == "srgan-mse"
    assert run.data.params == {"batch_size": "16"}
    assert run.data.tags["data_sha256"] == "d" * 64
    assert run.data.tags["git_commit"] == run.data.tags["mlflow.source.git.commit"] == "abc-dirty"
    assert run.data.tags["health.discriminator_won"] == "step 2500"
    assert steps_of(store, run_id, "train/loss") == list(range(1, 2501))
    assert run.data.metrics["val/psnr"] == 28.5
    assert run.data.metrics["val/odd name_ 100 _"] == 1.0
    assert run.data.metrics["system/process_memory_megabytes"] > 10
    assert 0 < run.data.metrics["wall_seconds"] <= time.time() - began
    assert began - 1 <= run.info.start_time / 1000 <= run.info.end_time / 1000 <= time.time() + 1
    history = store.client.get_metric_history(run_id, "val/psnr")
    assert began - 1 <= history[0].timestamp / 1000 <= time.time()
    files = {file.path for file in store.client.list_artifacts(run_id, "model")}
    assert files == {"model/model.json", "model/model.safetensors"}
    pictures = [file.path for file in store.client.list_artifacts(run_id, "images")]
    assert any(path.startswith("images/val+step+2500+") for path in pictures)
    assert run.info.artifact_uri.startswith((root / "mlartifacts").as_uri())
    assert json.loads((info.folder / "mlflow.json").read_text())["run_id"] == run_id


def test_a_resumed_run_goes_on_in_the_same_run_and_doubles_nothing(
    settings: TrackingParams, store: Store, root: Path, run_info: MakeRun, png: bytes
) -> None:
    first = MlflowTracker(settings, root)
    first.start(run_info())
    for step in range(1, 11):
        first.metrics(step, {"train/loss": float(step)})
    first.image(10, "val", png)
    run_id = first.run_id
    first.finish("KILLED", None)
    assert store.client.get_run(str(run_id)).info.status == "KILLED"

    again = MlflowTracker(settings, root)  # from the state of step 5, with another parameter
    again.start(run_info(resume=True, step=5, params={"batch_size": "16", "threads": "2"}))
    for step in range(6, 21):
        again.metrics(step, {"train/loss": float(step)})
    again.image(10, "val", png)
    again.finish("FINISHED", None)

    assert again.run_id == run_id
    run = store.client.get_run(str(run_id))
    assert run.info.status == "FINISHED"
    assert run.data.params == {"batch_size": "16", "threads": "2"}
    assert steps_of(store, str(run_id), "train/loss") == list(range(1, 21))
    assert len(store.client.list_artifacts(str(run_id), "images")) == 2  # a PNG and its thumbnail


def test_a_parameter_changed_by_resuming_becomes_a_tag(
    settings: TrackingParams, store: Store, root: Path, run_info: MakeRun
) -> None:
    for batch_size, resume in (("16", False), ("8", True)):
        tracker = MlflowTracker(settings, root)
        tracker.start(run_info(params={"batch_size": batch_size}, resume=resume))
        tracker.finish("FINISHED", None)
    data = store.client.get_run(str(tracker.run_id)).data
    assert data.params == {"batch_size": "16"}
    assert data.tags["resumed.batch_size"] == "8"


def test_a_new_training_in_the_same_folder_is_a_new_run(
    settings: TrackingParams, root: Path, run_info: MakeRun
) -> None:
    ids = []
    for _ in range(2):
        tracker = MlflowTracker(settings, root)
        tracker.start(run_info())
        tracker.finish("FINISHED", None)
        ids.append(tracker.run_id)
    assert ids[0] != ids[1]
    assert None not in ids


def test_a_dead_server_costs_one_warning_with_the_cure(
    root: Path,
    run_info: MakeRun,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with socket.socket() as reserved:  # bound, and nobody listens
        reserved.bind(("127.0.0.1", 0))
        uri = f"http://user:secret@127.0.0.1:{reserved.getsockname()[1]}"
        tracker = MlflowTracker(TrackingParams(uri=uri), root)
        info = run_info()
        with caplog.at_level(logging.WARNING):
            began = time.perf_counter()
            tracker.start(info)
            for step in range(1000):
                tracker.metrics(step, {"train/loss": 1.0})
            assert time.perf_counter() - began < 0.5
            assert tracker.run_id is None
            tracker.metrics(1000, {"train/loss": 1.0})
            tracker.finish("FINISHED", None)
    assert len(caplog.records) == 1
    assert f"superres import-run {info.folder}" in caplog.text
    assert "secret" not in caplog.text
    assert not (info.folder / "mlflow.json").exists()


def test_a_server_that_dies_in_the_middle_costs_the_same(
    settings: TrackingParams,
    root: Path,
    run_info: MakeRun,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    tracker = MlflowTracker(settings, root)
    tracker.start(run_info())
    assert tracker.run_id is not None

    def refuse(self: Run, points: Iterable[Point]) -> None:
        raise ConnectionError("connection refused by http://user:secret@tracking/api")

    monkeypatch.setattr(Run, "points", refuse)
    with caplog.at_level(logging.WARNING):
        tracker.metrics(1, {"train/loss": 1.0})
        began = time.perf_counter()
        tracker.finish("FAILED", None)
        tracker.metrics(2, {"train/loss": 1.0})
    assert time.perf_counter() - began < 5
    assert len(caplog.records) == 1
    assert "superres import-run" in caplog.text
    assert "secret" not in caplog.text


def test_resuming_after_the_store_was_lost_starts_a_new_run(
    settings: TrackingParams, root: Path, run_info: MakeRun
) -> None:
    info = run_info(resume=True, step=100)
    info.folder.mkdir(parents=True)
    (info.folder / "mlflow.json").write_text('{"run_id": "0123456789abcdef0123456789abcdef"}')
    tracker = MlflowTracker(settings, root)
    tracker.start(info)
    tracker.finish("FINISHED", None)
    assert tracker.run_id not in (None, "0123456789abcdef0123456789abcdef")


def test_unstarted_it_has_no_run_and_accepts_everything(root: Path) -> None:
    tracker = MlflowTracker(TrackingParams(), root)
    tracker.metrics(1, {"train/loss": 1.0})
    tracker.finish("FAILED", None)
    assert tracker.run_id is None


def test_importing_the_trackers_does_not_import_mlflow() -> None:
    code = (
        "import sys, superres.registry, superres.tracking; "
        "sys.exit('mlflow' in sys.modules or 'torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
