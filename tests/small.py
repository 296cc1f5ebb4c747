"""A pack of a few small pictures, and models whose quality is known without training."""

import hashlib
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from superres.checkpoint import save_model
from superres.config import Params
from superres.data.degrade import degrade
from superres.data.manifest import (
    MANIFEST,
    PACK,
    Row,
    combined_hash,
    pack_name,
    sha256_of_pixels,
    write_manifest,
)
from superres.models import Generator, build

SCALE = 2
LAPLACE = torch.tensor([[0.0, -1.0, 0.0], [-1.0, 4.0, -1.0], [0.0, -1.0, 0.0]])


def scene(seed: int, height: int = 48, width: int = 64) -> NDArray[np.uint8]:
    """Draw soft discs and bars: detail that bicubic blurs and a sharpener brings back."""
    random = np.random.default_rng(seed)
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float64)
    picture = np.zeros((height, width, 3)) + random.uniform(80, 160, 3)
    for _ in range(12):
        centre = random.uniform(0, height), random.uniform(0, width)
        distance = np.hypot(rows - centre[0], columns - centre[1])
        edge = 1 / (1 + np.exp(2 * (distance - random.uniform(3, 12))))
        picture += edge[..., np.newaxis] * random.uniform(-60, 60, 3)
    return np.clip(picture, 0, 255).round().astype(np.uint8)


def write_pack(
    folder: Path, pictures: dict[str, NDArray[np.uint8]], *, split: str = "test", scale: int = SCALE
) -> Path:
    """Write a pack whose rows are the pictures; an id is "set/name"."""
    folder.mkdir(parents=True)
    rows: list[Row] = []
    packs = {"hr": b"", "lr": b""}
    for name, hr in pictures.items():
        lr = degrade(hr, scale)
        rows.append(
            Row(
                id=name,
                source=name.partition("/")[0],
                split=split,
                kind="image",
                clip="",
                index=None,
                path=f"{name}.png",
                sha256=sha256_of_pixels(hr),
                height=hr.shape[0],
                width=hr.shape[1],
                lr_height=lr.shape[0],
                lr_width=lr.shape[1],
                hr_offset=len(packs["hr"]),
                lr_offset=len(packs["lr"]),
                channels=3,
                bit_depth=8,
                scale=scale,
                kernel="bicubic",
                border="replicate",
                mean=float(hr.mean()),
                contrast=float(hr.std()),
                licence="CC0",
            )
        )
        packs["hr"] += hr.tobytes()
        packs["lr"] += lr.tobytes()
    write_manifest(folder, rows)
    hashes = {MANIFEST: hashlib.sha256((folder / MANIFEST).read_bytes()).hexdigest()}
    for side, content in packs.items():
        (folder / pack_name(split, side)).write_bytes(content)
        hashes[pack_name(split, side)] = hashlib.sha256(content).hexdigest()
    facts = f'"scale": {scale}, "kernel": "bicubic", "border": "replicate", "min_side": 16'
    whole = combined_hash(hashes)
    (folder / PACK).write_text(f'{{{facts}, "splits": {{}}, "sha256": "{whole}"}}')
    return folder


def sharpener(strength: float, scale: int = SCALE) -> Generator:
    """Bicubic plus `strength` times the Laplacian of LR: 0 is bicubic, some is better."""
    network = build("compact", scale=scale, channels=3, layers=1)
    first, prelu, last = network.body[0], network.body[1], network.body[2]
    with torch.no_grad():
        for value in (first.weight, first.bias, last.weight, last.bias):
            value.zero_()
        prelu.weight.fill_(1)
        for channel in range(3):
            first.weight[channel, channel, 1, 1] = 1
            last.weight[channel * scale**2 : (channel + 1) * scale**2, channel] = strength * LAPLACE
    return network.eval()


def write_model(folder: Path, strength: float, scale: int = SCALE) -> Path:
    """Write the model folder of a sharpener, named after its folder."""
    facts = {
        "version": f"{folder.name}-v",
        "experiment": folder.name,
        "source": "R0 <sharpener> & more",
        "training_seconds": 12.0,
        "configuration": {"expected": "30 dB & <more>"},
        "data": {"sets": ["discs"], "licences": ["CC0"], "images": 3},
        "degradation": {"kernel": "bicubic", "border": "replicate", "scale": scale},
        "data_sha256": "d" * 64,
        "git_commit": "c" * 40,
    }
    return save_model(folder, sharpener(strength, scale), facts, f"# {folder.name}\n")


def small_params(*experiments: str, **changes: object) -> Params:
    """Return params for packs and models of this file."""
    content: dict[str, object] = {
        "scale": SCALE,
        "experiments": experiments or ("sharp",),
        "data": {"sources": [{"name": "photographs"}]},
        "evaluation": {"repeats": 1},
    }
    return Params.model_validate(content | changes)
