"""The ground of a comparison: which pictures, how LR came about, under which protocol."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from superres.config import EvaluationParams, Params
from superres.data.manifest import data_hash
from superres.errors import DataError
from superres.evaluation import Pair, find_set, folder_pairs, packed_pairs

ROUNDED = {
    "uint8": "the uint8 result",
    "luma": "the uint8 result, luma in whole levels",
    "none": "the result without rounding",
}


@dataclass(frozen=True)
class Ground:
    """The test pictures and the protocol of a comparison."""

    pairs: Sequence[Pair]
    made_by: str  # how LR came about, in words
    evaluation: EvaluationParams
    kernel: str
    data_sha256: str = ""
    curves: Path = Path("reports/curves")

    def shave(self, scale: int) -> int:
        """Return the HR pixels cut from each border."""
        return scale if self.evaluation.shave is None else self.evaluation.shave

    def protocol(self, scale: int) -> str:
        """Return the protocol in words."""
        eight = ", the mean of eight turned and mirrored results" * self.evaluation.self_ensemble
        return (
            f"PSNR and SSIM of {ROUNDED[self.evaluation.rounding]}{eight}, {self.shave(scale)} "
            f"pixels shaved, luma BT.601 (Y) and RGB; {self.made_by}. Means over each set."
        )


def packed_ground(params: Params, pack: Path, curves: Path, only: str = "test") -> Ground:
    """Return the pack's test split, or `only` one of its sets, under params.yaml's protocol."""
    packed = list(packed_pairs(pack))
    if not packed:
        raise DataError(f"{pack}: the split 'test' is empty. Give a source split: test.")
    pairs = [pair for pair in packed if only in ("test", pair.set)]
    if not pairs:
        known = ", ".join(sorted({pair.set for pair in packed}))
        raise DataError(f"test set '{only}' is not in {pack}; accepted: test, {known}.")
    kernel = params.data.kernel
    made_by = f"LR by {kernel} with antialiasing"
    if params.data.degradation is not None:
        made_by = f"LR by {params.data.degradation}"
    return Ground(pairs, made_by, params.evaluation, kernel, data_hash(pack), curves)


def folder_ground(
    params: Params, folders: tuple[Path, Path | None], scale: int, curves: Path
) -> Ground:
    """Return a folder of HR pictures, with LR from a second folder or made here by bicubic."""
    folder, lr = folders
    pairs = list(folder_pairs(folder, scale, lr))
    made_by = "LR by bicubic with antialiasing" if lr is None else f"LR of {lr}"
    return Ground(pairs, made_by, params.evaluation, "bicubic", pairs_hash(pairs), curves)


def sets_ground(params: Params, names: Sequence[str], scale: int, curves: Path) -> Ground:
    """Return named test sets, as set5."""
    sets = [find_set(name, scale) for name in names]
    pairs = [pair for one in sets for pair in one.pairs(scale)]
    told = ", ".join(f"{one.title} ({one.degradation})" for one in sets)
    made_by = f"LR of {told}"
    return Ground(pairs, made_by, params.evaluation, "bicubic", pairs_hash(pairs), curves)


def pairs_hash(pairs: Sequence[Pair]) -> str:
    """Return the SHA-256 over names and pixels of test pictures that are in no pack."""
    digest = hashlib.sha256()
    for pair in pairs:
        digest.update(f"{pair.set}\n{pair.image}\n{pair.hr.pixels.shape}\n".encode())
        for picture in (pair.lr, pair.hr):
            digest.update(np.ascontiguousarray(picture.pixels).tobytes())
    return digest.hexdigest()
