"""R5's ladder under one equal budget: what each step of it does to PSNR, SSIM and flicker.

python benchmarks/ladder.py --pack DIR --steps 20000 --seeds 1,2,3 [--small] [-o DIR] [NAME...]
Trains experiments/video-srgan-NAME.yaml with each seed on the clips of a pack, then measures Vid4.
What is in OUT/ladder.jsonl already is not trained again, so a run that was stopped goes on.
`--small` takes the networks of `budget: demo`. VGG16's relu5_3 term is left out where its weights
are not on this machine or end before; every line of the log names the terms that were trained with.
Prints the means over seeds with their range, rung by rung, and what each rung added.
"""

import argparse
import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from superres.checkpoint import load_model
from superres.config import Experiment, Params, load_experiment, resolve_budget
from superres.config.schema import parse
from superres.data.manifest import read_pack
from superres.evaluation import Pair, evaluate, find_set, open_meters
from superres.evaluation.pairs import clip_pairs
from superres.inference.upscaler import Upscaler
from superres.losses.weights import find_weights, reaches, shared_weights, torchvision_cache
from superres.training.journal import NullTracker
from superres.training.run import Place, train

NAMES = ("base", "recurrent", "aligned", "smoothed", "gaussian", "temporal")
KEYS = ("psnr_y", "ssim_y", "flicker", "tof", "warping_error")
TIMES = {"flicker": 1e4, "warping_error": 1e4}
VGG = "vgg16_relu5_3"


def has_vgg() -> bool:
    """Tell whether VGG16 is here and whole: relu5_3 is its last layer but one."""
    found = [find_weights(place, "vgg16") for place in (torchvision_cache(), shared_weights())]
    return any(file is not None and reaches(file, "vgg16") is None for file in found)


def experiment(name: str, steps: int, *, small: bool) -> Experiment:
    """Return a rung with so many steps."""
    whole = load_experiment(f"video-srgan-{name}")
    chosen = resolve_budget(whole, "demo") if small else whole
    content = chosen.model_dump(exclude_unset=True)
    phases = []
    for phase in chosen.phases:
        losses = dict(phase.losses)
        if not has_vgg():
            losses.pop(VGG, None)
        phases.append({**phase.model_dump(exclude_unset=True), "losses": losses, "steps": steps})
    return parse(Experiment, content | {"phases": phases, "demo": None}, name)


def settings(scale: int, seed: int) -> Params:
    """Return params.yaml of one run."""
    often = {"validate_every": 1000, "validation_images": 2, "threads": 1}
    sources = [{"name": "photographs"}]  # not fetched: the pack is there
    content = {"scale": scale, "seed": seed, "budget": "full", "experiments": ["ladder"]}
    return parse(
        Params, content | {"data": {"sources": sources}, "training": often}, "the ladder's params"
    )


def pairs(scale: int, frames: int) -> list[Pair]:
    """Return the first frames of the clips of Vid4 that are here."""
    folders = find_set("vid4", scale).folders
    return [
        pair
        for folder in folders
        for pair in islice(clip_pairs(folder, scale, folder.name), frames)
    ]


def figures(
    name: str, model: Path | str, tests: list[Pair], scale: int, *, ensemble: bool = False
) -> dict[str, Any]:
    """Measure one model on every clip, nothing shaved."""
    upscaler = Upscaler(load_model(model, scale=scale), ensemble=ensemble)
    rows = evaluate(name, upscaler, tests, 0, meters=open_meters(["temporal"]))
    told: dict[str, Any] = {}
    for clip in dict.fromkeys(row.set for row in rows):
        own = [row for row in rows if row.set == clip]
        told[clip] = {
            key: float(np.mean([value for row in own if (value := getattr(row, key)) is not None]))
            for key in KEYS
        }
    return told


def table(lines: list[dict[str, Any]]) -> Iterator[str]:
    """Yield a Markdown table: means over seeds and clips, and the range over seeds."""
    yield "| rung | seeds | " + " | ".join(KEYS) + " |"
    yield "|---|--:|" + "--:|" * len(KEYS)
    for name in dict.fromkeys(line["name"] for line in lines):
        own = [line for line in lines if line["name"] == name]
        cells = []
        for key in KEYS:
            values = [
                TIMES.get(key, 1) * float(np.mean([clip[key] for clip in line["clips"].values()]))
                for line in own
            ]
            spread = f" ({min(values):.4g} to {max(values):.4g})" if len(own) > 1 else ""
            cells.append(f"{np.mean(values):.4g}{spread}")
        yield f"| {name} | {len(own)} | " + " | ".join(cells) + " |"


def main() -> None:
    """Train and measure what is not yet in the log."""
    parser = argparse.ArgumentParser()
    parser.add_argument("names", nargs="*")
    parser.add_argument("--pack", type=Path, default=Path("data/pairs"))
    parser.add_argument("--steps", type=int, required=True)
    parser.add_argument("--seeds", default="1,2,3")
    parser.add_argument("--frames", type=int, default=100)
    parser.add_argument("--small", action="store_true")
    parser.add_argument("-o", "--out", type=Path, default=Path("reports/ladder"))
    asked = parser.parse_args()
    asked.out.mkdir(parents=True, exist_ok=True)
    log = asked.out / "ladder.jsonl"
    lines = log.read_text(encoding="utf-8").splitlines() if log.is_file() else []
    done = {(one["name"], one["seed"]) for one in map(json.loads, lines)}
    scale = int(read_pack(asked.pack)["scale"])
    tests = pairs(scale, asked.frames)

    def note(name: str, seed: int, model: Path | str, terms: list[str]) -> None:
        told: dict[str, Any] = {"name": name, "seed": seed, "steps": asked.steps, "terms": terms}
        told |= {"clips": figures(name, model, tests, scale)}
        with log.open("a", encoding="utf-8") as file:
            file.write(json.dumps(told) + "\n")
        print(json.dumps(told), flush=True)

    if ("bicubic", 0) not in done:
        note("bicubic", 0, "bicubic", [])
    for seed in (int(word) for word in asked.seeds.split(",")):
        for name in asked.names or NAMES:
            if (name, seed) in done:
                continue
            place = Place(asked.pack, asked.out / "runs", asked.out / "models")
            rung = experiment(name, asked.steps, small=asked.small)
            result = train(f"{name}-{seed}", rung, settings(scale, seed), NullTracker(), place)
            note(name, seed, result.model, sorted({key for p in rung.phases for key in p.losses}))
    kept = log.read_text(encoding="utf-8").splitlines()
    print("\n".join(table([json.loads(line) for line in kept])))


if __name__ == "__main__":
    main()
