"""An evaluation as CSV, as the metrics file of DVC, and as table cells."""

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np

from superres.atomic import write_text
from superres.evaluation import Row, means
from superres.inference.upscaler import Upscaler
from superres.report.measures import IN_TABLE, figures, measured

NAMES = ("model", "set", "image")


@dataclass(frozen=True)
class Entry:
    """One model of the comparison."""

    name: str
    upscaler: Upscaler
    parameters: int
    ms: float
    source: str = ""
    expected: str = ""  # what the source measured: theirs, not ours
    training_seconds: float | None = None


def write_rows(rows: Sequence[Row], path: Path) -> None:
    """Write one CSV line per model and picture; times are left out, so equal models are equal."""
    names = [field.name for field in fields(Row) if field.name != "seconds"]
    text = io.StringIO()
    writer = csv.DictWriter(text, names, lineterminator="\n", extrasaction="ignore")
    writer.writeheader()
    for row in rows:
        values = {key: value for key, value in asdict(row).items() if key in names}
        writer.writerow({key: _cell(value) for key, value in values.items()})
    write_text(path, text.getvalue())


def _cell(value: object) -> object:
    if isinstance(value, float):
        return f"{value:.6f}"
    return "" if value is None else value


def write_metrics(rows: Sequence[Row], path: Path) -> None:
    """Write model -> set -> metric -> mean as JSON: the metrics file of DVC.

    A figure that is not finite, as the PSNR of equal pictures, is null.
    """
    rounded = {
        model: {
            name: {
                key: round(value, 6) if np.isfinite(value) else None
                for key, value in metrics.items()
            }
            for name, metrics in sets.items()
        }
        for model, sets in means(rows).items()
    }
    write_text(path, json.dumps(rounded, indent=2, sort_keys=True) + "\n")


def set_mean(rows: Sequence[Row], model: str, name: str, key: str) -> float | None:
    """Return the mean of one figure over a set; None when no picture has it."""
    own = [
        figures(row)[key]
        for row in rows
        if (row.model, row.set) == (model, name) and key in figures(row)
    ]
    return float(np.mean(own)) if own else None


def table_cells(rows: Sequence[Row], entries: Sequence[Entry], reference: str) -> list[list[str]]:
    """Return head and one line per set and model; time ratios refer to the model `reference`."""
    base = next(entry.ms for entry in entries if entry.name == reference)
    columns = measured(rows, IN_TABLE)
    titles = [column.title for column in columns]
    lines = [["set", "model", *titles, "parameters", f"time / {reference}", "training s"]]
    for name in dict.fromkeys(row.set for row in rows):
        for entry in entries:
            own = [row for row in rows if (row.model, row.set) == (entry.name, name)]
            values = [(set_mean(own, entry.name, name, one.key), one.digits) for one in columns]
            seconds = entry.training_seconds
            lines.append(
                [
                    name,
                    entry.name,
                    *("" if value is None else f"{value:.{digits}f}" for value, digits in values),
                    f"{entry.parameters:,}",
                    f"{entry.ms / base:.1f}",
                    "" if seconds is None else f"{seconds:.0f}",
                ]
            )
    return lines


def markdown_table(cells: Sequence[Sequence[str]], left: int = 2) -> str:
    """Return the table as Markdown; the first `left` columns are words."""
    lines = [f"| {' | '.join(cell.replace('|', '/') for cell in line)} |" for line in cells]
    rule = "|" + "---|" * left + "--:|" * (len(cells[0]) - left)
    return "\n".join([lines[0], rule, *lines[1:]]) + "\n"
