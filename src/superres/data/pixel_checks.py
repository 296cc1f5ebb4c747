"""Check the packed pixels themselves: checksums, offsets, the degradation, leaks."""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, cast

import numpy as np

from superres.data.checks import Check
from superres.data.clips import read_quarantine
from superres.data.degradations import Degradation, picture_seed
from superres.data.degrade import Border, degrade
from superres.data.leaks import near_copies
from superres.data.manifest import (
    GIVEN,
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
from superres.data.registration import fault_of
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
    found = Counter(row.split for row in rows)
    counts = [split for split in SPLITS if found[split] != pack["splits"][split]["images"]]
    readable, unreadable, broken = _readable(folder, rows)
    quarantined = tuple(bad.path for bad in read_quarantine(folder))
    return [
        Check("The packs have the checksums of pack.json.", "critical", tuple(altered)),
        Check(
            "The manifest is the one the data hash of pack.json stands for.",
            "critical",
            () if total == pack["sha256"] else (MANIFEST,),
        ),
        Check("Each split has as many pairs as pack.json says.", "critical", tuple(counts)),
        Check("The packs hold every picture the manifest lists.", "critical", unreadable),
        Check(
            "The packs are exactly as long as their pictures.",
            "critical",
            _not_whole(folder, expected, rows),
        ),
        Check("Every file could be used.", "warning", quarantined),
        Check("The HR pixels of every pair have the checksum of its row.", "critical", broken),
        _check_lr(folder, readable, altered, pack),
        *_check_given(folder, readable, altered, pack),
        *_check_likeness(folder, readable, pack),
        _check_copies(folder, readable),
    ]


def _readable(
    folder: Path, rows: Sequence[Row]
) -> tuple[list[Row], tuple[str, ...], tuple[str, ...]]:
    """Read every HR once; return the rows that are there, the ids that are not, and the altered."""
    there, absent, altered = [], [], []
    for row in rows:
        try:
            hr = load_pair(folder, row)[1]
        except DataError:
            absent.append(row.id)
            continue
        there.append(row)
        if sha256_of_pixels(hr) != row.sha256:
            altered.append(row.id)
    return there, tuple(absent), tuple(altered)


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


def _not_whole(folder: Path, names: Iterable[str], rows: Sequence[Row]) -> tuple[str, ...]:
    sizes: Counter[str] = Counter()
    for row in rows:
        sizes[pack_name(row.split, "hr", row.shard)] += 3 * row.height * row.width
        sizes[pack_name(row.split, "lr", row.shard)] += 3 * row.lr_height * row.lr_width
    return tuple(
        name
        for name in names
        if not (folder / name).is_file() or (folder / name).stat().st_size != sizes[name]
    )


def _failing(rows: Sequence[Row], holds: Callable[[Row], bool]) -> tuple[str, ...]:
    return tuple(row.id for row in rows if not holds(row))


def _check_lr(
    folder: Path, rows: Sequence[Row], altered: Sequence[str], pack: Mapping[str, Any]
) -> Check:
    """Degrade a sample anew; all of a shard that was altered, to name the pair.

    Frames whose LR depends on their clip are left to `_check_likeness`.
    """
    chain = _chain(pack)
    made = [
        row
        for row in rows
        if not _is_given(row) and (chain is None or not is_of_clip(row.clip, chain))
    ]
    chosen = _chosen(made, altered)

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
    return Check(sentence, "critical", _failing(chosen, holds))


def _chosen(rows: Sequence[Row], altered: Sequence[str]) -> list[Row]:
    """Return a sample, and every row of the shards that were altered."""
    shards = set(altered)
    suspects = [
        row
        for row in rows
        if shards and any(pack_name(row.split, side, row.shard) in shards for side in SIDES)
    ]
    return list({row.id: row for row in [*sample(rows), *suspects]}.values())


def _is_given(row: Row) -> bool:
    return row.degradation.startswith(GIVEN)


def _check_given(
    folder: Path, rows: Sequence[Row], altered: Sequence[str], pack: Mapping[str, Any]
) -> list[Check]:
    """Real pairs: nothing can be made anew, but both sides have to show the same place alike."""
    given = [row for row in rows if _is_given(row)]
    if not given:
        return []

    def holds(row: Row) -> bool:
        lr, hr = load_pair(folder, row)
        try:
            return not fault_of(np.asarray(lr), np.asarray(hr), float(pack["max_shift"]))
        except DataError:  # HR is no multiple of LR
            return False

    chosen = _chosen(given, altered)
    sentence = f"Real pairs are registered: place and brightness ({len(chosen)} of {len(given)})."
    return [Check(sentence, "critical", _failing(chosen, holds))]


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
    made = [row for row in rows if not _is_given(row)]
    if _chain(pack) is None or not made:
        return []

    def holds(row: Row) -> bool:
        lr, hr = load_pair(folder, row)
        return lr.shape[:2] == (hr.shape[0] // row.scale, hr.shape[1] // row.scale) and (
            psnr(np.asarray(lr), degrade(np.asarray(hr), row.scale)) >= FLOOR
        )

    chosen = sample(made)
    sentence = f"LR is at least {FLOOR:.0f} dB like the bicubic HR ({len(chosen)} compared)."
    return [Check(sentence, "critical", _failing(chosen, holds))]


def _check_copies(folder: Path, rows: Sequence[Row]) -> Check:
    copies = near_copies(folder, rows)
    sentence = "No picture of a split is a rescaled, mirrored or recompressed one of another."
    return Check(sentence, "critical", tuple(str(copy) for copy in copies))
