"""Random training batches cut from packed pixels that live on the training device.

No decoding, no worker processes: a batch of aligned LR/HR crops, each flipped or rotated in one
of eight ways, is one gather per resolution out of a flat uint8 tensor.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from superres.data.manifest import REBUILD, Row, pack_name, read_manifest, read_pack
from superres.errors import DataError


@dataclass(frozen=True)
class Batch:
    """Aligned crops: `lr (N, 3, p, p)` and `hr (N, 3, s*p, s*p)`, float32 in [0, 1]."""

    lr: torch.Tensor
    hr: torch.Tensor
    images: torch.Tensor  # (N,) which image of the split each crop is from


class Sampler:
    """Draws batches from one split of a pack; its random state is saved and restored exactly."""

    def __init__(
        self, folder: Path, split: str, *, hr_patch: int, seed: int, device: str = "cpu"
    ) -> None:
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
        hr_end = max(row.hr_offset + row.height * row.width * 3 for row in rows)
        lr_end = max(row.lr_offset + row.lr_height * row.lr_width * 3 for row in rows)
        self.hr = _load(folder / pack_name(split, "hr"), hr_end, self.device)
        self.lr = _load(folder / pack_name(split, "lr"), lr_end, self.device)
        self.table = _table(usable).to(self.device)
        positions = [_positions(row, hr_patch, self.scale) for row in usable]
        self.weights = torch.tensor(positions, dtype=torch.float64)
        self.images = len(usable)
        self.random = torch.Generator().manual_seed(seed)

    def batch(self, size: int) -> Batch:
        """Draw `size` crops; every crop position of the split is equally likely."""
        patch = self.hr_patch // self.scale
        images = torch.multinomial(self.weights, size, replacement=True, generator=self.random)
        draws = torch.rand(size, 2, generator=self.random, dtype=torch.float64)
        turns = torch.randint(8, (size,), generator=self.random)
        # One copy to the device for all that was drawn on the host.
        drawn = torch.cat([images[:, None].double(), draws, turns[:, None].double()], dim=1)
        drawn = drawn.to(self.device)
        rows = self.table[drawn[:, 0].long()]
        hr_offset, hr_width, lr_offset, lr_height, lr_width = rows.unbind(dim=1)
        top = (drawn[:, 1] * (lr_height - patch + 1)).long()
        left = (drawn[:, 2] * (lr_width - patch + 1)).long()
        turn = drawn[:, 3].long()
        lr = _gather(self.lr, lr_offset, lr_width, Crop(top, left, turn, patch))
        scaled = Crop(top * self.scale, left * self.scale, turn, self.hr_patch)
        return Batch(lr, _gather(self.hr, hr_offset, hr_width, scaled), drawn[:, 0].long())

    def state(self) -> dict[str, Any]:
        """Return what `restore` needs to draw the same batches again."""
        return {"random": self.random.get_state()}

    def restore(self, state: dict[str, Any]) -> None:
        """Continue from a saved state."""
        self.random.set_state(state["random"])


@dataclass(frozen=True)
class Crop:
    """Where the crops of a batch lie: `(N,)` tensors, and one side in pixels."""

    top: torch.Tensor
    left: torch.Tensor
    turn: torch.Tensor  # 0..7: bit 0 flips rows, bit 1 flips columns, bit 2 swaps them
    side: int


def _load(path: Path, size: int, device: torch.device) -> torch.Tensor:
    try:
        content = np.fromfile(path, dtype=np.uint8)
    except OSError as error:
        raise DataError(f"{path}: the pack cannot be read ({error}). {REBUILD}") from None
    if content.size != size:
        raise DataError(f"{path}: {content.size} bytes, the manifest says {size}. {REBUILD}")
    return torch.from_numpy(content).to(device)


def _table(rows: list[Row]) -> torch.Tensor:
    return torch.tensor(
        [[row.hr_offset, row.width, row.lr_offset, row.lr_height, row.lr_width] for row in rows],
        dtype=torch.int64,
    )


def _positions(row: Row, hr_patch: int, scale: int) -> int:
    patch = hr_patch // scale
    return (row.lr_height - patch + 1) * (row.lr_width - patch + 1)


def _gather(
    pixels: torch.Tensor, offset: torch.Tensor, width: torch.Tensor, crop: Crop
) -> torch.Tensor:
    """Cut crops out of flat pixels: `(N, 3, side, side)` float32 in [0, 1], channels last."""
    steps = torch.arange(crop.side, device=pixels.device)
    rows, columns = steps.view(1, -1, 1), steps.view(1, 1, -1)
    turn = crop.turn.view(-1, 1, 1)
    rows = torch.where(turn & 1 > 0, crop.side - 1 - rows, rows)
    columns = torch.where(turn & 2 > 0, crop.side - 1 - columns, columns)
    swap = turn & 4 > 0
    rows = torch.where(swap, rows.transpose(1, 2), rows)
    columns = torch.where(swap, columns.transpose(1, 2), columns)
    index = (crop.top.view(-1, 1, 1) + rows) * width.view(-1, 1, 1)
    index = offset.view(-1, 1, 1) + (index + crop.left.view(-1, 1, 1) + columns) * 3
    channels = torch.arange(3, device=pixels.device)
    taken = pixels[index.unsqueeze(-1) + channels]
    return taken.permute(0, 3, 1, 2).float().div_(255)
