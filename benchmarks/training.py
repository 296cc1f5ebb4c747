"""Steps per second of our loop against plain PyTorch loops over the same networks and data.

python benchmarks/training.py [compact] [srresnet] [srgan] [--precision bf16] [--turns 8]

Ours is Trainer.run on packed pairs. The others make the same update without clipping, logging,
guards, states: on one fixed batch in memory, which is the limit; over a DataLoader with two
workers on decoded arrays; over one on PNG files. One process, in turns: read the ratios.
Pictures: $SUPERRES_SHARED_DATA/training/General100, default ../shared/data.
"""

import argparse
import os
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image
from torch import nn
from training_plain import (
    BLOCK,
    DEVICE,
    MODELS,
    PATCH,
    SCALE,
    UNIT,
    Files,
    Plain,
    finished,
    model,
    over_loader,
)

from superres.config import Experiment, Params
from superres.config.schema import parse
from superres.data.manifest import load_pair, read_manifest
from superres.data.pairs import build_folder
from superres.data.prepare import PairOptions
from superres.data.sampler import Batch, Sampler
from superres.losses import FeatureNetwork
from superres.training.ahead import Ahead
from superres.training.journal import NullTracker, ProgressFile
from superres.training.trainer import Setting, Trainer

SHARED = Path(os.environ.get("SUPERRES_SHARED_DATA", "../shared/data"))
PICTURES = SHARED / "training/General100"
GAME = {"mse": 1.0, "vgg19_54": 0.006, "adversarial": 1e-3}


def experiment(case: str, asked: argparse.Namespace, steps: int) -> Experiment:
    """Return what our loop trains."""
    content = {
        "source": "benchmarks/training.py",
        "expected": "a speed",
        "model": model(case, asked),
        "batch_size": asked.batch,
        "hr_patch": PATCH,
        "phases": [{"steps": steps, "losses": {"mse": 1}}],
    }
    if case == "srgan":
        content["discriminator"] = {"name": "srgan"}
        content["phases"] = [{"steps": steps, "losses": GAME, "adversarial": {"objective": "bce"}}]
    return parse(Experiment, content, "benchmarks/training.py")


class Nothing:
    """A validation without pictures."""

    def scores(self, generator: nn.Module) -> dict[str, float]:
        """Return nothing."""
        return {}

    def shown(self, generator: nn.Module) -> list[object]:
        """Return nothing."""
        return []


def ours(case: str, asked: argparse.Namespace, folder: Path, steps: int) -> Trainer:
    """Return our loop."""
    params = Params.model_validate(
        {
            "experiments": [case],
            "data": {"sources": [{"name": "photographs"}]},
            "training": {
                "device": DEVICE,
                "precision": asked.precision,
                "prefetch": asked.prefetch,
                "compile": asked.compile,
                "fused": asked.fused or "auto",
                "state_every": 10**9,
            },
        }
    ).training
    made = experiment(case, asked, steps)
    sampler = Sampler(folder / "pairs", "train", hr_patch=PATCH, seed=1, device=DEVICE)
    setting = Setting(params, 1, DEVICE, folder / "runs" / "state.pt", "benchmark")
    return Trainer(made, sampler, Nothing(), setting)


def waiting(trainer: Trainer) -> list[float]:
    """Return the list into which the trainer's waits for each batch go, in seconds."""
    spent: list[float] = []

    class Timed(Ahead):
        def batch(self) -> Batch:
            begun = time.perf_counter()
            made = super().batch()
            spent.append(time.perf_counter() - begun)
            return made

    trainer.draws.__class__ = Timed
    return spent


