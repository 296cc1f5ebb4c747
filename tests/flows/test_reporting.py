"""A flow shows how far a training is and what came out; failing to show it changes nothing."""

import json
import logging
import os
import uuid
from pathlib import Path
from typing import Any

import pytest

from flows import reporting
from flows.reporting import Progress, key_of, result_row


class Page:
    """Stands in for Prefect's artifacts."""

    def __init__(self) -> None:
        self.shown: list[tuple[float, str]] = []
        self.keys: list[str] = []
        self.is_up = True

    def create(self, progress: float, key: str, description: str) -> uuid.UUID:
        self._check()
        self.keys.append(key)
        self.shown.append((progress, description))
        return uuid.uuid4()

    def update(self, artifact: uuid.UUID, progress: float, description: str) -> None:
        self._check()
        self.shown.append((progress, description))

    def _check(self) -> None:
        if not self.is_up:
            raise ConnectionError("no server")


@pytest.fixture
def page(monkeypatch: pytest.MonkeyPatch) -> Page:
    made = Page()
    monkeypatch.setattr(reporting, "UPDATE_SECONDS", 0.0)
    monkeypatch.setattr(reporting, "create_progress_artifact", made.create)
    monkeypatch.setattr(reporting, "update_progress_artifact", made.update)
    return made


def tell(runs: Path, step: int) -> Path:
    file = runs / "srgan-mse" / "progress.json"
    file.parent.mkdir(exist_ok=True)
    told = {"step": step, "steps": 400, "phase": 1, "eta_seconds": 95.0, "status": "running"}
    file.write_text(json.dumps(told))
    return file


def test_the_bar_moves_with_the_training(page: Page, tmp_path: Path) -> None:
    progress = Progress("srgan-mse", tmp_path)
    progress.tick()  # nothing told yet
    tell(tmp_path, 100)
    progress.tick()
    progress.tick()  # nothing new
    tell(tmp_path, 200)
    progress.tick()
    progress.done()
    assert page.keys == ["train-srgan-mse"]
    assert page.shown == [
        (0.0, "srgan-mse: starting"),
        (25.0, "srgan-mse: step 100 of 400, phase 1, 00:01:35 left (running)"),
        (50.0, "srgan-mse: step 200 of 400, phase 1, 00:01:35 left (running)"),
        (100.0, "srgan-mse: done"),
    ]


def test_what_an_earlier_run_told_is_not_shown(page: Page, tmp_path: Path) -> None:
    os.utime(tell(tmp_path, 400), (0, 0))
    Progress("srgan-mse", tmp_path).tick()
    assert page.shown == [(0.0, "srgan-mse: starting")]


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"step": "?"}'])
def test_a_file_that_makes_no_sense_is_passed_over(
    page: Page, tmp_path: Path, content: str
) -> None:
    progress = Progress("srgan-mse", tmp_path)
    tell(tmp_path, 1).write_text(content)
    progress.tick()
    assert page.shown == [(0.0, "srgan-mse: starting")]


def test_prefect_not_answering_is_only_logged(
    page: Page, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    progress = Progress("srgan-mse", tmp_path)
    page.is_up = False
    tell(tmp_path, 100)
    with caplog.at_level(logging.WARNING):
        progress.tick()
    page.is_up = True
    tell(tmp_path, 200)
    progress.tick()
    assert "no server" in caplog.text
    assert page.shown[-1][0] == 50.0


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "models" / "runs" / "srgan-mse"
    folder.mkdir(parents=True)
    provenance = {"run_id": "abc", "metrics": {"val/psnr": 28.123456, "val/ssim": 0.8}}
    (folder / "model.json").write_text(json.dumps({"provenance": provenance}))
    return tmp_path


@pytest.mark.parametrize(
    ("marker", "link"),
    [
        ({"run_id": "abc", "link": "http://host/run"}, "http://host/run"),
        ({"run_id": "abc", "link": None}, ""),
        ({"run_id": "another", "link": "http://host/run"}, ""),
        (None, ""),
    ],
)
def test_the_result_names_metrics_and_mlflow_run(
    project: Path, marker: dict[str, Any] | None, link: str
) -> None:
    if marker:
        (project / "runs" / "srgan-mse").mkdir(parents=True)
        (project / "runs" / "srgan-mse" / "mlflow.json").write_text(json.dumps(marker))
    assert result_row("srgan-mse", project) == {
        "experiment": "srgan-mse",
        "val/psnr": 28.1235,
        "val/ssim": 0.8,
        "mlflow_run": "abc",
        "link": link,
    }


def test_keys_are_what_prefect_accepts() -> None:
    assert key_of("train", "SRGAN_perpix v2.1") == "train-srgan-perpix-v2-1"
