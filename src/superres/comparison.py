"""Models under one protocol, in one process, into one report."""

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from superres.atomic import write_text
from superres.checkpoint import Model, load_model
from superres.config import Params
from superres.errors import ModelError
from superres.evaluation import (
    Row,
    evaluate,
    milliseconds,
    open_meters,
)
from superres.inference.upscaler import Upscaler
from superres.models import BASELINES, parameter_count
from superres.report.ground import Ground, packed_ground, sets_ground
from superres.report.markdown import comparison_markdown
from superres.report.plots import plot_curves, plot_quality
from superres.report.strips import chosen, strip, write_strips
from superres.report.study import Study, write_study
from superres.report.tables import (
    Entry,
    markdown_table,
    table_cells,
    write_metrics,
    write_rows,
)
from superres.report_page import write_page

REFERENCE = "bicubic"


def compare_all(
    params: Params, pack: Path, report: Path, models: Path = Path("models/runs")
) -> str:
    """Evaluate baselines and experiments on the pack's test split; return the Markdown table.

    The sets of `evaluation.sets` come after it. Writes <report>/evaluation.{csv,json,md},
    comparison.json, efficiency.json, index.html, strips and plots.
    """
    return write_report(study_all(params, pack, report, models), report, params.experiments)


def study_all(params: Params, pack: Path, report: Path, models: Path) -> Study:
    """Return the comparison of baselines and experiments."""
    on = packed_ground(params, pack, report / "curves")
    if params.evaluation.sets:
        more = sets_ground(params, params.evaluation.sets, params.scale, on.curves)
        on = replace(on, pairs=[*on.pairs, *more.pairs], made_by=f"{on.made_by}; {more.made_by}")
    opened = {name: load_model(name, scale=params.scale) for name in BASELINES}
    opened |= {name: load_model(models / name) for name in params.experiments}
    return compare(opened, on)


def open_models(names: Sequence[str], scale: int) -> dict[str, Model]:
    """Open bicubic, for reference, and the named models, by a name of their own each.

    A name is a baseline, "champion", an experiment, a model folder, or a run folder.
    Raises ModelError for what is none of these and for models of different scales.
    """
    models = {REFERENCE: load_model(REFERENCE, scale=scale)}
    for name in names:
        model = load_model(_model_folder(name), scale=scale)
        known = name if name in BASELINES or name == "champion" else Path(name).name
        taken = known in models and known != REFERENCE
        models[f"{known} ({model.version})" if taken else known] = model
    scales = {name: model.info.scale for name, model in models.items()}
    if len(set(scales.values())) > 1:
        told = ", ".join(f"{name} x{value}" for name, value in scales.items())
        raise ModelError(f"models of different scales cannot be compared: {told}.")
    return models


def _model_folder(name: str) -> str | Path:
    """Return the model that a run folder left; any other name as it is."""
    journal = Path(name) / "log.jsonl"
    if not journal.is_file():
        return name
    last = json.loads(journal.read_text(encoding="utf-8").splitlines()[-1])
    model = last.get("model") if last.get("kind") == "finish" else None
    if not model:
        raise ModelError(f"{name}: this run has left no model; finish it with superres train.")
    return (journal.parent / str(model)).resolve()


def compare(models: Mapping[str, Model], on: Ground) -> Study:
    """Measure all models on the same pictures; times are interleaved."""
    upscalers = {name: Upscaler(model) for name, model in models.items()}
    spent = milliseconds(upscalers, on.pairs[0].lr, on.evaluation.repeats)
    entries = [_entry(name, upscaler, spent[name]) for name, upscaler in upscalers.items()]
    scale, rules = entries[0].upscaler.info.scale, on.evaluation
    meters = open_meters(rules.metrics, net=rules.lpips, kernel=on.kernel)
    rows: list[Row] = []
    for name, upscaler in upscalers.items():
        enlarger = Upscaler(models[name], ensemble=True) if rules.self_ensemble else upscaler
        rows += evaluate(
            name, enlarger, on.pairs, on.shave(scale), rounding=rules.rounding, meters=meters
        )
    shown = [one for one in entries if one.parameters or one.name == REFERENCE]
    few = chosen(on.pairs, [row for row in rows if row.model in {one.name for one in shown}])
    return Study(
        rows=rows,
        entries=entries,
        reference=REFERENCE,
        scale=scale,
        protocol=" ".join([on.protocol(scale), *(f"{note}." for note in meters.notes)]),
        data_sha256=on.data_sha256,
        curves={one.name: read_curve(_curve(one, on.curves)) for one in entries if one.parameters},
        strips=[strip(pair, shown) for pair in few],
    )


def _curve(entry: Entry, folder: Path) -> Path:
    experiment = entry.upscaler.model.provenance.get("experiment", entry.name)
    return folder / f"{experiment}.csv"


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


def write_report(study: Study, report: Path, order: Sequence[str] = ()) -> str:
    """Write the study into the folder `report` and return the Markdown table.

    `order`: the names of the curves in the plot; without it, those of the trained models.
    """
    write_rows(study.rows, report / "evaluation.csv")
    write_metrics(study.rows, report / "evaluation.json")
    write_study(study, report / "comparison.json")
    _write_efficiency(study, report / "efficiency.json")
    files = write_strips(study.strips, report / "strips")
    text = comparison_markdown(study, [file.relative_to(report) for file in files])
    write_text(report / "evaluation.md", text)
    plots = report / "plots"
    shown = [one for one in study.entries if one.parameters or one.name == study.reference]
    plot_quality(study.rows, shown, plots / "quality-against-time.svg")
    names = order or [entry.name for entry in study.trained]
    curves = {name: study.curves.get(name, ()) for name in names}
    plot_curves(curves, "validation PSNR-Y, dB", plots / "validation.svg")
    write_page(report / "index.html", study)
    return markdown_table(table_cells(study.rows, study.entries, study.reference))


def _write_efficiency(study: Study, path: Path) -> None:
    base = next(entry.ms for entry in study.entries if entry.name == study.reference)
    content = {
        entry.name: {
            "ms": round(entry.ms, 3),
            f"ratio_to_{study.reference}": round(entry.ms / base, 2),
            "parameters": entry.parameters,
            "training_seconds": entry.training_seconds,
        }
        for entry in study.entries
    }
    write_text(path, json.dumps(content, indent=2) + "\n")


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
