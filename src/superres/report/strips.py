"""Pictures side by side: LR, bicubic, each model, HR, where the models differ most."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from superres.atomic import write_bytes
from superres.evaluation import Pair, Row
from superres.images import Picture, encode
from superres.report.tables import Entry

Pixels = NDArray[np.uint8]
SHOWN = 128  # HR pixels a side of the shown square
THUMBNAIL = 240  # pixels of the longer side
GAP = 4  # white pixels between the tiles of a strip
PER_SET = 2


@dataclass(frozen=True)
class Tile:
    """One square of a strip; `psnr` in dB over the square, None for LR and HR."""

    name: str
    pixels: Pixels
    psnr: float | None = None


@dataclass(frozen=True)
class Strip:
    """A picture's square in every version, and where in the picture it lies."""

    title: str
    name: str  # of its file, without suffix
    tiles: tuple[Tile, ...]
    thumbnail: Pixels  # the HR picture, small
    box: tuple[float, float, float, float]  # left, top, width, height as shares of the picture

    @property
    def joined(self) -> Pixels:
        """Return the tiles in one picture."""
        side = self.tiles[0].pixels.shape[0]
        gap = np.full((side, GAP, 3), 255, dtype=np.uint8)
        pieces = [piece for tile in self.tiles for piece in (tile.pixels, gap)]
        return np.ascontiguousarray(np.concatenate(pieces[:-1], axis=1))


def chosen(pairs: Sequence[Pair], rows: Sequence[Row], per_set: int = PER_SET) -> list[Pair]:
    """Return of each set the pictures on which the trained models' PSNR differs most."""
    spread: dict[tuple[str, str], list[float]] = {}
    for row in rows:
        spread.setdefault((row.set, row.image), []).append(min(row.psnr_y, 100.0))
    found: dict[str, list[Pair]] = {}
    for pair in pairs:
        found.setdefault(pair.set, []).append(pair)

    def differ(pair: Pair) -> float:
        values = spread.get((pair.set, pair.image), [0.0])
        return max(values) - min(values)

    return [
        pair for own in found.values() for pair in sorted(own, key=differ, reverse=True)[:per_set]
    ]


def strip(pair: Pair, entries: Sequence[Entry], *, failure: bool = False) -> Strip:
    """Return the square of a picture in which the entries' results differ most.

    `failure`: the one in which the last entry's result is furthest from HR.
    """
    scale = entries[0].upscaler.info.scale
    side = max(1, min(SHOWN // scale, pair.lr.height, pair.lr.width)) * scale
    made = [entry.upscaler.image(pair.lr).pixels.astype(np.uint8) for entry in entries]
    compared = made[-1:] if failure else made
    top, left = _where_they_differ(compared, pair.hr.pixels, side, scale)
    square = (slice(top, top + side), slice(left, left + side))
    hr = pair.hr.pixels[square].astype(np.uint8)
    lr = pair.lr.pixels[tuple(slice(each.start // scale, each.stop // scale) for each in square)]
    large = np.repeat(np.repeat(lr.astype(np.uint8), scale, axis=0), scale, axis=1)
    tiles = [Tile("LR", large)]
    for entry, whole in zip(entries, made, strict=True):
        tiles.append(Tile(entry.name, whole[square], _psnr(whole[square], hr)))
    name = pair.image.removeprefix(f"{pair.set}/")
    height, width = pair.hr.height, pair.hr.width
    return Strip(
        title=f"{pair.set}: {name}",
        name=f"{pair.set}-{name.replace('/', '-')}",
        tiles=(*tiles, Tile("HR", hr)),
        thumbnail=_thumbnail(pair.hr.pixels),
        box=(left / width, top / height, side / width, side / height),
    )


def _where_they_differ(
    made: Sequence[Pixels], hr: NDArray[Any], side: int, step: int
) -> tuple[int, int]:
    """Return the corner, on LR's grid, of the square with the largest sum of variances.

    A single result, or equal ones, are compared with HR.
    """
    several = np.stack([one.mean(axis=2) for one in made])
    wanted = hr.mean(axis=2)
    variance = several.var(axis=0)
    if not variance.any():
        variance = (several[0] - wanted) ** 2
    summed = np.pad(variance.cumsum(axis=0).cumsum(axis=1), ((1, 0), (1, 0)))
    corners = summed[side:, side:] - summed[:-side, side:] - summed[side:, :-side]
    corners = (corners + summed[:-side, :-side])[::step, ::step]
    top, left = np.unravel_index(int(np.argmax(corners)), corners.shape)
    return int(top) * step, int(left) * step


def _psnr(a: Pixels, b: Pixels) -> float:
    error = float(np.mean((a.astype(np.float64) - b) ** 2))
    return math.inf if error == 0 else 10 * math.log10(255**2 / error)


def _thumbnail(hr: NDArray[Any]) -> Pixels:
    height, width = hr.shape[:2]
    share = min(1.0, THUMBNAIL / max(height, width))
    size = max(1, round(width * share)), max(1, round(height * share))
    return np.asarray(cv2.resize(hr.astype(np.uint8), size, interpolation=cv2.INTER_AREA), np.uint8)


def write_strips(strips: Sequence[Strip], folder: Path) -> list[Path]:
    """Write each strip as one PNG and return the files."""
    files = []
    for one in strips:
        files.append(folder / f"{one.name}.png")
        write_bytes(files[-1], encode(Picture(one.joined)))
    return files
