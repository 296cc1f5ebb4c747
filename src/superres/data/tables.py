"""The manifest as tables with the columns that the expectations compare.

The manifest of a million pictures is compared some rows at a time, so that memory does not grow
with a table and with what the expectations make of it.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from superres.data.manifest import Row
from superres.data.splits import SPLITS

if TYPE_CHECKING:
    import pandas as pd

# What expectations.json asks of a row as it stands.
TEXTS: Final = ("id", "split", "sha256", "source_sha256", "kind", "degradation", "licence")
WHOLE: Final = ("scale", "height", "width", "channels", "bit_depth", "hr_offset", "lr_offset")
AT_ONCE: Final = 50_000  # rows
REAL: Final = ("mean", "contrast", "clipped")


class ManifestTables:
    """Tables of so many rows at a time, with what is known only of all rows together."""

    def __init__(self, rows: Sequence[Row], pack: Mapping[str, Any]) -> None:
        self._rows = rows
        self._pack = pack
        pixels = np.fromiter((row.height * row.width for row in rows), np.int64, len(rows))
        trained = np.fromiter((row.split == "train" for row in rows), bool, len(rows))
        self._share = int(pixels[trained].sum()) / max(int(pixels.sum()), 1)
        pixel_keys = _keys(row.sha256 for row in rows)
        self._of_name = _counts(_keys(row.id for row in rows))
        self._of_pixels = _counts(pixel_keys)
        self._same_pixels = _splits_by(rows, pixel_keys)
        self._of_clip = np.where(
            np.fromiter((bool(row.clip) for row in rows), bool, len(rows)),
            _splits_by(rows, _keys(row.clip for row in rows)),
            1,
        )
        self._offsets = _expected_offsets(rows)

    def whole(self) -> "pd.DataFrame":
        """Return of all rows what expectations judge together."""
        import pandas as pd

        share = np.full(len(self._rows), self._share)
        return pd.DataFrame({"split": _texts(self._rows, "split"), "train_share_of_pixels": share})

    def parts(self, size: int | None = None) -> Iterator["pd.DataFrame"]:
        """Yield one line per pair: of its row, and derived, what expectations.json compares."""
        size = size or AT_ONCE
        for start in range(0, len(self._rows), size):
            yield self._part(slice(start, start + size))

    def _part(self, place: slice) -> "pd.DataFrame":
        import pandas as pd

        rows, pack = self._rows[place], self._pack
        whole = {name: _numbers(rows, name, np.int64) for name in WHOLE}
        height, width, scale = whole["height"], whole["width"], whole["scale"]
        complete = ["yes" if _is_complete(row) else "no" for row in rows]
        usual = f"x{pack['scale']} {pack['kernel']} {pack['border']}"
        columns: dict[str, Any] = {
            **{name: _texts(rows, name) for name in TEXTS},
            **whole,
            **{name: _numbers(rows, name, np.float64) for name in REAL},
            "pairs_of_this_name": self._of_name[place],
            "pairs_of_these_pixels": self._of_pixels[place],
            "splits_with_same_pixels": self._same_pixels[place],
            "splits_of_clip": self._of_clip[place],
            "is_frame_complete": np.array(complete, object),
            "made_with": np.array([*map(_made_with, rows)], object),
            "pack_made_with": np.array([usual] * len(rows), object),
            "pack_degradation": np.array([*_pack_degradations(rows, pack)], object),
            "scaled_lr_height": _numbers(rows, "lr_height", np.int64) * scale,
            "scaled_lr_width": _numbers(rows, "lr_width", np.int64) * scale,
            "rest_after_scale": height % np.maximum(scale, 1) + width % np.maximum(scale, 1),
            "shortest_side": np.minimum(height, width),
            "expected_hr_offset": self._offsets[0, place],
            "expected_lr_offset": self._offsets[1, place],
        }
        return pd.DataFrame(columns, copy=False)


def _numbers(rows: Sequence[Row], name: str, kind: type[np.generic]) -> NDArray[Any]:
    return np.fromiter((getattr(row, name) for row in rows), kind, len(rows))


def _texts(rows: Sequence[Row], name: str) -> NDArray[np.object_]:
    """Return references to the texts of the rows, not copies."""
    return np.array([getattr(row, name) for row in rows], object)


def _keys(texts: Iterable[str]) -> NDArray[np.int64]:
    """Return 64-bit hashes, which stand for the texts: of a million, two agree once in 10**7."""
    return np.fromiter(map(hash, texts), np.int64)


def _counts(keys: NDArray[np.int64]) -> NDArray[Any]:
    """Return for each key how often it occurs."""
    _, group, counts = np.unique(keys, return_inverse=True, return_counts=True)
    return np.asarray(counts[group])


def _splits_by(rows: Sequence[Row], keys: NDArray[np.int64]) -> NDArray[Any]:
    """Return for each row in how many splits its key occurs."""
    # An unknown split counts as one more; another expectation names it.
    known = {str(split): 1 << place for place, split in enumerate(SPLITS)}
    flags = np.fromiter((known.get(row.split, 8) for row in rows), np.uint8, len(rows))
    _, group = np.unique(keys, return_inverse=True)
    together = np.zeros(len(rows), np.uint8)
    np.bitwise_or.at(together, group, flags)
    return np.bitwise_count(together[group]).astype(np.int64)


def _is_complete(row: Row) -> bool:
    return row.kind != "frame" or (bool(row.clip) and row.index is not None)


def _made_with(row: Row) -> str:
    return f"x{row.scale} {row.kernel} {row.border}"


def _pack_degradations(rows: Sequence[Row], pack: Mapping[str, Any]) -> Iterable[str]:
    """What pack.json says a row's degradation is: that of all, or one of the others it lists."""
    others = set(pack.get("other_degradations", ()))
    usual = str(pack.get("degradation", ""))
    return (row.degradation if row.degradation in others else usual for row in rows)


