"""The data stage side by side with the usual ways, in one process: read the ratios.

python benchmarks/data.py [pairs] [memory] [sampler]     without names, all

General100 is looked for in $SUPERRES_SHARED_DATA/training, default ../shared/data.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from superres.data.manifest import load_pair, read_manifest
from superres.data.pairs import build_folder
from superres.data.prepare import PairOptions
from superres.data.sampler import Sampler

SHARED = Path(os.environ.get("SUPERRES_SHARED_DATA", "../shared/data"))
PICTURES = SHARED / "training/General100"
SCALE, BATCH, PATCH, ROUNDS, BATCHES = 4, 16, 96, 3, 60
OPTIONS = PairOptions(scale=SCALE, min_side=PATCH, workers=2)


def rounds(cases: dict[str, Callable[[], object]]) -> dict[str, float]:
    """Return each case's median seconds; the cases take turns."""
    spent: dict[str, list[float]] = {name: [] for name in cases}
    for _ in range(ROUNDS):
        for name, case in cases.items():
            begun = time.perf_counter()
            case()
            spent[name].append(time.perf_counter() - begun)
    return {name: statistics.median(values) for name, values in spent.items()}


def show(title: str, found: dict[str, float], work: int, unit: str) -> None:
    """Print a Markdown table; the ratio says how many times as fast ours, the first, is."""
    ours = next(iter(found.values()))
    print(f"\n### {title}\n\n| way | {unit} | ours is faster by |\n|---|--:|--:|")
    for name, seconds in found.items():
        print(f"| {name} | {work / seconds:.1f} | {seconds / ours:.2f} |", flush=True)


