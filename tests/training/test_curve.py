"""The figures that DVC shows of a run."""

import json
from pathlib import Path

from superres.training.curve import write_curve, write_result
from superres.training.journal import JsonlTracker, RunInfo
from superres.training.run import Result


def test_a_curve_has_one_row_per_step_with_what_was_measured_there(tmp_path: Path) -> None:
    tracker = JsonlTracker()
    tracker.start(RunInfo("small", {}, {}, tmp_path))
    tracker.metrics(20, {"train/loss": 0.25, "train/mse": 0.25, "learning_rate": 1e-3})
    tracker.metrics(10, {"train/loss": 0.5})
    tracker.metrics(20, {"val/psnr": 30.1234567, "val/ssim": 0.9, "val/mse": 0.001})
    tracker.metrics(25, {"learning_rate": 1e-4})
    tracker.finish("FINISHED", None)
    write_curve(tmp_path / "log.jsonl", tmp_path / "reports" / "curves" / "small.csv")
    assert (tmp_path / "reports" / "curves" / "small.csv").read_text().splitlines() == [
        "step,train_loss,val_psnr,val_ssim,val_mse",
        "10,0.5,,,",
        "20,0.25,30.1235,0.9,0.001",
    ]


def test_a_result_says_how_good_and_which_weights(tmp_path: Path) -> None:
    metrics = {"val/psnr": 30.12345678, "val/ssim": 0.9}
    result = Result(tmp_path / "model", 60, 12.3, metrics, "b639296566aa", resumed=True)
    write_result(result, tmp_path / "reports" / "train" / "small.json")
    # Nothing of how long it took or whether it was resumed: equal weights are equal files.
    assert json.loads((tmp_path / "reports" / "train" / "small.json").read_text()) == {
        "steps": 60,
        "weights": "b639296566aa",
        "psnr": 30.123457,
        "ssim": 0.9,
    }
