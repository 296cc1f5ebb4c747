"""Which LR file belongs to which HR file, where both were given."""

import re
from collections.abc import Iterable
from pathlib import PurePosixPath
from typing import Final

from superres.data.dataset import Dataset, Sides
from superres.errors import DataError

# What authors add to a name to tell the sides apart: 0001x4, img_001_SRF_4_LR, a-hr.
MARKS: Final = re.compile(r"(?:(?:_SRF_\d)?[_-](?:HR|LR|GT|LQ)|x\d)$", re.IGNORECASE)


def partners(dataset: Dataset, files: Iterable[str]) -> tuple[list[str], dict[str, str]]:
    """Return the HR files, and LR file -> its HR file, by names below data/raw/<name>.

    Names agree but for the suffix and what MARKS finds. An LR without HR keeps the name that its
    HR should have. Raises DataError for a file on neither side, or two of one name.
    """
    sides = dataset.sides or Sides()
    names = list(files)
    lrs = [name for name in names if name.startswith(f"{sides.lr}/")]
    hrs = [name for name in names if not name.startswith(f"{sides.lr}/")]
    outside = [name for name in hrs if sides.hr and not name.startswith(f"{sides.hr}/")]
    if outside:
        raise DataError(
            f"data source '{dataset.name}': {outside[0]} lies in neither {sides.hr} nor {sides.lr}."
        )
    known = _by_key(dataset, hrs, sides.hr)
    given = _by_key(dataset, lrs, sides.lr)
    return hrs, {lr: known.get(key, key) for key, lr in given.items()}


def _by_key(dataset: Dataset, files: Iterable[str], side: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for file in files:
        path = PurePosixPath(file).relative_to(side)
        key = path.with_name(MARKS.sub("", path.stem)).as_posix()
        if key in found:
            raise DataError(
                f"data source '{dataset.name}': {found[key]} and {file} would have the same "
                "partner; give each pair a name of its own."
            )
        found[key] = file
    return found
