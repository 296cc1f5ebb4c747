"""Test sets by name: where their pictures lie, and how they become pairs.

Looked for in data/raw (what `superres fetch` brought) and in SUPERRES_SHARED_DATA/benchmarks.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from superres.errors import DataError
from superres.evaluation.pairs import Pair, clip_pairs, folder_pairs
from superres.images import FORMATS

# Name as in the catalog -> its title, the name that tables give it.
SETS = {
    "set5": "Set5",
    "set14": "Set14",
    "bsd100": "BSD100",
    "urban100": "Urban100",
    "vid4": "Vid4",
}
RAW = Path("data/raw")
SHARED = "SUPERRES_SHARED_DATA"


@dataclass(frozen=True)
class TestSet:
    """A named set on this machine: folders of HR pictures (clips: one each), and perhaps of LR."""

    __test__ = False  # no test, whatever pytest thinks of the name

    title: str
    folders: tuple[Path, ...]
    lr: Path | None = None
    is_video: bool = False

    def pairs(self, scale: int) -> Iterator[Pair]:
        """Yield the set's pairs; LR is read where it came with the set, else made here."""
        for folder in self.folders:
            if self.is_video:
                yield from clip_pairs(folder, scale, f"{self.title}/{folder.name}")
            else:
                for pair in folder_pairs(folder, scale, self.lr):
                    yield Pair(self.title, pair.image, pair.lr, pair.hr)

    @property
    def degradation(self) -> str:
        """Say where LR is from."""
        return "given" if self.lr is not None else "bicubic"


def find_set(name: str, scale: int) -> TestSet:
    """Return the set called `name` for `scale`.

    Raises DataError for an unknown name, or when its pictures are not on this machine.
    """
    key = name.lower()
    if key not in SETS:
        raise DataError(f"set '{name}' is not known; accepted: {', '.join(SETS)}, or --data DIR.")
    title = SETS[key]
    shared = Path(os.environ.get(SHARED, "../shared/data")) / "benchmarks" / title
    for place in (RAW / key, shared):
        if not place.is_dir():
            continue
        if key == "vid4":
            clips = tuple(sorted(one for one in _folders(place) if "_LR" not in one.name))
            return TestSet(title, clips, is_video=True)
        hr = place / "HR" if (place / "HR").is_dir() else _folders(place)[0]
        lr = place / f"LR_x{scale}"
        return TestSet(title, (hr,), lr if lr.is_dir() else None)
    raise DataError(
        f"set '{name}' is not on this machine: searched {RAW / key} (add it to data.sources and "
        f"run 'superres fetch') and {shared} ({SHARED}). Or give --data DIR."
    )


def _folders(place: Path) -> list[Path]:
    """Return the folders at or below `place` that hold pictures, in the order of their names."""
    found = [place, *sorted(path for path in place.rglob("*") if path.is_dir())]
    holding = [
        one for one in found if any(file.suffix.lower() in FORMATS for file in one.iterdir())
    ]
    if not holding:
        raise DataError(f"{place}: no pictures; accepted suffixes: {', '.join(FORMATS)}.")
    return holding
