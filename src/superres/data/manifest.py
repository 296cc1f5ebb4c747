"""The folder of packed pairs as others see it: manifest.csv, pack.json and the pixels.

manifest.csv            one row per picture, see `Row`
<split>-00000.hr.u8     HR pictures of the split: uint8, row-major (height, width, 3) RGB, one
<split>-00000.lr.u8     after another without gaps; their LR pictures in the same order
<split>-00001.hr.u8     the next shard; a picture never lies in two
pack.json               scale, degradation, checksums of the shards, the data hash
quarantine.csv          files that were left out, and why
"""

import csv
import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from superres.errors import DataError

MANIFEST: Final = "manifest.csv"
PACK: Final = "pack.json"
QUARANTINE: Final = "quarantine.csv"
SIDES: Final = ("hr", "lr")
PACK_KEYS: Final = {"scale", "kernel", "border", "min_side", "splits", "sha256"}
GIVEN: Final = "given"  # before the degradation of rows whose LR was not made but given
ON_THE_FLY: Final = "on the fly: "  # before the degradation of rows whose LR training makes anew
REBUILD: Final = "Run `superres pairs` to build it again."

Pixels = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)  # a row per picture is in memory, of a million as well
class Row:
    """One LR/HR pair. Sizes are pixels, offsets bytes in the shard."""

    id: str  # path without its suffix, with it where two files share the rest
    source: str
    split: str
    kind: str  # image | frame
    clip: str  # "" for an image
    index: int | None  # frame number in the video; None for an image
    path: str  # below data/raw as fetched, below data/frames for a frame of a video file
    sha256: str  # of the HR pixels in the pack
    height: int  # HR, after mod-cropping
    width: int
    lr_height: int
    lr_width: int
    hr_offset: int
    lr_offset: int
    channels: int  # of the file: 1 grey, 2 grey + alpha, 3 RGB, 4 RGB + alpha; the pack has 3
    bit_depth: int  # of the file: 8 or 16; the pack has 8
    scale: int
    kernel: str
    border: str
    mean: float  # of all HR values, 0..255
    contrast: float  # largest standard deviation among the three channels, 0..127.5
    licence: str
    shard: int = 0  # of the split
    source_sha256: str = ""  # of the file the pixels are from
    degradation: str = ""  # how LR was made of HR, in words
    profile: str = ""  # colour profile that was converted to sRGB; "" when there was none
    clipped: float = 0.0  # share of HR values that are 0 or 255
    scene: int = 0  # counts the cuts of the clip before this frame


COLUMNS: Final = tuple(field.name for field in fields(Row))
_READ: Final[Mapping[Any, Callable[[str], Any]]] = {
    str: str,
    int: int,
    float: float,
    int | None: lambda text: int(text) if text else None,
}
_READERS: Final = tuple(_READ[field.type] for field in fields(Row))
# Columns whose values are mostly the row's own: looking them up would only take room.
_OWN: Final = tuple(
    name
    in (
        *("id", "path", "sha256", "source_sha256", "index", "hr_offset", "lr_offset"),
        *("mean", "contrast", "clipped"),
    )
    for name in COLUMNS
)


def pack_name(split: str, side: str, shard: int = 0) -> str:
    """Return a shard's file name; `side` is "hr" or "lr"."""
    return f"{split}-{shard:05d}.{side}.u8"


def read_manifest(folder: Path) -> list[Row]:
    """Return the rows in pack order: by split (train, val, test), data set, clip, frame, path.

    Raises DataError when the file is missing, has other columns or a value of the wrong type.
    """
    path = folder / MANIFEST
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.reader(file)
            header = tuple(next(reader, ()))
            if header != COLUMNS:
                raise DataError(
                    f"{path}: columns are {', '.join(header) or 'missing'}; "
                    f"expected {', '.join(COLUMNS)}. {REBUILD}"
                )
            known: list[dict[str, Any]] = [{} for _ in COLUMNS]
            return [_row(path, number, cells, known) for number, cells in enumerate(reader, 2)]
    except FileNotFoundError:
        raise DataError(f"{path}: no such file. {REBUILD}") from None
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: damaged ({error}). {REBUILD}") from None


def _row(path: Path, number: int, cells: list[str], known: Sequence[dict[str, Any]]) -> Row:
    """Make a row of the cells; values that repeat from row to row become one object."""
    try:
        if len(cells) != len(COLUMNS):
            raise ValueError(f"{len(cells)} values, expected {len(COLUMNS)}")
        values: list[Any] = []
        for cell, read, seen, is_own in zip(cells, _READERS, known, _OWN, strict=True):
            if cell not in seen:
                value = read(cell)
                if not is_own:
                    seen[cell] = value
            values.append(value if is_own else seen[cell])
        return Row(*values)
    except ValueError as error:
        raise DataError(f"{path}: line {number} cannot be read ({error}). {REBUILD}") from None


def read_pack(folder: Path) -> dict[str, Any]:
    """Return pack.json; DataError when it is missing or damaged."""
    path = folder / PACK
    try:
        content: Any = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DataError(f"{path}: no such file. {REBUILD}") from None
    except ValueError as error:
        raise DataError(f"{path}: damaged ({error}). {REBUILD}") from None
    absent = PACK_KEYS - content.keys() if isinstance(content, dict) else PACK_KEYS
    if absent:
        raise DataError(f"{path}: damaged (no {', '.join(sorted(absent))}). {REBUILD}")
    return dict(content)


def data_hash(folder: Path) -> str:
    """Return the hash that stands for manifest and packs: what a model was trained on."""
    return str(read_pack(folder)["sha256"])


def load_pair(folder: Path, row: Row) -> tuple[Pixels, Pixels]:
    """Return (lr, hr), uint8 (height, width, 3) RGB, read-only and mapped, not loaded.

    Raises DataError when a pack is missing or shorter than the manifest says.
    """
    names = {side: folder / pack_name(row.split, side, row.shard) for side in SIDES}
    lr = _map(names["lr"], row.lr_offset, (row.lr_height, row.lr_width, 3))
    hr = _map(names["hr"], row.hr_offset, (row.height, row.width, 3))
    return lr, hr


def _map(path: Path, offset: int, shape: tuple[int, int, int]) -> Pixels:
    try:
        return np.memmap(path, dtype=np.uint8, mode="r", offset=offset, shape=shape)
    except (OSError, ValueError) as error:
        raise DataError(
            f"{path}: no {shape[0]}x{shape[1]} picture at byte {offset} ({error}). {REBUILD}"
        ) from None


def sha256_of_pixels(pixels: Pixels) -> str:
    """Return the sha256 of the values in row-major order, as they lie in the pack."""
    return hashlib.sha256(np.ascontiguousarray(pixels).data).hexdigest()


def write_manifest(folder: Path, rows: Iterable[Row]) -> None:
    """Write manifest.csv; floats with three digits, so equal data gives equal bytes."""
    write_csv(folder / MANIFEST, COLUMNS, (_cells(row) for row in rows))


def _cells(row: Row) -> list[str]:
    values = astuple(row)
    return [
        "" if value is None else f"{value:.3f}" if isinstance(value, float) else str(value)
        for value in values
    ]


def write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a CSV file with line feeds on every system."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


def combined_hash(files: Mapping[str, str]) -> str:
    """Return the data hash: sha256 over `name sha256` lines of manifest and packs, by name."""
    lines = "".join(f"{name} {files[name]}\n" for name in sorted(files))
    return hashlib.sha256(lines.encode("utf-8")).hexdigest()
