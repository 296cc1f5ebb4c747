"""Speed side by side with references, each group interleaved in one process: read the ratios.

python benchmarks/run.py [degrade] [upscale] [training]     without names, all
"""

import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import torch
from PIL import Image

from superres.checkpoint import Model, load_model
from superres.data.degrade import imresize
from superres.data.sampler import Sampler
from superres.inference.upscaler import Upscaler
from superres.models import build

PACK = Path("data/pairs")
ROUNDS = 7
BATCH, PATCH = 16, 96


def rounds(cases: dict[str, Callable[[], object]], count: int = ROUNDS) -> dict[str, float]:
    """Return each case's median milliseconds; the cases take turns, the first turn warms up."""
    spent: dict[str, list[float]] = {name: [] for name in cases}
    for turn in range(count + 1):
        for name, case in cases.items():
            begun = time.perf_counter()
            case()
            if turn:
                spent[name].append(1000 * (time.perf_counter() - begun))
    return {name: statistics.median(values) for name, values in spent.items()}


def show(title: str, found: dict[str, float], reference: str) -> None:
    """Print a Markdown table; the ratio says how many times the reference's speed."""
    print(f"\n### {title}\n\n| case | ms | speed / {reference} |\n|---|--:|--:|")
    for name, value in found.items():
        print(f"| {name} | {value:.2f} | {found[reference] / value:.2f} |")


def degrade() -> None:
    """HR to LR, 2040x1356 x4: ours (equal to MATLAB) against libraries (which are not)."""
    hr = np.random.default_rng(0).integers(0, 256, (1356, 2040, 3), dtype=np.uint8)
    size = (510, 339)
    picture = Image.fromarray(hr)
    cases: dict[str, Callable[[], object]] = {
        "superres imresize (MATLAB-exact)": lambda: imresize(hr, 0.25),
        "Pillow BICUBIC": lambda: picture.resize(size, Image.Resampling.BICUBIC),
        "OpenCV INTER_AREA": lambda: cv2.resize(hr, size, interpolation=cv2.INTER_AREA),
    }
    show("Degradation, 2040x1356 to 510x339", rounds(cases), "Pillow BICUBIC")


def upscale() -> None:
    """480x270 to 1920x1080 through the served engine, against SRResNet with 16 blocks."""
    reference = build("srresnet", scale=4).eval()
    models = {"srresnet, 16 blocks": Model(reference, reference.info)}
    models |= {name: load_model(name) for name in ("bicubic", "champion")}
    lr = np.random.default_rng(0).integers(0, 256, (270, 480, 3), dtype=np.uint8)
    cases: dict[str, Callable[[], object]] = {}
    for name, model in models.items():
        for tile, words in ((None, "tiles"), (0, "whole")):
            upscaler = Upscaler(model, tile=tile)
            cases[f"{name}, {words}"] = lambda upscaler=upscaler: upscaler.pixels(lr)
    found = rounds(cases, 3)
    show("480x270 x4, uint8 to uint8", found, "srresnet, 16 blocks, whole")


def training() -> None:
    """A supervised step on fresh batches against the bare loop on one fixed batch."""
    from superres.config import Experiment
    from superres.training.networks import Networks
    from superres.training.updates import make_update

    experiment = Experiment.model_validate(
        {
            "source": "benchmark",
            "expected": "",
            "model": {"name": "compact", "scale": 4},
            "phases": [{"steps": 1, "losses": {"mse": 1}}],
        }
    )
    ours = Sampler(PACK, "train", hr_patch=PATCH, seed=1)
    networks, bare = (Networks(experiment, "cpu", 1) for _ in range(2))
    update = make_update(networks, experiment.phases[0], None)
    fixed = ours.batch(BATCH)

    def plain() -> None:
        bare.optimizer.zero_grad(set_to_none=True)
        loss = torch.nn.functional.mse_loss(bare.generator(fixed.lr), fixed.hr)
        loss.backward()
        bare.optimizer.step()

    def fresh() -> None:
        update(lambda: ours.batch(BATCH))

    found = rounds({"bare loop, one fixed batch": plain, "superres update": fresh}, 20)
    show("Training step, compact x4, batch 16, 96 pixels", found, "bare loop, one fixed batch")


GROUPS = {"degrade": degrade, "upscale": upscale, "training": training}

if __name__ == "__main__":
    for name in sys.argv[1:] or GROUPS:
        GROUPS[name]()
