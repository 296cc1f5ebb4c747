"""Every model of params.yaml under one protocol, in one process, into one report."""

import csv
import json
from collections.abc import Sequence
from pathlib import Path

from superres.atomic import write_text
from superres.checkpoint import load_model
from superres.config import Params
from superres.errors import DataError
from superres.evaluation import Pair, Row, evaluate, milliseconds, packed_pairs
from superres.inference.upscaler import Upscaler
from superres.models import BASELINES, parameter_count
from superres.report import (
    Entry,
    markdown_table,
    plot_curves,
    plot_quality,
    table_cells,
    write_metrics,
    write_rows,
    write_strips,
)
from superres.report_page import Content, write_page

REFERENCE = "bicubic"


def compare_all(
    params: Params, pack: Path, report: Path, models: Path = Path("models/runs")
) -> str:
    """Evaluate baselines and experiments on the pack's test split; return the Markdown table.

    Writes <report>/evaluation.{csv,json,md}, efficiency.json, index.html, strips and plots.
    """
    pairs = list(packed_pairs(pack))
    if not pairs:
        raise DataError(f"{pack}: the split 'test' is empty. Give a source split: test.")
    shave = params.scale if params.evaluation.shave is None else params.evaluation.shave
    opened = {name: load_model(name, scale=params.scale) for name in BASELINES}
    opened |= {name: load_model(models / name) for name in params.experiments}
    upscalers = {name: Upscaler(model) for name, model in opened.items()}
    spent = milliseconds(upscalers, pairs[0].lr, params.evaluation.repeats)
    rows: list[Row] = []
    for name, upscaler in upscalers.items():
        rows += evaluate(name, upscaler, pairs, shave)
    entries = [_entry(name, upscaler, spent[name]) for name, upscaler in upscalers.items()]
    return _write(rows, entries, pairs, params, report, shave)


def _entry(name: str, upscaler: Upscaler, ms: float) -> Entry:
    known = upscaler.model.provenance
    return Entry(
        name=name,
        upscaler=upscaler,
        parameters=parameter_count(upscaler.model.generator),
        ms=ms,
        source=str(known.get("source", "")),
        expected=str(known.get("configuration", {}).get("expected", "")),
        training_seconds=known.get("training_seconds"),
    )


def _write(
    rows: Sequence[Row],
    entries: Sequence[Entry],
    pairs: Sequence[Pair],
    params: Params,
    report: Path,
    shave: int,
) -> str:
    write_rows(rows, report / "evaluation.csv")
    write_metrics(rows, report / "evaluation.json")
    base = next(entry.ms for entry in entries if entry.name == REFERENCE)
    efficiency = {
        entry.name: {
            "ms": round(entry.ms, 3),
            f"ratio_to_{REFERENCE}": round(entry.ms / base, 2),
            "parameters": entry.parameters,
            "training_seconds": entry.training_seconds,
        }
        for entry in entries
    }
    write_text(report / "efficiency.json", json.dumps(efficiency, indent=2) + "\n")
    cells = table_cells(rows, entries, REFERENCE)
    table = markdown_table(cells)
    protocol = (
        f"PSNR and SSIM of the uint8 result, {shave} pixels shaved, luma BT.601 (Y) and RGB; "
        f"LR by {params.data.kernel} with antialiasing. Means over each set."
    )
    write_text(report / "evaluation.md", f"{protocol}\n\n{table}")
    shown = [entry for entry in entries if entry.name not in BASELINES or entry.name == REFERENCE]
    strips = write_strips(pairs, shown, report / "strips")
    plots = [report / "plots" / name for name in ("quality-against-time.svg", "validation.svg")]
    plot_quality(rows, shown, plots[0])
    curves = {name: read_curve(report / "curves" / f"{name}.csv") for name in params.experiments}
    plot_curves(curves, "validation PSNR-Y, dB", plots[1])
    write_page(report, Content(cells, shown, strips, plots, protocol))
    return table


def read_curve(path: Path) -> list[tuple[int, float]]:
    """Return (step, validation PSNR) from a run's curve file; nothing when there is none."""
    if not path.is_file():
        return []
    with path.open(encoding="utf-8", newline="") as stream:
        return [
            (int(line["step"]), float(line["val_psnr"]))
            for line in csv.DictReader(stream)
            if line["val_psnr"]
        ]