def pairs() -> None:
    """General100 to x4 pairs: ours with all its checks, against what scripts usually do."""
    files = sorted(PICTURES.glob("*.webp"))
    pixels = sum(Image.open(file).size[0] * Image.open(file).size[1] for file in files)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)

        def cut(file: Path) -> Image.Image:
            picture = Image.open(file).convert("RGB")
            return picture.crop((0, 0, *(side // SCALE * SCALE for side in picture.size)))

        def pillow() -> None:
            for file in files:
                hr = cut(file)
                size = (hr.width // SCALE, hr.height // SCALE)
                hr.save(folder / f"{file.stem}.hr.png")
                hr.resize(size, Image.Resampling.BICUBIC).save(folder / f"{file.stem}.lr.png")

        def pillow_lr() -> None:
            for file in files:
                hr = cut(file)
                size = (hr.width // SCALE, hr.height // SCALE)
                hr.resize(size, Image.Resampling.BICUBIC).save(folder / f"{file.stem}.lr.png")

        found = rounds(
            {
                "superres pairs, 2 threads": lambda: build_folder(
                    PICTURES, folder / "pairs", OPTIONS
                ),
                "Pillow BICUBIC, HR and LR as PNG": pillow,
                "Pillow BICUBIC, only LR as PNG": pillow_lr,
            }
        )
    begun = time.perf_counter()
    size = 64  # of one small picture: the loop takes minutes for all of them
    loop(np.random.default_rng(0).integers(0, 256, (size, size, 3), dtype=np.uint8).tolist())
    found["plain Python loop (from one 64x64 picture)"] = (
        (time.perf_counter() - begun) * pixels / size**2
    )
    show("General100 to x4 pairs, 18.1 megapixels", found, round(pixels / 1e6), "HR Mpx/s")


def loop(hr: list[list[list[int]]]) -> list[list[list[int]]]:
    """Bicubic x1/4 with antialiasing, pixel by pixel: 16 weights along each axis."""

    def weights(place: int) -> Iterator[tuple[int, float]]:
        centre = (place + 0.5) * SCALE - 0.5
        for tap in range(int(centre) - 7, int(centre) + 9):
            x = abs(tap - centre) / SCALE
            near = 1.5 * x**3 - 2.5 * x**2 + 1
            far = -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2
            yield min(max(tap, 0), len(hr) - 1), (near if x <= 1 else far if x < 2 else 0) / SCALE

    size = range(len(hr) // SCALE)
    rows = [
        [
            [sum(w * hr[tap][column][c] for tap, w in weights(row)) for c in range(3)]
            for column in range(len(hr))
        ]
        for row in size
    ]
    return [
        [
            [
                min(255, max(0, int(sum(w * line[tap][c] for tap, w in weights(column)) + 0.5)))
                for c in range(3)
            ]
            for column in size
        ]
        for line in rows
    ]


ONE = """
import sys
from pathlib import Path
from superres.data.pairs import build_folder
from superres.data.prepare import PairOptions
options = PairOptions(scale=4, min_side=int(sys.argv[3]), workers=2, shard_bytes=64 << 20)
build_folder(Path(sys.argv[1]), Path(sys.argv[2]), options)
print(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0])  # its own, in KiB
"""


def memory() -> None:
    """Peak memory of a build of 100, 1,000 and 10,000 pictures, each in a process of its own."""
    print("\n### Peak memory of superres pairs\n\n| pictures | peak MB | pictures/s |")
    print("|--:|--:|--:|")
    with tempfile.TemporaryDirectory() as name:
        originals = Path(name) / "originals"
        originals.mkdir()
        for number in range(20):
            pixels = np.random.default_rng(number).integers(0, 256, (12, 16, 3), dtype=np.uint8)
            small = Image.fromarray(pixels).resize((160, 120), Image.Resampling.BICUBIC)
            small.save(originals / f"{number:02}.png")
        made = sorted(originals.iterdir())
        for count in (100, 1_000, 10_000):
            folder = Path(name) / str(count)
            folder.mkdir()
            for number in range(count):
                (folder / f"{number:05}.png").hardlink_to(made[number % len(made)])
            begun = time.perf_counter()
            line = [sys.executable, "-c", ONE, str(folder), str(Path(name) / "pairs"), str(PATCH)]
            peak = subprocess.run(line, check=True, capture_output=True, text=True).stdout
            seconds = time.perf_counter() - begun
            print(f"| {count} | {int(peak) / 1024:.0f} | {count / seconds:.0f} |", flush=True)


class Files(torch.utils.data.Dataset[tuple[torch.Tensor, torch.Tensor]]):
    """The usual data set: crop and flip, from PNG files or from decoded arrays."""

    def __init__(self, folder: Path, decoded: bool) -> None:
        self.names = sorted(folder.glob("*.hr.png"))
        self.decoded = [self.read(name) for name in self.names] if decoded else []

    def __len__(self) -> int:
        return BATCH * BATCHES * (ROUNDS + 1)

    def read(self, name: Path) -> tuple[np.ndarray, np.ndarray]:
        """Open the LR and the HR file."""
        lr = name.with_name(name.name.replace(".hr.", ".lr."))
        return np.asarray(Image.open(lr)), np.asarray(Image.open(name))

    def __getitem__(self, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        place = index % len(self.names)
        lr, hr = self.decoded[place] if self.decoded else self.read(self.names[place])
        patch = PATCH // SCALE
        random = np.random.default_rng(index)
        top, left = (int(random.integers(side - patch + 1)) for side in lr.shape[:2])
        hr_top, hr_left = top * SCALE, left * SCALE
        crops = (
            lr[top : top + patch, left : left + patch],
            hr[hr_top : hr_top + PATCH, hr_left : hr_left + PATCH],
        )
        flip = bool(random.integers(2))
        turned = [np.ascontiguousarray(crop[:, ::-1] if flip else crop) for crop in crops]
        made = [torch.from_numpy(crop).permute(2, 0, 1).float() / 255 for crop in turned]
        return made[0], made[1]


def sampler() -> None:
    """Batches of 16 aligned 96-pixel HR crops: ours against DataLoaders with two workers."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        build_folder(PICTURES, folder / "pairs", OPTIONS)
        for row in read_manifest(folder / "pairs"):
            if row.split == "train":
                pair = load_pair(folder / "pairs", row)
                for side, pixels in zip(("lr", "hr"), pair, strict=True):
                    Image.fromarray(np.array(pixels)).save(folder / f"{row.id}.{side}.png")
        mapped, flat = (
            Sampler(folder / "pairs", "train", hr_patch=PATCH, seed=1, resident=resident)
            for resident in (False, True)
        )
        cases: dict[str, Callable[[], object]] = {
            "superres sampler, mapped shards": lambda: [
                mapped.batch(BATCH) for _ in range(BATCHES)
            ],
            "superres sampler, one flat tensor": lambda: [
                flat.batch(BATCH) for _ in range(BATCHES)
            ],
        }
        for words, decoded in (("PNG files", False), ("decoded arrays", True)):
            loader = torch.utils.data.DataLoader(
                Files(folder, decoded), batch_size=BATCH, num_workers=2, persistent_workers=True
            )
            batches = iter(loader)
            next(batches)  # the workers have started
            cases[f"DataLoader, 2 workers, {words}"] = lambda batches=batches: [
                next(batches) for _ in range(BATCHES)
            ]
        found = rounds(cases)
    show("Batches of 16 pairs, 96-pixel HR crops", found, BATCHES, "batches/s")


GROUPS = {"pairs": pairs, "memory": memory, "sampler": sampler}

if __name__ == "__main__":
    for group in sys.argv[1:] or GROUPS:
        GROUPS[group]()
