"""docs/before-after.png: LR, bicubic, the champion and HR of the held-out photographs.

python benchmarks/picture.py     after make run
"""

from pathlib import Path

import numpy as np

from superres.checkpoint import load_model
from superres.evaluation import packed_pairs
from superres.images import Picture, write
from superres.inference.upscaler import Upscaler

SIDE = 60  # LR pixels
SHOWN = {"photographs/chelsea": (20, 26), "photographs/coffee": (24, 36)}  # top, left in LR


def main() -> None:
    """Write the picture."""
    models = [Upscaler(load_model(name)) for name in ("bicubic", "champion")]
    scale = models[0].info.scale
    rows = []
    for pair in packed_pairs(Path("data/pairs")):
        if pair.image not in SHOWN:
            continue
        top, left = SHOWN[pair.image]
        lr = pair.lr.pixels
        nearest = lr.repeat(scale, axis=0).repeat(scale, axis=1)
        whole = [nearest, *(model.pixels(lr) for model in models), pair.hr.pixels]
        here = np.s_[scale * top : scale * (top + SIDE), scale * left : scale * (left + SIDE)]
        parts = [
            np.pad(image[here], ((0, 6), (0, 6), (0, 0)), constant_values=255) for image in whole
        ]
        rows.append(np.concatenate(parts, axis=1))
    write(Path("docs/before-after.png"), Picture(np.ascontiguousarray(np.concatenate(rows))))


if __name__ == "__main__":
    main()
