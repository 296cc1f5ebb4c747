"""Choose the challenger, measure it beside champion and bicubic, and judge."""

import logging
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from superres import pretrained
from superres.checkpoint import Model, load_model
from superres.config import Params
from superres.data.manifest import data_hash
from superres.errors import ModelError
from superres.evaluation import (
    Meters,
    Pair,
    Protocol,
    Row,
    evaluate,
    means,
    milliseconds,
    open_meters,
    packed_pairs,
)
from superres.evaluation.efficiency import spent_by, work_of
from superres.evaluation.protocol import Rounding
from superres.images import Picture
from superres.inference.facts import is_int8
from superres.inference.upscaler import Upscaler
from superres.models import parameter_count
from superres.release.card import card_gaps
from superres.release.export import (
    export_difference,
    export_onnx,
    pieces_difference,
    tiled_difference,
)
from superres.release.gate import Figures, Pictures, judge
from superres.release.verdict import Verdict
from superres.report.measures import figures

log = logging.getLogger(__name__)

EXPORT = "model.onnx"
PLAIN = Meters()
BUDGET_SIZE = (270, 480)  # LR rows and columns of the picture whose memory is measured


@dataclass(frozen=True)
class Ground:
    """The test data and protocol on which all are measured."""

    pairs: Sequence[Pair]
    data_sha256: str
    shave: int
    repeats: int
    meters: Meters = PLAIN
    protocol: str = "y-shave-uint8"
    rounding: Rounding = "uint8"


@dataclass(frozen=True)
class Judged:
    """A verdict and the challenger's rows, for its card."""

    verdict: Verdict
    rows: Sequence[Row]


def ground(params: Params, pack: Path) -> Ground:
    """Return the pack's test split under the protocol of params.yaml."""
    pairs = list(packed_pairs(pack))
    if not pairs:
        raise ModelError(f"{pack}: the split 'test' is empty, so no model can be judged.")
    rules = params.evaluation
    protocol = Protocol("y", rules.shave, rules.rounding)  # what is served: no self-ensemble
    return Ground(
        pairs,
        data_hash(pack),
        protocol.border(params.scale),
        rules.repeats,
        open_meters(("lpips", "temporal"), net=rules.lpips, kernel=params.data.kernel),
        protocol.name(params.scale),
        rules.rounding,
    )


def best_of(scores: Mapping[str, Any], names: Sequence[str]) -> str:
    """Return the experiment with the highest PSNR-Y, mean over the test sets.

    A PSNR of null is that of a set reproduced without any error.
    """
    known = [name for name in names if name in scores]
    if not known:
        raise ModelError(f"none of {list(names)} has been evaluated; run 'superres evaluate'.")

    def mean_psnr(name: str) -> float:
        values = [metrics["psnr_y"] for metrics in scores[name].values()]
        return float(np.mean([np.inf if value is None else value for value in values]))

    return max(known, key=mean_psnr)


def first_champion(params: Params, shipped: Path) -> Path | None:
    """Return the shipped model that is to be champion where there is none; None: nobody.

    Raises ModelError for a name that is not in the folder `shipped`.
    """
    wanted = params.gate.first_champion
    if wanted == "none":
        return None
    if wanted == "auto":
        return pretrained.default(params.scale, shipped)
    if not (shipped / wanted / "model.json").is_file():
        known = sorted(file.parent.name for file in shipped.glob("*/model.json"))
        raise ModelError(
            f"gate.first_champion '{wanted}': accepted: auto, none, a model of {shipped}: "
            f"{', '.join(known) or 'none there'}."
        )
    return shipped / wanted


def stage(trained: Path, staging: Path) -> Model:
    """Copy a trained model folder and add its exported form, when it can be exported.

    The export of an int8 model is the model, so it is kept.
    """
    shutil.copytree(trained, staging, dirs_exist_ok=True)
    model = load_model(staging)
    if is_int8(model):
        return model
    (staging / EXPORT).unlink(missing_ok=True)
    try:
        export_onnx(model, staging / EXPORT)
    except ModelError as error:  # a rule of the gate tells it
        log.warning("%s", error)
    return load_model(staging)


def measure(models: Mapping[str, Model], on: Ground) -> dict[str, tuple[Figures, list[Row]]]:
    """Measure all models side by side; times are interleaved."""
    upscalers = {name: Upscaler(model) for name, model in models.items()}
    spent = milliseconds(upscalers, on.pairs[0].lr, on.repeats)
    found = {}
    for name, model in models.items():
        rows = evaluate(
            name, upscalers[name], on.pairs, on.shave, rounding=on.rounding, meters=on.meters
        )
        found[name] = _figures(model, rows, spent[name], on), rows
    return found


def _figures(model: Model, rows: Sequence[Row], ms: float, on: Ground) -> Figures:
    export = model.folder / EXPORT if model.folder is not None else None
    files = [] if model.folder is None else list(model.folder.rglob("*"))
    phases = model.provenance.get("configuration", {}).get("phases", [])
    return Figures(
        version=model.version,
        data_sha256=on.data_sha256,
        protocol=on.protocol,
        scores=means(rows)[rows[0].model],
        colour_shift=float(np.max([row.colour_shift for row in rows])),  # NaN stays NaN
        parameters=parameter_count(model.generator),
        ms=ms,
        tiled_difference=tiled_difference(model),
        export_difference=export_difference(model, export)
        if export is not None and export.is_file()
        else None,
        pictures=_pictures(rows),
        adversarial=any(phase.get("adversarial") for phase in phases),
        kind=model.info.kind,
        pieces_difference=pieces_difference(model),
        memory=_memory(model),
        size=sum(path.stat().st_size for path in files if path.is_file()),
        card_gaps=() if model.folder is None else card_gaps(model),
    )


def _memory(model: Model) -> int | None:
    """Return the bytes at the peak that one picture needs, in tiles as when it is served."""
    height, width = BUDGET_SIZE
    lr = np.random.default_rng(1).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return spent_by(work_of(Upscaler(model), Picture(lr))).memory


def _pictures(rows: Sequence[Row]) -> Pictures:
    found: dict[str, dict[str, Mapping[str, float]]] = {}
    for row in rows:
        found.setdefault(row.set, {})[row.image] = figures(row)
    return found


def contest(challenger: Model, champion: Model | None, params: Params, on: Ground) -> Judged:
    """Judge a challenger against bicubic and, when there is one, the champion."""
    models = {"challenger": challenger, "bicubic": load_model("bicubic", scale=params.scale)}
    if champion is not None:
        models["champion"] = champion
    found = measure(models, on)
    known = {name: one for name, (one, _) in found.items()}
    verdict = judge(known["challenger"], known["bicubic"], known.get("champion"), params.gate)
    return Judged(verdict, found["challenger"][1])
