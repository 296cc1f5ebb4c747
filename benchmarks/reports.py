"""Every configuration of reports R1 to R4 under one small equal budget, in one table.

python benchmarks/reports.py --out docs/reports.md      resumes where it was stopped

All train on the same packs (BSDS400, General100, T91: bicubic x2 and x4) for the same number of
steps of the same batches, each file's `demo` network, several seeds; then Set5, Set14 and BSD100
with their MATLAB-made LR files.
"""

import argparse
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from reports_page import write_page

from superres.config import Experiment, Params, load_experiment, load_params, resolve_budget
from superres.config.schema import parse
from superres.data.sampler import Sampler
from superres.evaluation import evaluate, folder_pairs, means, milliseconds, open_meters
from superres.inference.upscaler import Upscaler
from superres.training.features import feature_network
from superres.training.journal import JsonlTracker
from superres.training.run import Place, train

ROOT = Path(__file__).resolve().parents[1]
SHARED = Path(os.environ.get("SUPERRES_SHARED_DATA", ROOT / "../shared/data")).resolve()
SETS = ("Set5", "Set14", "BSD100")
BASELINES = ("bicubic",)
OURS = ("srgan-vgg16-relu22",)  # beside the reports': the ImageNet features that are here


@dataclass(frozen=True)
class Budget:
    """What every configuration gets."""

    steps: int
    batch: int = 8
    hr_patch: int = 64


def main() -> None:
    """Train what is missing, measure what is missing, write the page."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--steps", type=int, default=200)
    asked.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    asked.add_argument("--only", nargs="*", help="names of experiments")
    asked.add_argument("--work", type=Path, default=ROOT / "runs" / "reports")
    asked.add_argument("--out", type=Path, default=ROOT / "docs" / "reports.md")
    given = asked.parse_args()
    budget = Budget(given.steps)
    names = given.only or _configurations()
    for scale in (2, 4):
        _pack(scale, given.work / f"x{scale}")
    for seed in given.seeds:
        for name in names:
            _run(name, seed, budget, given.work)
            print(f"{name} seed {seed}: done", file=sys.stderr, flush=True)
    for scale in (2, 4):
        _score_baselines(scale, given.work)
    write_page(given.work, given.out, _time(names, given.seeds[0], given.work), budget.steps)


def _configurations() -> list[str]:
    """Return the experiments whose source is one of the reports R1 to R4."""
    files = sorted((ROOT / "experiments").glob("*.yaml"))
    found = [file.stem for file in files if "R" in _reports(file)]
    found += OURS
    return sorted(found, key=lambda name: (load_experiment(name).model["scale"], name))


def _reports(file: Path) -> str:
    content = yaml.safe_load(file.read_text(encoding="utf-8"))
    is_image = content.get("kind", "generator") == "generator"
    return "R" if is_image and str(content["source"])[:2] in ("R1", "R2", "R3", "R4") else ""


def _pack(scale: int, folder: Path) -> None:
    if (folder / "data" / "pairs" / "pack.json").is_file():
        return
    folder.mkdir(parents=True, exist_ok=True)
    training = SHARED / "training"
    splits = {"BSDS400": "train", "General100": "train", "T91": "val"}
    sources = [
        {"name": f"shared-{name.lower()}", "path": str(training / name), "split": split}
        for name, split in splits.items()
    ]
    params = {
        "scale": scale,
        "experiments": ["compact-mse"],
        "data": {"sources": sources, "min_side": 64},
        "tracking": {"uri": None},
    }
    (folder / "params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")
    for stage in ("fetch", "frames", "pairs"):
        subprocess.run([sys.executable, "-m", "superres", stage], cwd=folder, check=True)


def equal(name: str, budget: Budget) -> Experiment:
    """Return the experiment's demo network under the equal budget; phases keep their shares."""
    experiment = resolve_budget(load_experiment(name, ROOT / "experiments"), "demo")
    share = budget.steps / experiment.steps
    changed: dict[str, Any] = {"batch_size": budget.batch, "hr_patch": budget.hr_patch}
    changed |= {"keep": "last", "early_stopping": None, "demo": None}
    changed["phases"] = tuple(phase.scaled(share) for phase in experiment.phases)
    whole = experiment.model_copy(update=changed)
    return parse(Experiment, whole.model_dump(exclude_unset=True), f"{name} under an equal budget")