def _expected_offsets(rows: Sequence[Row]) -> NDArray[Any]:
    """Return (2, N): where HR and LR lie when pictures follow each other in their shard."""
    ends: defaultdict[tuple[str, int], tuple[int, int]] = defaultdict(lambda: (0, 0))
    found = np.empty((2, len(rows)), np.int64)
    for place, row in enumerate(rows):
        hr, lr = ends[row.split, row.shard]
        found[:, place] = hr, lr
        lr += 3 * row.lr_height * row.lr_width
        ends[row.split, row.shard] = (hr + 3 * row.height * row.width, lr)
    return found


def frames_of_clips(rows: Sequence[Row]) -> list[Row]:
    """Return the rows that say which frame of which clip they are."""
    return [row for row in rows if row.kind == "frame" and row.clip and row.index is not None]


def clips_table(frames: Sequence[Row]) -> "pd.DataFrame":
    """Return one line per frame and what expectations_clips.json compares it with.

    `step`: how many frames of the video lie between it and the one before in the manifest.
    """
    import pandas as pd

    clips: defaultdict[str, list[Row]] = defaultdict(list)
    for row in frames:
        clips[row.clip].append(row)
    columns: dict[str, list[Any]] = {
        name: []
        for name in (
            *("id", "clip_and_index", "step", "usual_step"),
            *("frame_size", "clip_size", "sources_of_clip"),
        )
    }
    known: dict[str, str] = {}
    for clip, members in clips.items():
        indices = [row.index or 0 for row in members]
        steps = [later - earlier for earlier, later in pairwise(indices)]
        usual = max(Counter(steps).most_common(1)[0][0] if steps else 1, 1)
        sizes = [known.setdefault(size, size) for size in map(_size, members)]
        columns["id"] += [row.id for row in members]
        columns["clip_and_index"] += [f"{clip} {row.index}" for row in members]
        columns["step"] += [usual, *steps]
        columns["usual_step"] += [usual] * len(members)
        columns["frame_size"] += sizes
        columns["clip_size"] += [Counter(sizes).most_common(1)[0][0]] * len(members)
        columns["sources_of_clip"] += [len({row.source for row in members})] * len(members)
    return pd.DataFrame(columns)


def _size(row: Row) -> str:
    return f"{row.width}x{row.height}"
