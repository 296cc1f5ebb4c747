"""A comparison in MLflow: figures on the runs, one latest run per experiment, the report."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from studies import study

from superres.checkpoint import Model
from superres.comparison import write_report
from superres.config import TrackingParams
from superres.inference.upscaler import Upscaler
from superres.report.study import Study
from superres.tracking.comparison import FILES, record, record_or_warn
from superres.tracking.store import Store


def with_run(made: Study, run_id: str | None) -> Study:
    """Let the model "sharp" be one that this run trained."""
    bicubic, sharp = made.entries
    model = sharp.upscaler.model
    facts = {"experiment": "sharp", "run_id": run_id, "steps": 800, "version": "sharp-1"}
    known = Model(model.generator, model.info, facts)
    return replace(made, entries=[bicubic, replace(sharp, upscaler=Upscaler(known))])


def test_the_runs_carry_the_figures_and_the_report_is_an_artifact(
    store: Store, settings: TrackingParams, root: Path, tmp_path: Path
) -> None:
    runs = [store.create("sharp", 1000.0, {"experiment": "sharp"}) for _ in range(2)]
    made = study(tmp_path / "study")
    write_report(made, tmp_path / "reports")
    for run in runs:
        found = record(with_run(made, run.run_id), tmp_path / "reports", settings, root)

    data = [store.client.get_run(run.run_id).data for run in runs]
    expected = json.loads((tmp_path / "reports" / "evaluation.json").read_text())["sharp"]
    for name in ("discs", "clip"):
        value = data[1].metrics[f"eval/{name}/psnr_y"]
        assert value == pytest.approx(expected[name]["psnr_y"], abs=1e-6)
    assert data[1].metrics["eval/time_ratio_to_bicubic"] == 2.5
    assert data[1].tags["eval.data_sha256"] == made.data_sha256
    assert data[1].tags["eval.protocol"] == "2 pixels shaved"
    assert [one.tags["compared"] for one in data] == ["before", "latest"]  # one row an experiment

    comparison = store.client.get_run(found)
    assert comparison.data.tags["best"] == "sharp"
    assert comparison.data.metrics["psnr_y/sharp"] > comparison.data.metrics["psnr_y/bicubic"]
    names = {artifact.path for artifact in store.client.list_artifacts(found)}
    assert {*FILES, "plots", "images"} <= names


def test_models_of_another_store_are_passed_over(
    store: Store, settings: TrackingParams, root: Path, tmp_path: Path
) -> None:
    made = with_run(study(tmp_path / "study", strips=()), "0" * 32)
    write_report(made, tmp_path / "reports")
    found = record(made, tmp_path / "reports", settings, root)
    assert store.client.get_run(found).data.tags["superres.kind"] == "comparison"


def test_a_dead_store_costs_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    settings = TrackingParams(uri="http://127.0.0.1:9")
    record_or_warn(study(tmp_path / "study", strips=()), tmp_path, settings)
    assert "MLflow lacks this comparison: the tracking store http://127.0.0.1:9" in caplog.text
