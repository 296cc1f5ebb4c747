"""Packed pairs of pictures that a test chose, in the form that `superres pairs` writes."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from superres.data.degrade import degrade, imresize
from superres.data.manifest import Row, sha256_of_pixels, write_manifest
from superres.data.packing import Pack, write_facts
from superres.data.prepare import PairOptions, Prepared, statistics

Pixels = NDArray[np.uint8]
Pair = tuple[Pixels, Pixels]  # lr, hr
SPLITS = ("train", "val", "test")


def picture(height: int, width: int, seed: int = 0) -> Pixels:
    """Return smooth random colours with some grain."""
    random = np.random.default_rng(seed)
    coarse = random.integers(30, 226, (4, 5, 3)).astype(np.uint8)
    grain = random.integers(-12, 13, (height, width, 3))
    return np.clip(imresize(coarse, size=(height, width)) + grain, 0, 255).astype(np.uint8)


def pairs(scale: int, *pictures: Pixels) -> list[Pair]:
    """Return the pictures with their LR; sides must be multiples of `scale`."""
    return [(degrade(hr, scale), hr) for hr in pictures]


def write_pack(folder: Path, scale: int, splits: Mapping[str, Sequence[Pair]]) -> Path:
    """Write manifest, packs and pack.json; return `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    packs, rows = {}, []
    for split in SPLITS:
        with Pack(folder, split) as pack:
            for lr, hr in splits.get(split, ()):
                rows.append(_row(f"{split}/{pack.images}", split, pack, lr, hr))
                mean, contrast = statistics(hr)
                pack.append(Prepared(hr, lr, 3, 8, mean, contrast, sha256_of_pixels(hr)))
        packs[split] = pack
    write_manifest(folder, rows)
    write_facts(folder, packs, PairOptions(scale=scale, min_side=1))
    return folder


def _row(name: str, split: str, pack: Pack, lr: Pixels, hr: Pixels) -> Row:
    mean, contrast = statistics(hr)
    return Row(
        id=name,
        source="made-here",
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
        hr_offset=pack.size("hr"),
        lr_offset=pack.size("lr"),
        channels=3,
        bit_depth=8,
        scale=hr.shape[0] // lr.shape[0],
        kernel="bicubic",
        border="replicate",
        mean=mean,
        contrast=contrast,
        licence="CC0-1.0",
    )
