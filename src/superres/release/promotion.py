"""Choose the challenger, measure it beside champion and bicubic, judge, and write the verdict."""

import json
import logging
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from superres.atomic import write_text
from superres.checkpoint import Model, load_model
from superres.config import Params
from superres.data.manifest import data_hash
from superres.errors import ModelError
from superres.evaluation import Pair, evaluate, means, milliseconds, packed_pairs
from superres.inference.upscaler import Upscaler
from superres.models import parameter_count
from superres.release.export import export_difference, export_onnx, tiled_difference
from superres.release.gate import TIME, Figures, Verdict, judge

log = logging.getLogger(__name__)

EXPORT = "model.onnx"


@dataclass(frozen=True)
class Ground:
    """The test data and protocol on which all are measured."""

    pairs: Sequence[Pair]
    data_sha256: str
    shave: int
    repeats: int

    @property
    def protocol(self) -> str:
        """Return the protocol's name."""
        return f"y-shave{self.shave}-uint8"


def ground(params: Params, pack: Path) -> Ground:
    """Return the pack's test split under the protocol of params.yaml."""
    pairs = list(packed_pairs(pack))
    if not pairs:
        raise ModelError(f"{pack}: the split 'test' is empty, so no model can be judged.")
    shave = params.scale if params.evaluation.shave is None else params.evaluation.shave
    return Ground(pairs, data_hash(pack), shave, params.evaluation.repeats)


def best_of(scores: dict[str, Any], names: Sequence[str]) -> str:
    """Return the experiment with the highest PSNR-Y, mean over the test sets."""
    known = [name for name in names if name in scores]
    if not known:
        raise ModelError(f"none of {list(names)} has been evaluated; run 'superres evaluate'.")

    def mean_psnr(name: str) -> float:
        values = [metrics["psnr_y"] for metrics in scores[name].values()]
        return float(np.mean(values))

    return max(known, key=mean_psnr)


def stage(trained: Path, staging: Path) -> Model:
    """Copy a trained model folder and add its exported form, when it can be exported."""
    shutil.copytree(trained, staging, dirs_exist_ok=True)
    (staging / EXPORT).unlink(missing_ok=True)
    try:
        export_onnx(load_model(staging), staging / EXPORT)
    except ModelError as error:  # a rule of the gate tells it
        log.warning("%s", error)
    return load_model(staging)


def measure(models: dict[str, Model], on: Ground) -> dict[str, Figures]:
    """Measure all models side by side; times are interleaved."""
    upscalers = {name: Upscaler(model) for name, model in models.items()}
    spent = milliseconds(upscalers, on.pairs[0].lr, on.repeats)
    found = {}
    for name, model in models.items():
        rows = evaluate(name, upscalers[name], on.pairs, on.shave)
        export = model.folder / EXPORT if model.folder is not None else None
        found[name] = Figures(
            version=model.version,
            data_sha256=on.data_sha256,
            protocol=on.protocol,
            scores=means(rows)[name],
            colour_shift=float(np.max([row.colour_shift for row in rows])),  # NaN stays NaN
            parameters=parameter_count(model.generator),
            ms=spent[name],
            tiled_difference=tiled_difference(model),
            export_difference=export_difference(model, export)
            if export is not None and export.is_file()
            else None,
        )
    return found


def contest(challenger: Model, champion: Model | None, params: Params, on: Ground) -> Verdict:
    """Judge a challenger against bicubic and, when there is one, the champion."""
    models = {"challenger": challenger, "bicubic": load_model("bicubic", scale=params.scale)}
    if champion is not None:
        models["champion"] = champion
    figures = measure(models, on)
    return judge(figures["challenger"], figures["bicubic"], figures.get("champion"), params.gate)


def write_verdict(verdict: Verdict, outcome: str, report: Path) -> None:
    """Write promotion.json and promotion.md into the folder `report`."""
    content = {**verdict.as_dict(), "outcome": outcome}
    write_text(report / "promotion.json", json.dumps(content, indent=2) + "\n")
    lines = [
        f"# {verdict.challenger}: {outcome}",
        "",
        f"Champion before: {verdict.champion or 'none'}.",
        "",
        "| rule | found | accepted | |",
        "|---|---|---|---|",
        *(
            f"| {check.rule} | {check.found} | {check.accepted} | "
            f"{'kept' if check.passed else '**broken**'} |"
            for check in verdict.checks
        ),
        "",
    ]
    write_text(report / "promotion.md", "\n".join(lines))


def add_to_card(folder: Path, verdict: Verdict) -> None:
    """Append the gate's table to the model card of a staged folder.

    Times are left out: equal models have equal cards, and the registry takes them once.
    """
    card = folder / "README.md"
    kept = [check for check in verdict.checks if check.rule != TIME]
    rows = [f"| {check.rule} | {check.found} | {check.accepted} |" for check in kept]
    table = ["## Gate", "", "| rule | found | accepted |", "|---|---|---|", *rows, ""]
    write_text(card, card.read_text(encoding="utf-8") + "\n" + "\n".join(table))
