"""Check the packed pixels themselves: checksums, offsets, the degradation, leaks."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, cast

import numpy as np

from superres.data.checks import Check
from superres.data.degrade import Border, degrade
from superres.data.leaks import near_copies
from superres.data.manifest import (
    MANIFEST,
    Row,
    combined_hash,
    load_pair,
    pack_name,
    sha256_of_pixels,
)
from superres.data.splits import SPLITS
from superres.errors import DataError, SuperresError

SAMPLE: Final = 64  # pairs degraded anew; all when there are fewer
SIDES: Final = ("hr", "lr")


def check_pixels(folder: Path, rows: Sequence[Row], pack: Mapping[str, Any]) -> list[Check]:
    """Return the checks of the packs in `folder` against their manifest and pack.json."""
    hashes = {name: _sha256(folder / name) for name in _pack_names()}
    expected = {
        pack_name(split, side): pack["splits"][split][f"{side}_sha256"]
        for split in SPLITS
        for side in SIDES
    }
    altered = [name for name, found in hashes.items() if found != expected[name]]
    manifest = _sha256(folder / MANIFEST)
    total = combined_hash({**expected, MANIFEST: manifest})
    counts = [
        split
        for split in SPLITS
        if sum(row.split == split for row in rows) != pack["splits"][split]["images"]
    ]
    unreadable = [row.id for row in rows if not _is_readable(folder, row)]
    readable = [row for row in rows if row.id not in set(unreadable)]
    return [
        Check("The packs have the checksums of pack.json.", "critical", tuple(altered)),
        Check(
            "The manifest is the one the data hash of pack.json stands for.",
            "critical",
            () if total == pack["sha256"] else (MANIFEST,),
        ),
        Check("Each split has as many pairs as pack.json says.", "critical", tuple(counts)),
        Check("The packs hold every picture the manifest lists.", "critical", tuple(unreadable)),
        Check(
            "The packs are exactly as long as their pictures.",
            "critical",
            tuple(name for name in hashes if not _is_whole(folder, name, rows)),
        ),
        _check_hr(folder, readable),
        _check_lr(folder, readable, altered),
        _check_copies(folder, readable),
    ]


def sample(rows: Sequence[Row], number: int = SAMPLE) -> list[Row]:
    """Return every row, or `number` rows spread evenly over the manifest."""
    if len(rows) <= number:
        return list(rows)
    return [rows[int(place)] for place in np.linspace(0, len(rows) - 1, number).round()]


def _pack_names() -> list[str]:
    return [pack_name(split, side) for split in SPLITS for side in SIDES]


def _sha256(path: Path) -> str:
    if not path.is_file():
        return "missing"
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _is_readable(folder: Path, row: Row) -> bool:
    try:
        load_pair(folder, row)
    except DataError:
        return False
    return True


def _is_whole(folder: Path, name: str, rows: Sequence[Row]) -> bool:
    path = folder / name
    split, side, _ = name.split(".")
    sizes = [
        3 * (row.height * row.width if side == "hr" else row.lr_height * row.lr_width)
        for row in rows
        if row.split == split
    ]
    return path.is_file() and path.stat().st_size == sum(sizes)


def _failing(rows: Sequence[Row], holds: Callable[[Row], bool]) -> tuple[str, ...]:
    return tuple(row.id for row in rows if not holds(row))


def _check_hr(folder: Path, rows: Sequence[Row]) -> Check:
    def holds(row: Row) -> bool:
        return sha256_of_pixels(load_pair(folder, row)[1]) == row.sha256

    sentence = "The HR pixels of every pair have the checksum of its row."
    return Check(sentence, "critical", _failing(rows, holds))


def _check_lr(folder: Path, rows: Sequence[Row], altered: Sequence[str]) -> Check:
    """Degrade a sample anew; all of a split whose pack was altered, to name the pair."""

    def holds(row: Row) -> bool:
        lr, hr = load_pair(folder, row)
        if row.scale < 1:
            return False
        try:
            again = degrade(np.asarray(hr), row.scale, row.kernel, cast(Border, row.border))
        except SuperresError:  # a kernel there is not; the manifest's checks say so
            return False
        return bool(np.array_equal(again, lr))

    suspects = [
        row
        for row in rows
        if pack_name(row.split, "lr") in altered or pack_name(row.split, "hr") in altered
    ]
    chosen = {row.id: row for row in [*sample(rows), *suspects]}
    sentence = f"LR is the degraded HR, pixel for pixel ({len(chosen)} of {len(rows)} compared)."
    return Check(sentence, "critical", _failing(list(chosen.values()), holds))


def _check_copies(folder: Path, rows: Sequence[Row]) -> Check:
    copies = near_copies(folder, rows)
    sentence = "No picture of a split is a rescaled, mirrored or recompressed one of another."
    return Check(sentence, "critical", tuple(str(copy) for copy in copies))
