"""Search training pictures for what benchmarks show: near copies, and parts cut out of them.

Near copies are found as `superres validate` finds them between splits (`superres.data.leaks`).
Parts: ORB corners (Rublee et al., 2011) of one picture found in the other, all moved alike.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from superres import images
from superres.data.leaks import between, fingerprints
from superres.data.manifest import Pixels

LONG_SIDE: Final = 400  # pixels that a picture is brought to: crops of half a side still fit
CORNERS: Final = 300  # of a picture, at most
MAX_BITS: Final = 64  # of 256 by which two corners may differ
CLEARER: Final = 0.75  # the best match's distance as a share of the second's, at most
# Settled on 618 training pictures against Set5, Set14, BSD100 and six frames of Vid4, plain and
# mirrored: of unrelated pictures two tigers share most, 12; six crops of half a side 14 and more,
# BSDS 302003 and Set5's woman 207. The gap is small: the nearest pair is told, to be looked at.
MIN_CORNERS: Final = 13
LEAST: Final = 8  # matches that a movement is looked for in
SCALES: Final = (0.2, 5.0)  # a part may be so much smaller or larger; others are no movement


@dataclass(frozen=True)
class Leak:
    """A training picture that shows what a benchmark picture shows."""

    train: str
    test: str
    how: str


@dataclass(frozen=True)
class Search:
    """What was compared, what was found, and the pair that came nearest without being a leak."""

    trained: int
    tested: int
    leaks: tuple[Leak, ...]
    nearest: tuple[int, str, str] = (0, "", "")  # shared corners, training, benchmark picture

    def as_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return asdict(self)


class Corners(NamedTuple):
    """Corners of a picture: places `(N, 2)` and what they look like `(N, 32)` bytes."""

    places: NDArray[np.float32]
    looks: NDArray[np.uint8]


class Shown:
    """A picture file, read when it is looked at."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def pixels(self) -> Pixels:
        """Return it as uint8 RGB."""
        return np.ascontiguousarray(images.read(self.file).pixels)

    @cached_property
    def corners(self) -> Corners:
        """Its corners."""
        return corners(self.pixels())

    @cached_property
    def mirrored(self) -> Corners:
        """Those of the picture flipped left to right."""
        return corners(np.ascontiguousarray(self.pixels()[:, ::-1]))


def corners(rgb: Pixels) -> Corners:
    """Return the strongest corners of a picture brought to LONG_SIDE."""
    grey = cv2.cvtColor(np.asarray(rgb), cv2.COLOR_RGB2GRAY)
    factor = LONG_SIDE / max(grey.shape)
    how = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
    grey = np.asarray(cv2.resize(grey, None, fx=factor, fy=factor, interpolation=how))
    finder = cv2.ORB.create(CORNERS, fastThreshold=8, edgeThreshold=15)
    found, looks = finder.detectAndCompute(grey, None)
    places = np.array([one.pt for one in found], np.float32).reshape(-1, 2)
    return Corners(places, np.zeros((0, 32), np.uint8) if looks is None else np.asarray(looks))


def shared_corners(one: Corners, other: Corners) -> int:
    """Return how many corners of `one` lie in `other` after one turn, shift and scaling."""
    if min(len(one.looks), len(other.looks)) < LEAST:
        return 0
    matches = cv2.BFMatcher(cv2.NORM_HAMMING).knnMatch(one.looks, other.looks, k=2)
    clear = [
        first
        for first, second in (pair for pair in matches if len(pair) == 2)
        if first.distance <= min(MAX_BITS, CLEARER * second.distance)
    ]
    # Many corners that meet in one are a texture, not a movement.
    clear = list({match.trainIdx: match for match in clear}.values())
    if len(clear) < LEAST:
        return 0
    start = one.places[[match.queryIdx for match in clear]]
    end = other.places[[match.trainIdx for match in clear]]
    moved, kept = cv2.estimateAffinePartial2D(start, end, ransacReprojThreshold=3)
    if moved is None or not SCALES[0] <= np.hypot(moved[0, 0], moved[1, 0]) <= SCALES[1]:
        return 0
    return int(np.asarray(kept).sum())


def search(
    train: Sequence[Path],
    test: Sequence[Path],
    on_picture: Callable[[int, int], None] = lambda done, all_: None,
) -> Search:
    """Compare every training picture with every benchmark picture, mirrored as well.

    Crops down to about half the picture's side are found where they have corners enough.
    """
    trained, tested = [Shown(file) for file in train], [Shown(file) for file in test]
    copies = between(_prints(trained), _prints(tested))
    leaks = [Leak(copy.first, copy.second, "near copy") for copy in copies]
    nearest = (0, "", "")
    for done, one in enumerate(trained):
        for other in tested:
            found = max(
                shared_corners(one.corners, seen) for seen in (other.corners, other.mirrored)
            )
            pair = str(one.file), str(other.file)
            if found >= MIN_CORNERS:
                leaks.append(Leak(*pair, f"{found} corners in common"))
            else:
                nearest = max(nearest, (found, *pair))
        on_picture(done + 1, len(trained))
    return Search(len(trained), len(tested), tuple(leaks), nearest)


def _prints(shown: Sequence[Shown]) -> Any:
    return fingerprints([str(one.file) for one in shown], lambda place: shown[place].pixels())
