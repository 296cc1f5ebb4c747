"""Check the packed pixels themselves: checksums, offsets, the degradation, leaks."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, cast

import numpy as np

from superres.data.checks import Check
from superres.data.clips import read_quarantine
from superres.data.degradations import Degradation, picture_seed
from superres.data.degrade import Border, degrade
from superres.data.leaks import near_copies
from superres.data.manifest import (
    MANIFEST,
    SIDES,
    Pixels,
    Row,
    combined_hash,
    load_pair,
    pack_name,
    sha256_of_pixels,
)
from superres.data.prepare import is_of_clip
from superres.data.splits import SPLITS
from superres.errors import DataError, SuperresError
from superres.metrics import psnr

SAMPLE: Final = 64  # pairs degraded anew; all when there are fewer
FLOOR: Final = 15.0  # dB; another picture has about 10, a harsh degradation 20


def check_pixels(folder: Path, rows: Sequence[Row], pack: Mapping[str, Any]) -> list[Check]:
    """Return the checks of the shards in `folder` against their manifest and pack.json."""
    expected = _expected(pack)
    altered = [name for name, digest in expected.items() if _sha256(folder / name) != digest]
    manifest = _sha256(folder / MANIFEST)
    total = combined_hash({**expected, MANIFEST: manifest})
    counts = [
        split
        for split in SPLITS
        if sum(row.split == split for row in rows) != pack["splits"][split]["images"]
    ]
    unreadable = [row.id for row in rows if not _is_readable(folder, row)]
    readable = [row for row in rows if row.id not in set(unreadable)]
    quarantined = tuple(bad.path for bad in read_quarantine(folder))
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
            tuple(name for name in expected if not _is_whole(folder, name, rows)),
        ),
        Check("Every file could be used.", "warning", quarantined),
        _check_hr(folder, readable),
        _check_lr(folder, readable, altered, pack),
        *_check_likeness(folder, readable, pack),
        _check_copies(folder, readable),
    ]


def sample(rows: Sequence[Row], number: int = SAMPLE) -> list[Row]:
    """Return every row, or `number` rows spread evenly over the manifest."""
    if len(rows) <= number:
        return list(rows)
    return [rows[int(place)] for place in np.linspace(0, len(rows) - 1, number).round()]


def _expected(pack: Mapping[str, Any]) -> dict[str, str]:
    return {
        pack_name(split, side, number): shard[f"{side}_sha256"]
        for split in SPLITS
        for number, shard in enumerate(pack["splits"][split]["shards"])
        for side in SIDES
    }


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
    side = name.split(".")[1]
    sizes = [
        3 * (row.height * row.width if side == "hr" else row.lr_height * row.lr_width)
        for row in rows
        if pack_name(row.split, side, row.shard) == name
    ]
    return path.is_file() and path.stat().st_size == sum(sizes)


def _failing(rows: Sequence[Row], holds: Callable[[Row], bool]) -> tuple[str, ...]:
    return tuple(row.id for row in rows if not holds(row))


def _check_hr(folder: Path, rows: Sequence[Row]) -> Check:
    def holds(row: Row) -> bool:
        return sha256_of_pixels(load_pair(folder, row)[1]) == row.sha256

    sentence = "The HR pixels of every pair have the checksum of its row."
    return Check(sentence, "critical", _failing(rows, holds))


def _check_lr(
    folder: Path, rows: Sequence[Row], altered: Sequence[str], pack: Mapping[str, Any]
) -> Check:
    """Degrade a sample anew; all of a shard that was altered, to name the pair.

    Frames whose LR depends on their clip are left to `_check_likeness`.
    """
    chain = _chain(pack)
    made = [row for row in rows if chain is None or not is_of_clip(row.clip, chain)]
    suspects = [
        row
        for row in made
        if any(pack_name(row.split, side, row.shard) in altered for side in SIDES)
    ]
    chosen = {row.id: row for row in [*sample(made), *suspects]}

    def holds(row: Row) -> bool:
        lr, hr = load_pair(folder, row)
        if row.scale < 1:
            return False
        try:
            again = _again(np.asarray(hr), row, chain, int(pack.get("seed", 0)))
        except SuperresError:  # a kernel there is not; the manifest's checks say so
            return False
        return bool(np.array_equal(again, lr))

    sentence = f"LR is the degraded HR, pixel for pixel ({len(chosen)} of {len(rows)} compared)."
    return Check(sentence, "critical", _failing(list(chosen.values()), holds))


def _chain(pack: Mapping[str, Any]) -> Degradation | None:
    """Return the chain that pack.json names; None for its kernel and border."""
    text = str(pack.get("degradation", ""))
    plain = f"x{pack['scale']} {pack['kernel']} {pack['border']}"
    return None if text in ("", plain) else Degradation.parse(text)


def _again(hr: Pixels, row: Row, chain: Degradation | None, seed: int) -> Pixels:
    if chain is None:
        return degrade(hr, row.scale, row.kernel, cast(Border, row.border))
    return chain.apply(hr, row.scale, picture_seed(seed, row.path))


def _check_likeness(folder: Path, rows: Sequence[Row], pack: Mapping[str, Any]) -> list[Check]:
    """Where the degradation is a chain, LR still has to show what HR shows, in the same place."""
    if _chain(pack) is None:
        return []

    def holds(row: Row) -> bool:
        lr, hr = load_pair(folder, row)
        return lr.shape[:2] == (hr.shape[0] // row.scale, hr.shape[1] // row.scale) and (
            psnr(np.asarray(lr), degrade(np.asarray(hr), row.scale)) >= FLOOR
        )

    chosen = sample(rows)
    sentence = f"LR is at least {FLOOR:.0f} dB like the bicubic HR ({len(chosen)} compared)."
    return [Check(sentence, "critical", _failing(chosen, holds))]


def _check_copies(folder: Path, rows: Sequence[Row]) -> Check:
    copies = near_copies(folder, rows)
    sentence = "No picture of a split is a rescaled, mirrored or recompressed one of another."
    return Check(sentence, "critical", tuple(str(copy) for copy in copies))
