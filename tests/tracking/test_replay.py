"""A journal written without MLflow becomes the same run that would have been recorded live."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from superres.config import TrackingParams
from superres.errors import ConfigError, DataError
from superres.tracking import MlflowTracker, import_run
from superres.tracking.store import Store
from superres.training.journal import JsonlTracker, RunInfo, Trackers

MakeRun = Callable[..., RunInfo]
Line = dict[str, object]


def journal(folder: Path, *lines: Line) -> Path:
    """Write a journal that began at 1000 s after the epoch, one line a second."""
    start: Line = {
        "kind": "start",
        "name": "srcnn",
        "params": {"batch_size": "8"},
        "tags": {"experiment": "srcnn"},
    }
    folder.mkdir(parents=True, exist_ok=True)
    text = "".join(
        json.dumps({"time": 1000.0 + second, **line}) + "\n"
        for second, line in enumerate([start, *lines])
    )
    (folder / "log.jsonl").write_text(text)
    return folder


def step(number: int) -> Line:
    return {"kind": "metrics", "step": number, "values": {"train/loss": 1 / number}}


def finish(model: str | None = None) -> Line:
    return {"kind": "finish", "status": "FINISHED", "model": model}


def losses(store: Store, run_id: str) -> list[tuple[int, float, int]]:
    history = store.client.get_metric_history(run_id, "train/loss")
    return [(metric.step, metric.value, metric.timestamp) for metric in history]


def test_times_figures_pictures_model_and_status_are_those_of_the_journal(
    settings: TrackingParams, store: Store, root: Path, tmp_path: Path, png: bytes
) -> None:
    folder = tmp_path / "runs" / "srcnn"
    image: Line = {"kind": "image", "step": 2, "name": "val", "file": "images/val-2.png"}
    label: Line = {"kind": "tag", "step": 2, "name": "health.not_finite", "value": "step 2"}
    journal(folder, step(1), step(2), image, label, finish("../../models/runs/srcnn"))
    (folder / "images").mkdir()
    (folder / "images" / "val-2.png").write_bytes(png)
    model = tmp_path / "models" / "runs" / "srcnn"
    model.mkdir(parents=True)
    (model / "model.json").write_text("{}")

    run_id = import_run(folder, settings, root)

    run = store.client.get_run(run_id)
    assert (run.info.start_time, run.info.end_time) == (1_000_000, 1_005_000)
    assert run.info.status == "FINISHED"
    assert run.info.run_name == "srcnn"
    assert run.data.params == {"batch_size": "8"}
    assert run.data.tags["experiment"] == "srcnn"
    assert run.data.tags["health.not_finite"] == "step 2"
    assert losses(store, run_id) == [(1, 1.0, 1_001_000), (2, 0.5, 1_002_000)]
    assert [file.path for file in store.client.list_artifacts(run_id, "model")] == [
        "model/model.json"
    ]
    pictures = [file.path for file in store.client.list_artifacts(run_id, "images")]
    assert any("val+step+2+timestamp+1003000" in path for path in pictures)


def test_importing_twice_changes_nothing(
    settings: TrackingParams, store: Store, root: Path, tmp_path: Path
) -> None:
    folder = journal(tmp_path / "srcnn", step(1), step(2), finish())
    first = import_run(folder, settings, root)
    before = store.client.get_run(first).to_dictionary()
    assert import_run(folder, settings, root) == first
    (folder / "mlflow.json").unlink()  # as on another machine
    assert import_run(folder, settings, root) == first
    assert store.client.get_run(first).to_dictionary() == before
    assert len(losses(store, first)) == 2
    assert len(store.client.search_runs([store.experiment_id])) == 1


def test_a_copied_folder_is_the_same_run(
    settings: TrackingParams, store: Store, root: Path, tmp_path: Path
) -> None:
    folder = journal(tmp_path / "srcnn", step(1), finish())
    copy = Path(shutil.copytree(folder, tmp_path / "elsewhere"))
    assert import_run(folder, settings, root) == import_run(copy, settings, root)


def test_a_killed_run_is_completed_when_it_went_on(
    settings: TrackingParams, store: Store, root: Path, tmp_path: Path
) -> None:
    folder = journal(tmp_path / "srcnn", step(1), step(2))
    run_id = import_run(folder, settings, root)
    assert store.client.get_run(run_id).info.status == "KILLED"

    journal(folder, step(1), step(2), step(3), finish())
    assert import_run(folder, settings, root) == run_id
    assert store.client.get_run(run_id).info.status == "FINISHED"
    assert [number for number, _, _ in losses(store, run_id)] == [1, 2, 3]


def test_a_run_recorded_in_part_is_completed_in_place(
    settings: TrackingParams, store: Store, root: Path, run_info: MakeRun
) -> None:
    live, jsonl = MlflowTracker(settings, root), JsonlTracker()
    both, info = Trackers(jsonl, live), run_info()
    both.start(info)
    both.metrics(1, {"train/loss": 1.0})
    live.finish("KILLED", None)
    jsonl.metrics(2, {"train/loss": 0.5})  # what the live tracker lost
    jsonl.finish("FINISHED", None)

    run_id = import_run(info.folder, settings, root)

    assert run_id == live.run_id
    assert [number for number, _, _ in losses(store, run_id)] == [1, 2]
    assert store.client.get_run(run_id).info.status == "FINISHED"


def test_a_torn_last_line_is_ignored(
    settings: TrackingParams, store: Store, root: Path, tmp_path: Path
) -> None:
    folder = journal(tmp_path / "srcnn", step(1))
    with (folder / "log.jsonl").open("a") as file:
        file.write('{"kind": "metrics", "st')
    run_id = import_run(folder, settings, root)
    assert [number for number, _, _ in losses(store, run_id)] == [1]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("not json", "line 2"),
        ("[1]", "found list"),
        ('{"kind": "metrics", "time": 1}', "'metrics' without step, values"),
        ('{"kind": "surprise", "time": 1}', "surprise"),
    ],
)
def test_a_damaged_journal_is_refused_naming_the_line(
    tmp_path: Path, line: str, reason: str
) -> None:
    folder = journal(tmp_path / "srcnn")
    with (folder / "log.jsonl").open("a") as file:
        file.write(f"{line}\n" + json.dumps({"time": 3, **step(1)}) + "\n")
    with pytest.raises(DataError, match="line 2") as caught:
        import_run(folder, TrackingParams(), tmp_path)
    assert reason in str(caught.value)


def test_a_folder_without_a_journal_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"log\.jsonl: cannot be read.*expected a run folder"):
        import_run(tmp_path, TrackingParams(), tmp_path)


def test_a_dead_server_is_an_error_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    folder = journal(tmp_path / "srcnn", step(1), finish())
    with pytest.raises(ConfigError, match=r"http://127\.0\.0\.1:9 does not answer"):
        import_run(folder, TrackingParams(uri="http://127.0.0.1:9"), tmp_path)
