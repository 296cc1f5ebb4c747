"""A run, ended or not, becomes a model folder small enough for the repository: models/pretrained.

Beside the model: experiment.yaml, log.jsonl (the training log), data.csv (every picture it was
trained on, with hashes). Networks stay in the form they train in, so that `init` can go on.
"""

import copy
import csv
import io
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
import yaml

from superres.atomic import replaced_folder
from superres.checkpoint import load_model, save_model
from superres.config import Experiment, load_experiment, load_params, resolve_budget
from superres.data.manifest import Row, data_hash, read_manifest
from superres.errors import ModelError
from superres.models import Generator, build
from superres.training.card import training_card
from superres.training.clip_validation import ClipValidation
from superres.training.journal import RunInfo
from superres.training.lineage import Job, provenance, weights_digest
from superres.training.validation import Validation

HALF_COSTS = 0.01  # dB of validation PSNR that half the file may cost at most
MAX_BYTES = 8_000_000  # of the weights: the repository carries them
JUDGED = 16  # validation pictures, or clips, that the cost is measured on
JUDGED_FRAMES = 7  # of a clip
# What data.csv tells of a picture: sha256 of its HR pixels, source_sha256 of its file.
LISTED = ("id", "source", "height", "width", "sha256", "source_sha256", "licence")
Sources = Mapping[str, Mapping[str, str]]  # data set -> title, licence, made


@dataclass(frozen=True)
class Run:
    """Where a training left what is shipped, and what only people know of it."""

    name: str
    root: Path = Path()  # with experiments/, runs/, models/runs/ and data/pairs/
    told: Mapping[str, str] = field(default_factory=dict)  # git_commit, hardware
    sources: Sources = field(default_factory=dict)

    @property
    def state(self) -> Path:
        """The newest state of a run that has not ended."""
        return self.root / "runs" / self.name / "state.pt"

    @property
    def pack(self) -> Path:
        """What it was trained on."""
        return self.root / "data" / "pairs"


@dataclass(frozen=True)
class Shipped:
    """A folder that was written, and what the smaller numbers cost."""

    folder: Path
    version: str
    bytes: int
    half: bool
    cost: float  # dB of validation PSNR


def read_sources(file: Path) -> dict[str, dict[str, str]]:
    """Return what models/pretrained/sources.yaml says of data sets: title, licence, made."""
    if not file.is_file():
        return {}
    return dict(yaml.safe_load(file.read_text(encoding="utf-8")))


def ship(run: Run, out: Path) -> Shipped:
    """Write the model folder `out`, whole or not at all.

    A run that ended gives what it kept; one that goes on gives its average (EMA) as of the newest
    state. Raises ModelError when there is neither, when the pack is another one, or when the
    weights are too large.
    """
    experiment = load_experiment(run.name, run.root / "experiments")
    generator, facts = _unfinished(run, experiment) if run.state.is_file() else _ended(run)
    if facts["data_sha256"] != data_hash(run.pack):
        raise ModelError(f"{run.pack}: not the data that {run.name} was trained on.")
    half, cost = _halved(generator, run)
    weights = weights_digest(generator.state_dict())
    facts |= _named(out.name, weights, half=half, cost_db=round(cost, 5)) | dict(run.told)
    rows = [row for row in read_manifest(run.pack) if row.split == "train"]
    facts["data"] = _data(rows, run.sources)
    stored = copy.deepcopy(generator).half() if half else generator
    with replaced_folder(out) as staging:
        written = save_model(staging / "model", stored, facts, _card(facts))
        for file in written.iterdir():
            file.replace(staging / file.name)
        written.rmdir()
        (staging / "experiment.yaml").write_bytes(_experiment_file(run).read_bytes())
        (staging / "log.jsonl").write_text(_log(run), encoding="utf-8")
        (staging / "data.csv").write_text(_listed(rows, run.sources), encoding="utf-8")
        size = (staging / "model.safetensors").stat().st_size
        if size > MAX_BYTES:
            raise ModelError(f"{out}: weights of {size:,} bytes; at most {MAX_BYTES:,} are shipped")
    return Shipped(out, facts["version"], size, half, cost)


def _experiment_file(run: Run) -> Path:
    return run.root / "experiments" / f"{run.name}.yaml"


def _ended(run: Run) -> tuple[Generator, dict[str, Any]]:
    folder = run.root / "models" / "runs" / run.name
    if not (folder / "model.json").is_file():
        raise ModelError(f"'{run.name}': neither {run.state} nor a model in {folder}.")
    model = load_model(folder)
    return model.generator, dict(model.provenance)


