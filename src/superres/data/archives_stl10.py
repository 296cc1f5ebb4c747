"""STL-10's raw pixels (Coates et al. 2011) as one BMP per picture.

BMP, because its bytes depend on no compressor: the same pixels give the same file anywhere.
"""

import struct
from pathlib import Path
from typing import Final

import numpy as np

from superres.errors import DataError

SIDE: Final = 96
PICTURE: Final = 3 * SIDE * SIDE  # bytes: channel, column, row


def bin_to_pictures(binary: Path, folder: Path, first: int | None = None) -> list[Path]:
    """Write the (first) pictures of train_X.bin, test_X.bin or unlabeled_X.bin; return them.

    Raises DataError when the file does not hold whole pictures.
    """
    size = binary.stat().st_size
    if size == 0 or size % PICTURE:
        raise DataError(f"{binary.name}: {size} bytes are no whole pictures of {PICTURE} bytes.")
    pictures = np.memmap(binary, dtype=np.uint8, mode="r").reshape(-1, 3, SIDE, SIDE)[:first]
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for index, planes in enumerate(pictures):
        path = folder / f"{index:06d}.bmp"
        # Stored column by column; a BMP wants rows from the bottom, blue first.
        path.write_bytes(_header() + planes.transpose(2, 1, 0)[::-1, :, ::-1].tobytes())
        written.append(path)
    return written


def _header() -> bytes:
    start = struct.pack("<2sIHHI", b"BM", 54 + PICTURE, 0, 0, 54)
    return start + struct.pack("<IiiHHIIiiII", 40, SIDE, SIDE, 1, 24, 0, PICTURE, 0, 0, 0, 0)
