"""The run's own log: every line whole, every step once, whatever cut the run off."""

import json
from pathlib import Path
from typing import Any

import pytest

from superres.training.journal import (
    JsonlTracker,
    NullTracker,
    ProgressFile,
    RunInfo,
    Tracker,
    Trackers,
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "runs" / "small"


def info(folder: Path, step: int = 0) -> RunInfo:
    return RunInfo("small", {"batch_size": "4"}, {"source": "a test"}, folder, step > 0, step)


def entries(folder: Path) -> list[dict[str, Any]]:
    text = (folder / "log.jsonl").read_text(encoding="utf-8")
    assert text.endswith("\n")
    return [json.loads(line) for line in text.splitlines()]


def logged(folder: Path, *steps: int) -> JsonlTracker:
    tracker = JsonlTracker()
    tracker.start(info(folder))
    for step in steps:
        tracker.metrics(step, {"train/loss": 1 / step})
    return tracker


def test_a_run_is_start_figures_pictures_and_an_end(folder: Path) -> None:
    tracker = logged(folder, 5)
    tracker.image(5, "val", b"a png")
    tracker.finish("FINISHED", folder.parents[1] / "models" / "runs" / "small")
    start, metrics, image, finish = entries(folder)
    assert all(entry.pop("time") > 1e9 for entry in (start, metrics, image, finish))
    assert start == {
        "kind": "start",
        "name": "small",
        "params": {"batch_size": "4"},
        "tags": {"source": "a test"},
    }
    assert metrics == {"kind": "metrics", "step": 5, "values": {"train/loss": 0.2}}
    assert image == {"kind": "image", "step": 5, "name": "val", "file": "images/val-00000005.png"}
    assert (folder / image["file"]).read_bytes() == b"a png"
    assert finish == {"kind": "finish", "status": "FINISHED", "model": "../../models/runs/small"}


def test_what_is_found_on_the_way_is_a_label_of_its_step(folder: Path) -> None:
    tracker = logged(folder, 5)
    tracker.tag(5, "health.not_finite", "step 5")
    tracker.tag(9, "health.discriminator_won", "step 9")
    label = entries(folder)[-1]
    assert label.pop("time") > 1e9
    assert label == {
        "kind": "tag",
        "step": 9,
        "name": "health.discriminator_won",
        "value": "step 9",
    }
    JsonlTracker().start(info(folder, 7))  # what comes after the state is found again
    assert [entry.get("step") for entry in entries(folder)] == [None, 5, 5]


def test_a_run_from_the_start_begins_a_new_log(folder: Path) -> None:
    logged(folder, 1, 2)
    logged(folder, 1)
    assert [entry.get("step") for entry in entries(folder)] == [None, 1]


def test_a_resumed_run_cuts_the_log_back_to_its_step(folder: Path) -> None:
    logged(folder, 5, 10, 15).finish("KILLED", None)
    tracker = JsonlTracker()
    tracker.start(info(folder, 10))
    tracker.metrics(15, {"train/loss": 2.0})
    assert [(entry["kind"], entry.get("step")) for entry in entries(folder)] == [
        ("start", None),
        ("metrics", 5),
        ("metrics", 10),
        ("metrics", 15),
    ]
    assert entries(folder)[-1]["values"] == {"train/loss": 2.0}


def test_a_run_cut_off_while_it_ended_writes_its_last_figures_once(folder: Path) -> None:
    logged(folder, 5, 10).metrics(10, {"final/psnr": 30.0, "seconds": 1.0})
    JsonlTracker().start(info(folder, 10))
    assert [entry.get("step") for entry in entries(folder)] == [None, 5, 10]


@pytest.mark.parametrize("torn", ['{"kind": "metr', '{"kind": "metrics", "step": 7, "val', ""])
def test_a_torn_last_line_is_dropped(folder: Path, torn: str) -> None:
    logged(folder, 5)
    with (folder / "log.jsonl").open("a") as stream:
        stream.write(torn)
    tracker = JsonlTracker()
    tracker.start(info(folder, 8))
    tracker.metrics(9, {"train/loss": 1.0})
    assert [entry.get("step") for entry in entries(folder)] == [None, 5, 9]


def test_a_last_line_that_lacks_only_its_end_is_kept_whole(folder: Path) -> None:
    logged(folder, 5)
    file = folder / "log.jsonl"
    file.write_text(file.read_text().rstrip("\n"))
    tracker = JsonlTracker()
    tracker.start(info(folder, 8))
    tracker.metrics(9, {"train/loss": 1.0})
    assert [entry.get("step") for entry in entries(folder)] == [None, 5, 9]


def test_a_resumed_run_whose_log_is_gone_starts_one(folder: Path) -> None:
    JsonlTracker().start(info(folder, 10))
    assert [entry["kind"] for entry in entries(folder)] == ["start"]


class Named(NullTracker):
    run_id = "b7"

    def __init__(self) -> None:
        self.told: list[str] = []

    def metrics(self, step: int, values: object) -> None:
        self.told.append(f"{step}: {values}")


def test_several_trackers_are_told_the_same_and_named_by_the_first_that_has_a_name(
    folder: Path,
) -> None:
    one, two = Named(), Named()
    both: Tracker = Trackers(NullTracker(), one, JsonlTracker(), two)
    both.start(info(folder))
    both.metrics(3, {"a": 1.0})
    both.image(3, "val", b"a png")
    both.finish("FAILED", None)
    assert one.told == two.told == ["3: {'a': 1.0}"]
    assert both.run_id == "b7"
    assert [entry["kind"] for entry in entries(folder)] == ["start", "metrics", "image", "finish"]
    assert entries(folder)[-1]["model"] is None


def test_nobody_has_a_name_without_a_store() -> None:
    assert Trackers(NullTracker(), JsonlTracker()).run_id is None


def test_progress_is_written_at_most_once_a_second(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 100.0
    monkeypatch.setattr("superres.training.journal.time.monotonic", lambda: now)
    progress = ProgressFile(folder, 40)

    def told() -> dict[str, Any]:
        return dict(json.loads((folder / "progress.json").read_text()))

    progress.write(1, phase=0, eta_seconds=39.04)
    assert told() == {"step": 1, "steps": 40, "phase": 0, "eta_seconds": 39.0, "status": "running"}
    now = 100.9
    progress.write(2, phase=0, eta_seconds=38)
    assert told()["step"] == 1
    now = 101.0
    progress.write(3, phase=1, eta_seconds=37)
    assert (told()["step"], told()["phase"]) == (3, 1)


def test_progress_always_says_how_and_where_a_run_ended(folder: Path) -> None:
    progress = ProgressFile(folder, 40)
    for step in range(1, 8):
        progress.write(step, phase=1, eta_seconds=5)
    progress.end("failed")
    assert json.loads((folder / "progress.json").read_text()) == {
        "step": 7,
        "steps": 40,
        "phase": 1,
        "eta_seconds": 0.0,
        "status": "failed",
    }
    assert [file.name for file in folder.iterdir()] == ["progress.json"]
