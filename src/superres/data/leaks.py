"""Find pictures of one split that are copies of another's: rescaled, recompressed, mirrored."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import combinations
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from superres.data.manifest import Pixels, Row, load_pair
from superres.data.splits import SPLITS

# Settled on 719 pictures of Set5, Set14, BSD100, T91, General100, BSDS and scikit-image: of their
# 258,121 pairs the three that are copies reach both limits (Set14 face = Set5 head, BSDS 302003 =
# Set5 woman, one of T91 twice), and so do all but 1 of their copies scaled by 0.31, all scaled by
# 0.5 or 1.7, all mirrored, all JPEGs of quality 60, all but 10 of those cropped by 2 % all round.
MAX_BITS: Final = 10  # of 64 that may differ
MIN_CORRELATION: Final = 0.75
BLOCK: Final = 1 << 22  # hashes compared at once


@dataclass(frozen=True)
class Copy:
    """Two pictures of different splits that show the same."""

    first: str
    second: str

    def __str__(self) -> str:
        return f"{self.first} = {self.second}"


@dataclass(frozen=True)
class Fingerprints:
    """Two hashes of each picture: 16 bytes, so that a million pictures fit easily."""

    ids: tuple[str, ...]
    bits: NDArray[np.uint64]  # (N,), difference hashes
    mirrored: NDArray[np.uint64]  # of the picture flipped left to right
    picture: Callable[[int], Pixels]  # the few whose hashes agree are looked at again

    def thumb(self, place: int) -> NDArray[np.float32]:
        """Return (32, 32), zero mean and unit length."""
        grey = _small_grey(self.picture(place))
        thumb = np.asarray(cv2.resize(grey, (32, 32), interpolation=cv2.INTER_AREA), np.float32)
        thumb -= thumb.mean()
        return np.asarray(thumb / max(float(np.linalg.norm(thumb)), 1e-6), np.float32)


def near_copies(folder: Path, rows: Sequence[Row]) -> list[Copy]:
    """Return pairs of pictures in different splits that show the same, mirrored or not.

    Two pictures are the same when their 64-bit difference hashes nearly agree and their
    32x32 thumbnails correlate. Crops by more than a few percent are not found.
    """
    found: list[Copy] = []
    prints = {}
    for split in SPLITS:
        members = [row for row in rows if row.split == split]
        prints[split] = fingerprints([row.id for row in members], partial(_hr, folder, members))
    for one, other in combinations(SPLITS, 2):
        found += between(prints[one], prints[other])
    return found


def _hr(folder: Path, rows: Sequence[Row], place: int) -> Pixels:
    return load_pair(folder, rows[place])[1]


def same_picture(one: Pixels, other: Pixels) -> bool:
    """Say whether two pictures, uint8 (H, W, 3) of any sizes, show the same."""
    return bool(between(fingerprints(["0"], lambda _: one), fingerprints(["1"], lambda _: other)))


def fingerprints(ids: Sequence[str], picture: Callable[[int], Pixels]) -> Fingerprints:
    """Return the hashes of the pictures that `picture` gives for 0 .. len(ids) - 1."""
    bits = np.empty(len(ids), np.uint64)
    mirrored = np.empty(len(ids), np.uint64)
    for place in range(len(ids)):
        grey = _small_grey(picture(place))
        bits[place] = _difference_hash(grey)
        mirrored[place] = _difference_hash(grey[:, ::-1])
    return Fingerprints(tuple(ids), bits, mirrored, picture)


def _small_grey(rgb: Pixels) -> NDArray[np.float32]:
    small = cv2.resize(np.asarray(rgb), (72, 64), interpolation=cv2.INTER_AREA)
    return small.astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32)


def _difference_hash(grey: NDArray[np.float32]) -> int:
    """Return 64 bits: of 8x9 cells, is each brighter than its left neighbour?"""
    cells = grey.reshape(8, 8, 9, 8).mean(axis=(1, 3))
    bits = (cells[:, 1:] > cells[:, :-1]).reshape(-1)
    return int.from_bytes(np.packbits(bits).tobytes(), "big")


def between(one: Fingerprints, other: Fingerprints) -> list[Copy]:
    """Return the pictures of `one` that show what a picture of `other` shows."""
    found = []
    block = max(1, BLOCK // max(len(other.ids), 1))
    for start in range(0, len(one.ids), block):
        bits = one.bits[start : start + block, None]
        plain = np.bitwise_count(bits ^ other.bits) <= MAX_BITS
        flipped = np.bitwise_count(bits ^ other.mirrored) <= MAX_BITS
        for row, column in np.argwhere(plain | flipped):
            first, second = one.thumb(start + int(row)), other.thumb(int(column))
            agreements = (
                float((first * second).sum()) if plain[row, column] else 0.0,
                float((first * second[:, ::-1]).sum()) if flipped[row, column] else 0.0,
            )
            if max(agreements) >= MIN_CORRELATION:
                found.append(Copy(one.ids[start + row], other.ids[column]))
    return found
