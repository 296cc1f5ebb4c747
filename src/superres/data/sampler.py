"""Random training batches cut from packed pixels: no decoding, no worker processes.

Each of the aligned LR/HR crops is flipped or rotated in one of eight ways. On a GPU the pixels of
all shards live in its memory as far as they fit, and a batch is one gather per resolution;
otherwise a crop is one read from the memory-mapped shard. Draws and pixels are the same.

Where the manifest says that a picture is degraded on the fly, the LR of a crop is made of its HR
anew in every batch; what is drawn for that is part of the same random state.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from superres.data.gathering import Crops, Mapped, Resident, fits, shard_sizes
from superres.data.manifest import ON_THE_FLY, SIDES, Row, read_manifest, read_pack
from superres.errors import DataError

if TYPE_CHECKING:
    from superres.data.fresh_lr import FreshLr


@dataclass(frozen=True)
class Batch:
    """Aligned crops: `lr (N, 3, p, p)` and `hr (N, 3, s*p, s*p)`, float32 in [0, 1]."""

    lr: torch.Tensor
    hr: torch.Tensor
    images: torch.Tensor  # (N,) which image of the split each crop is from


class Sampler:
    """Draws batches from one split of a pack; its random state is saved and restored exactly."""

    def __init__(
        self,
        folder: Path,
        split: str,
        *,
        hr_patch: int,
        seed: int,
        device: str = "cpu",
        resident: bool | None = None,
    ) -> None:
        """`resident`: keep all pixels on the device; None: on a GPU, when they fill at most half
        of its free memory."""
        self.scale = int(read_pack(folder)["scale"])
        self.hr_patch = hr_patch
        rows = [row for row in read_manifest(folder) if row.split == split]
        usable = [row for row in rows if min(row.height, row.width) >= hr_patch]
        if not usable:
            found = f"{len(rows)} images, none of {hr_patch}x{hr_patch} pixels" if rows else "none"
            raise DataError(
                f"{folder}: the split '{split}' has no image large enough for hr_patch {hr_patch} "
                f"(found: {found}). Add larger pictures or lower hr_patch."
            )
        self.device = torch.device(device)
        shards = {side: shard_sizes(folder, rows, side) for side in SIDES}
        if resident is None:
            total = sum(size for side in SIDES for size in shards[side].values())
            resident = self.device.type != "cpu" and fits(total, self.device)
        store = Resident if resident else Mapped
        self._hr = store(shards["hr"], self.device)
        self._lr = store(shards["lr"], self.device)
        self.table = _table(usable, self._hr.starts(), self._lr.starts())
        if resident:
            self.table = self.table.to(self.device)
        positions = [_positions(row, hr_patch, self.scale) for row in usable]
        self.weights = torch.tensor(positions, dtype=torch.float64)
        self.rows = usable
        self.images = len(usable)
        self._fresh = _fresh(usable, self.scale, hr_patch)
        self.random = torch.Generator().manual_seed(seed)

    def batch(self, size: int, share: slice = slice(None)) -> Batch:
        """Draw `size` crops and cut those of `share`; every position is equally likely."""
        patch = self.hr_patch // self.scale
        # What is drawn for fresh LR must not depend on the share: then all are cut.
        early, late = (share, slice(None)) if self._fresh is None else (slice(None), share)
        images = torch.multinomial(self.weights, size, replacement=True, generator=self.random)
        draws = torch.rand(size, 2, generator=self.random, dtype=torch.float64)
        turns = torch.randint(8, (size,), generator=self.random)
        # One copy to the device for all that was drawn on the host.
        drawn = torch.cat([images[:, None].double(), draws, turns[:, None].double()], dim=1)[early]
        drawn = drawn.to(self.table.device)
        rows = self.table[drawn[:, 0].long()]
        hr_start, hr_width, lr_start, lr_height, lr_width = rows.unbind(dim=1)
        top = (drawn[:, 1] * (lr_height - patch + 1)).long()
        left = (drawn[:, 2] * (lr_width - patch + 1)).long()
        turn = drawn[:, 3].long()
        lr = Crops(lr_start, lr_width, top, left, turn, patch)
        hr = Crops(hr_start, hr_width, top * self.scale, left * self.scale, turn, self.hr_patch)
        lrs = self._lr.gather(lr)
        if self._fresh is not None:
            lrs = self._fresh.replace(lrs, images, hr, self._hr, self.random)
        return Batch(lrs[late], self._hr.gather(hr)[late], images[share].to(self.device))

    def state(self) -> dict[str, Any]:
        """Return what `restore` needs to draw the same batches again."""
        return {"random": self.random.get_state()}

    def restore(self, state: dict[str, Any]) -> None:
        """Continue from a saved state."""
        self.random.set_state(state["random"])


def _fresh(rows: Sequence[Row], scale: int, hr_patch: int) -> "FreshLr | None":
    if not any(row.degradation.startswith(ON_THE_FLY) for row in rows):
        return None
    from superres.data.fresh_lr import FreshLr  # the degradations: not every training needs them

    return FreshLr(rows, scale, hr_patch)


def _table(rows: list[Row], hr_starts: list[int], lr_starts: list[int]) -> torch.Tensor:
    return torch.tensor(
        [
            [
                hr_starts[row.shard] + row.hr_offset,
                row.width,
                lr_starts[row.shard] + row.lr_offset,
                row.lr_height,
                row.lr_width,
            ]
            for row in rows
        ],
        dtype=torch.int64,
    )


def _positions(row: Row, hr_patch: int, scale: int) -> int:
    patch = hr_patch // scale
    return (row.lr_height - patch + 1) * (row.lr_width - patch + 1)