def _unfinished(run: Run, experiment: Experiment) -> tuple[Generator, dict[str, Any]]:
    """Return the average so far; the facts are those that the run's log began with."""
    params = load_params(run.root / "params.yaml")
    experiment = resolve_budget(experiment, params.budget)
    state = torch.load(run.state, map_location="cpu", weights_only=True)
    networks, standing = state["networks"], state["standing"]
    generator = build(**experiment.model)
    generator.load_state_dict(state["best_weights"] or networks.get("ema") or networks["generator"])
    begun = json.loads(_log_lines(run)[0])
    tags = {**begun["tags"], "init": standing.get("init", "none")}
    info = RunInfo(run.name, {}, tags, run.state.parent)
    job = Job(run.name, experiment, params, run.pack, state["key"])
    metrics = _validation(run, generator).scores(generator)
    facts = provenance(job, generator, metrics, (info, None))
    facts |= {"steps": standing["step"], "of_steps": experiment.steps}
    facts["training_seconds"] = round(standing["seconds"], 1)
    return generator.eval(), facts


def _validation(run: Run, generator: Generator) -> Validation | ClipValidation:
    if generator.info.kind == "video":
        return ClipValidation(run.pack, generator.info.scale, JUDGED, JUDGED_FRAMES, "cpu")
    return Validation(run.pack, generator.info.scale, JUDGED, "cpu")


def _halved(generator: Generator, run: Run) -> tuple[bool, float]:
    """Round the weights to float16 where that costs next to nothing; tell whether and the cost."""
    validation = _validation(run, generator)
    rounded = copy.deepcopy(generator)
    rounded.load_state_dict(copy.deepcopy(generator).half().state_dict())
    scores = [validation.scores(one) for one in (generator, rounded)]
    finite = all(torch.isfinite(value).all() for value in rounded.state_dict().values())
    before, after = (one.get("val/psnr", math.nan) for one in scores)
    cost = before - after
    if not finite or not cost < HALF_COSTS:  # NaN: nothing to judge by
        return False, cost
    generator.load_state_dict(rounded.state_dict())
    return True, cost


def _named(name: str, weights: str, **storage: Any) -> dict[str, Any]:
    return {"version": f"{name}-{weights[:8]}", "weights": weights, "storage": storage}


def _data(rows: Sequence[Row], sources: Sources) -> dict[str, Any]:
    """Return what model.json says of the data, in the words of sources.yaml."""
    names = sorted({row.source for row in rows})
    found = {name: sources.get(name, {}) for name in names}
    given = {row.source: row.licence for row in rows}
    licences = {str(found[name].get("licence", given[name])) for name in names}
    return {
        "sets": [str(found[name].get("title", name)) for name in names],
        "licences": sorted(licences),
        "images": len(rows),
        "pixels": sum(row.height * row.width for row in rows),
    }


def _card(facts: dict[str, Any]) -> str:
    storage, of_steps = facts["storage"], facts.get("of_steps", facts["steps"])
    lines = [
        "## Shipped",
        "",
        f"- Average of the weights (EMA), stored as {'float16' if storage['half'] else 'float32'}; "
        f"that costs {storage['cost_db']:.4f} dB on the validation pictures.",
        "- In the form it trains in: `init` goes on from it; inference runs the deployed form.",
        f"- Trained on: {facts.get('hardware', 'not stated')}.",
        "- `experiment.yaml` is the configuration, `log.jsonl` the training log, `data.csv` lists "
        "every training picture with its hashes. No benchmark picture is among them "
        "(docs/pretrained.md).",
    ]
    if facts["steps"] < of_steps:
        lines.append(f"- Not trained to its end: {facts['steps']:,} of {of_steps:,} steps.")
    return training_card(facts) + "\n" + "\n".join(lines) + "\n"


def _log_lines(run: Run) -> list[str]:
    file = run.root / "runs" / run.name / "log.jsonl"
    try:
        return file.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise ModelError(f"{file}: no training log ({error.strerror}).") from None


def _log(run: Run) -> str:
    """Return the log without its pictures and the place of its model, which do not travel."""
    kept = []
    for line in _log_lines(run):
        record = json.loads(line)
        if record["kind"] != "image":
            record.pop("model", None)
            kept.append(json.dumps(record))
    return "\n".join(kept) + "\n"


def _listed(rows: Sequence[Row], sources: Sources) -> str:
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(LISTED)
    for row in rows:
        licence = sources.get(row.source, {}).get("licence", row.licence)
        known = {**{name: getattr(row, name) for name in LISTED}, "licence": licence}
        writer.writerow(known.values())
    return stream.getvalue()
