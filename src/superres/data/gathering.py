"""Cut crops out of the shards of a split: on the device, or read from the mapped files."""

import os
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

import numpy as np
import torch

from superres.data.manifest import REBUILD, Pixels, Row, pack_name
from superres.errors import DataError


@dataclass(frozen=True)
class Crops:
    """Where the crops of a batch lie: `(N,)` tensors, and one side in pixels."""

    start: torch.Tensor  # of the picture: bytes since the start of the split's first shard
    width: torch.Tensor  # of the picture
    top: torch.Tensor
    left: torch.Tensor
    turn: torch.Tensor  # 0..7: bit 0 flips rows, bit 1 flips columns, bit 2 swaps them
    side: int


def shard_sizes(folder: Path, rows: Sequence[Row], side: str) -> dict[Path, int]:
    """Return shard -> bytes of one side, in order, as the manifest says."""
    ends: dict[Path, int] = {}
    for row in rows:
        path = folder / pack_name(row.split, side, row.shard)
        shape = (row.height, row.width) if side == "hr" else (row.lr_height, row.lr_width)
        offset = row.hr_offset if side == "hr" else row.lr_offset
        ends[path] = max(ends.get(path, 0), offset + 3 * shape[0] * shape[1])
    return dict(sorted(ends.items()))


def fits(size: int, device: torch.device) -> bool:
    """Whether `size` bytes are at most half of the device's free memory."""
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
    else:
        free = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return size <= free // 2


class _Shards:
    def __init__(self, sizes: Mapping[Path, int]) -> None:
        self._sizes = list(sizes.values())

    def starts(self) -> list[int]:
        """Return where each shard begins when all lie one after another."""
        return [0, *accumulate(self._sizes)][:-1]


class Resident(_Shards):
    """All shards in one flat tensor on the device; a batch is one gather."""

    def __init__(self, sizes: Mapping[Path, int], device: torch.device) -> None:
        super().__init__(sizes)
        self._pixels = torch.empty(sum(self._sizes), dtype=torch.uint8, device=device)
        for start, (path, size) in zip(self.starts(), sizes.items(), strict=True):
            content = np.array(_mapped(path, size))
            self._pixels[start : start + size] = torch.from_numpy(content).to(device)

    def gather(self, crops: Crops) -> torch.Tensor:
        """Return `(N, 3, side, side)` float32 in [0, 1], channels last in memory."""
        steps = torch.arange(crops.side, device=self._pixels.device)
        rows, columns = steps.view(1, -1, 1), steps.view(1, 1, -1)
        turn = crops.turn.view(-1, 1, 1)
        rows = torch.where(turn & 1 > 0, crops.side - 1 - rows, rows)
        columns = torch.where(turn & 2 > 0, crops.side - 1 - columns, columns)
        swap = turn & 4 > 0
        rows = torch.where(swap, rows.transpose(1, 2), rows)
        columns = torch.where(swap, columns.transpose(1, 2), columns)
        index = (crops.top.view(-1, 1, 1) + rows) * crops.width.view(-1, 1, 1)
        index = crops.start.view(-1, 1, 1) + (index + crops.left.view(-1, 1, 1) + columns) * 3
        channels = torch.arange(3, device=self._pixels.device)
        return _floats(self._pixels[index.unsqueeze(-1) + channels])


class Mapped(_Shards):
    """Shards in their files, mapped; a crop is one read, only its batch goes to the device."""

    def __init__(self, sizes: Mapping[Path, int], device: torch.device) -> None:
        super().__init__(sizes)
        self._device = device
        self._files = [_mapped(path, size) for path, size in sizes.items()]
        self._starts = self.starts()
        self._put = _fastest_put()

    def gather(self, crops: Crops) -> torch.Tensor:
        """Return `(N, 3, side, side)` float32 in [0, 1], channels last in memory."""
        side = crops.side
        taken = np.empty((len(crops.start), side, side, 3), np.uint8)
        columns = (crops.start, crops.width, crops.top, crops.left, crops.turn)
        places = zip(*(column.tolist() for column in columns), strict=True)
        for into, (start, width, top, left, turn) in zip(taken, places, strict=True):
            shard = bisect_right(self._starts, start) - 1
            first = start - self._starts[shard] + 3 * (top * width + left)
            # The strip from the first to the last row of the crop, seen as its rows.
            crop = np.ndarray(
                (side, side, 3), np.uint8, self._files[shard], first, (3 * width, 3, 1)
            )
            self._put(crop, turn, into)
        if self._device.type == "cpu":
            # numpy's one thread: waiting for torch's threads costs more than so few values.
            values = torch.from_numpy(np.divide(taken, 255, dtype=np.float32))
            return values.permute(0, 3, 1, 2)
        return _floats(torch.from_numpy(taken).to(self._device))


def _fastest_put() -> Callable[[Pixels, int, Pixels], None]:
    """Return what writes a turned crop: OpenCV, twenty times as fast, or NumPy without it.

    A machine that only trains needs no OpenCV.
    """
    try:
        import cv2
    except ImportError:
        return put_with_numpy
    flip_codes = {1: 0, 2: 1, 3: -1}  # by the two flip bits of a turn

    def put(crop: Pixels, turn: int, into: Pixels) -> None:
        flips = turn & 3
        if turn & 4:  # to swap first and flip then, the flips change places
            flips = flips >> 1 | (flips & 1) << 1
            cv2.transpose(crop, dst=into)
            if flips:
                cv2.flip(into, flip_codes[flips], dst=into)
        elif flips:
            cv2.flip(crop, flip_codes[flips], dst=into)
        else:
            into[:] = crop

    return put


def put_with_numpy(crop: Pixels, turn: int, into: Pixels) -> None:
    """Write the crop (side, side, 3), rows and columns flipped, then swapped, as `turn` says."""
    if turn & 1:
        crop = crop[::-1]
    if turn & 2:
        crop = crop[:, ::-1]
    into[:] = crop.transpose(1, 0, 2) if turn & 4 else crop


def _floats(taken: torch.Tensor) -> torch.Tensor:
    return taken.permute(0, 3, 1, 2).float().div_(255)


def _mapped(path: Path, size: int) -> Pixels:
    try:
        found = path.stat().st_size
        if found != size:
            raise DataError(f"{path}: {found} bytes, the manifest says {size}. {REBUILD}")
        return np.memmap(path, dtype=np.uint8, mode="r")
    except OSError as error:
        raise DataError(f"{path}: the pack cannot be read ({error}). {REBUILD}") from None