def compare(case: str, asked: argparse.Namespace, folder: Path) -> None:
    """Measure one case and print a table."""
    features = FeatureNetwork().to(DEVICE).eval().requires_grad_(False)
    plain = Plain(case, asked, features)
    sets = {
        name: Files(folder, decoded, asked.batch * UNIT * (BLOCK + 1))
        for name, decoded in (
            ("DataLoader, decoded arrays", True),
            ("DataLoader, PNG files", False),
        )
    }
    spent: dict[str, list[float]] = {name: [] for name in ("ours", "one fixed batch", *sets)}
    trainer = ours(case, asked, folder, UNIT * (asked.turns + 1))
    trainer.networks.engine.prepare_features({"vgg19": features})
    waits, fixed = waiting(trainer), trainer.sampler.batch(asked.batch)
    marks = [0.0]

    def on_step(step: int, latest: dict[str, float]) -> None:
        if step % UNIT:
            return
        if step > UNIT:  # the first one warms up
            spent["ours"].append((finished() - marks[0]) / UNIT)
        begun = finished()
        for _ in range(UNIT):
            plain.step(fixed.lr, fixed.hr)
        if step > UNIT:
            spent["one fixed batch"].append((finished() - begun) / UNIT)
        turn = step // UNIT
        if not asked.no_loaders and turn % (asked.turns // 2) == 0:
            for name, data in sets.items():
                spent[name] += over_loader(plain, data, asked.batch)
        marks[0] = finished()

    progress = ProgressFile(folder / "runs", trainer.experiment.steps)
    (folder / "runs").mkdir(exist_ok=True)
    trainer.run(NullTracker(), {"vgg19": features}, progress, on_step)
    show(case, asked, spent, waits)


def show(
    case: str, asked: argparse.Namespace, spent: dict[str, list[float]], waits: list[float]
) -> None:
    """Print the table."""
    paired = [bare / own for own, bare in zip(spent["ours"], spent["one fixed batch"], strict=True)]
    blocks = "" if case == "compact" else f", {asked.blocks} blocks"
    print(
        f"\n### {case}{blocks}, batch {asked.batch}, {PATCH} pixels, {asked.precision}, {DEVICE}\n"
    )
    print("| loop | steps/s, median | steps/s, best | ours / it, medians |\n|---|--:|--:|--:|")
    middle = {name: statistics.median(values) for name, values in spent.items() if values}
    for name, seconds in middle.items():
        best, ratio = 1 / min(spent[name]), seconds / middle["ours"]
        print(f"| {name} | {1 / seconds:.3f} | {best:.3f} | {ratio:.3f} |")
    share = statistics.median(waits) / middle["ours"]
    best = min(spent["one fixed batch"]) / min(spent["ours"])
    print(
        f"\nOurs / one fixed batch: {statistics.median(paired):.3f} (median of {len(paired)} "
        f"neighbouring turns), best against best {best:.3f}. "
        f"Data wait: {100 * share:.2f} % of a step.",
        flush=True,
    )


def pictures(folder: Path) -> None:
    """Write General100 as a pack and as PNG files."""
    options = PairOptions(scale=SCALE, min_side=PATCH, workers=2)
    build_folder(PICTURES, folder / "pairs", options)
    for row in read_manifest(folder / "pairs"):
        if row.split == "train":
            pair = load_pair(folder / "pairs", row)
            for side, pixels in zip(("lr", "hr"), pair, strict=True):
                Image.fromarray(np.array(pixels)).save(folder / f"{row.id}.{side}.png")


def main() -> None:
    """Parse the command line and measure."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("cases", nargs="*", default=[], help=f"of {', '.join(MODELS)}")
    parser.add_argument("--precision", choices=("fp32", "bf16"), default="fp32")
    parser.add_argument("--blocks", type=int, default=16, help="of the generator")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--turns", type=int, default=8, help="measured turns of each loop")
    parser.add_argument("--prefetch", type=int, default=0, help="training.prefetch of ours")
    parser.add_argument("--compile", choices=("off", "default", "graphs"), default="off")
    parser.add_argument("--fused", action="store_true", help="training.fused of ours")
    parser.add_argument("--no-loaders", action="store_true", help="only against one fixed batch")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        pictures(Path(name))
        for case in asked.cases or MODELS:
            compare(case, asked, Path(name))


if __name__ == "__main__":
    main()
