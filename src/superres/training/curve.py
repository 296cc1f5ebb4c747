"""A run's log as the files that DVC shows: one CSV of its curves, one JSON of its result."""

import csv
import io
import json
from pathlib import Path
from typing import TYPE_CHECKING

from superres.atomic import write_text

if TYPE_CHECKING:
    from superres.training.run import Result

COLUMNS = ("step", "train_loss", "val_psnr", "val_ssim", "val_mse")


def write_curve(log: Path, path: Path) -> None:
    """Write step, training loss and validation figures of a log.jsonl as CSV."""
    steps: dict[int, dict[str, float]] = {}
    for line in log.read_text(encoding="utf-8").splitlines():
        entry = json.loads(line)
        if entry["kind"] == "metrics":
            steps.setdefault(entry["step"], {}).update(entry["values"])
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for step in sorted(steps):
        values = [steps[step].get(name.replace("_", "/", 1)) for name in COLUMNS[1:]]
        if any(value is not None for value in values):
            writer.writerow([step, *("" if value is None else f"{value:.6g}" for value in values)])
    write_text(path, text.getvalue())


def write_result(result: "Result", path: Path) -> None:
    """Write the validation figures and weights' digest of a finished run as JSON."""
    figures = {key.removeprefix("val/"): round(value, 6) for key, value in result.metrics.items()}
    content = {"steps": result.steps, "weights": result.weights, **figures}
    write_text(path, json.dumps(content, indent=2) + "\n")
