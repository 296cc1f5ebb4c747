"""Crops of pictures side by side: LR, what models make of it, HR."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from superres.atomic import write_bytes
from superres.checkpoint import load_model
from superres.evaluation import Pair, find_set
from superres.images import Picture, encode
from superres.inference.upscaler import Upscaler

# Pictures of the sheet: set, name, top and left of a square in HR pixels.
SIDE = 112
SHOWN = (
    ("set5", "butterfly", 70, 60),
    ("set14", "comic", 60, 120),
    ("set14", "zebra", 170, 180),
    ("bsd100", "img_085_SRF_4_HR", 100, 200),
)


Pixels = NDArray[np.uint8]


def sheet(used: Mapping[str, Upscaler], scale: int, file: Path, rows: int = len(SHOWN)) -> None:
    """Write the first `rows` crops of SHOWN: LR, each model's, HR, under their names."""
    found = []
    for set_, image, top, left in SHOWN[:rows]:
        pair = next(pair for pair in find_set(set_, scale).pairs(scale) if image in pair.image)
        found.append(np.concatenate(list(_crops(pair, used, top, left)), axis=1))
    titles = _titles(["LR", *used, "HR"])
    write_bytes(file, encode(Picture(np.concatenate([titles, *found]))))


def _crops(pair: Pair, used: Mapping[str, Upscaler], top: int, left: int) -> Iterator[Pixels]:
    """Yield one square of the picture, each way, twice as large."""
    nearest = Upscaler(load_model("nearest", scale=pair.hr.height // pair.lr.height))
    made = [upscaler.image(pair.lr) for upscaler in (nearest, *used.values())]
    for picture in [*made, pair.hr]:
        crop = picture.pixels[top : top + SIDE, left : left + SIDE]
        yield np.asarray(cv2.resize(crop, None, fx=2, fy=2, interpolation=cv2.INTER_NEAREST))


def _titles(titles: list[str]) -> Pixels:
    bar = np.full((28, 2 * SIDE * len(titles), 3), 255, np.uint8)
    for place, title in enumerate(titles):
        corner = (2 * SIDE * place + 6, 19)
        cv2.putText(bar, title, corner, cv2.FONT_HERSHEY_SIMPLEX, 0.5, (0, 0, 0), 1, cv2.LINE_AA)
    return bar