def _params(experiment: Experiment, seed: int, work: Path) -> Params:
    """Validate often enough to see a grid appear and go."""
    scale = experiment.model["scale"]
    losses = {name for phase in experiment.phases for name in phase.losses}
    has_vgg19 = any(name.startswith("vgg19") for name in losses)
    weights = _features(scale, work) if has_vgg19 else SHARED / "weights"
    settings = ("log_every=5", "validate_every=25", "state_every=100", "validation_images=8")
    overrides = [f"seed={seed}", "budget=full", f"perceptual.weights={weights}"]
    overrides += [f"training.{setting}" for setting in settings]
    return load_params(work / f"x{scale}" / "params.yaml", overrides)


def _features(scale: int, work: Path) -> Path:
    """Return the slim VGG19 that stands in for ImageNet's, trained once for all runs."""
    base = work / f"x{scale}"
    kept = base / "features.safetensors"
    if not kept.is_file():
        pack = base / "data" / "pairs"
        feature_network("here", Sampler(pack, "train", hr_patch=64, seed=1), kept, seed=1)
    return kept


def _run(name: str, seed: int, budget: Budget, work: Path) -> None:
    experiment = equal(name, budget)
    scale = experiment.model["scale"]
    base = work / f"x{scale}"
    label = f"{name}.{seed}"
    rows = base / "rows" / f"{label}.json"
    if rows.is_file():
        return
    place = Place(base / "data" / "pairs", base / "runs", base / "models")
    result = train(label, experiment, _params(experiment, seed, work), JsonlTracker(), place)
    found = _score(str(result.model), scale)
    found |= {"seconds": result.seconds, "weights": result.weights, "seed": seed, "name": name}
    _write(rows, found)


def _score_baselines(scale: int, work: Path) -> None:
    for name in BASELINES:
        rows = work / f"x{scale}" / "rows" / f"{name}.0.json"
        if not rows.is_file():
            _write(rows, _score(name, scale) | {"seconds": 0.0, "seed": 0, "name": name})


def _score(model: str, scale: int) -> dict[str, Any]:
    """Return set -> metric -> mean, LPIPS(squeeze) among them."""
    from superres.checkpoint import load_model
    from superres.models import parameter_count

    upscaler = Upscaler(load_model(model, scale=scale))
    meters = open_meters(["lpips"])
    sets: dict[str, dict[str, float]] = {}
    for name in SETS:
        folder = SHARED / "benchmarks" / name
        pairs = list(folder_pairs(folder / "HR", scale, folder / f"LR_x{scale}"))
        rows = evaluate("model", upscaler, pairs, scale, meters=meters)
        sets[name] = next(iter(means(rows)["model"].values()))
    return {"scale": scale, "sets": sets, "parameters": parameter_count(upscaler.model.generator)}


def _time(names: list[str], seed: int, work: Path) -> dict[str, float]:
    """Return milliseconds of one 120x90 picture, all models of a scale in interleaved rounds."""
    from superres.checkpoint import load_model
    from superres.images import read

    lr = read(sorted((SHARED / "benchmarks" / "Set14" / "LR_x4").glob("*.png"))[0])
    spent: dict[str, float] = {}
    for scale in (2, 4):
        models = work / f"x{scale}" / "models"
        known = [name for name in names if (models / f"{name}.{seed}" / "model.json").is_file()]
        opened = {name: load_model(models / f"{name}.{seed}") for name in known}
        opened |= {name: load_model(name, scale=scale) for name in BASELINES}
        timed = milliseconds({name: Upscaler(model) for name, model in opened.items()}, lr, 5)
        spent |= {f"{name}@{scale}": value for name, value in timed.items()}
    return spent


def _write(path: Path, content: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(content, indent=1), encoding="utf-8")
    partial.replace(path)


if __name__ == "__main__":
    main()
