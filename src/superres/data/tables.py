"""The manifest as tables with the columns that the expectations compare."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from superres.data.manifest import Row

if TYPE_CHECKING:
    import pandas as pd


def manifest_table(rows: Sequence[Row], pack: Mapping[str, Any]) -> "pd.DataFrame":
    """Return one line per pair: its row and what expectations.json compares it with."""
    import pandas as pd

    splits_by_pixels, splits_by_clip = defaultdict(set), defaultdict(set)
    for row in rows:
        splits_by_pixels[row.sha256].add(row.split)
        splits_by_clip[row.clip].add(row.split)
    pixels = [row.height * row.width for row in rows]
    trained = sum(size for row, size in zip(rows, pixels, strict=True) if row.split == "train")
    offsets: dict[tuple[str, int], list[int]] = defaultdict(lambda: [0, 0])
    records = []
    for row, size in zip(rows, pixels, strict=True):
        ends = offsets[row.split, row.shard]
        hr_offset, lr_offset = ends
        ends[0] += 3 * size
        ends[1] += 3 * row.lr_height * row.lr_width
        is_complete = row.kind != "frame" or (row.clip and row.index is not None)
        derived = {
            "splits_with_same_pixels": len(splits_by_pixels[row.sha256]),
            "splits_of_clip": len(splits_by_clip[row.clip]) if row.clip else 1,
            "is_frame_complete": "yes" if is_complete else "no",
            "made_with": f"x{row.scale} {row.kernel} {row.border}",
            "pack_made_with": f"x{pack['scale']} {pack['kernel']} {pack['border']}",
            "pack_degradation": pack.get("degradation", ""),
            "scaled_lr_height": row.lr_height * row.scale,
            "scaled_lr_width": row.lr_width * row.scale,
            "rest_after_scale": row.height % max(row.scale, 1) + row.width % max(row.scale, 1),
            "shortest_side": min(row.height, row.width),
            "expected_hr_offset": hr_offset,
            "expected_lr_offset": lr_offset,
            "train_share_of_pixels": trained / max(sum(pixels), 1),
        }
        records.append({**asdict(row), **derived})
    return pd.DataFrame(records)


def frames_of_clips(rows: Sequence[Row]) -> list[Row]:
    """Return the rows that say which frame of which clip they are."""
    return [row for row in rows if row.kind == "frame" and row.clip and row.index is not None]


def clips_table(frames: Sequence[Row]) -> "pd.DataFrame":
    """Return one line per frame and what expectations_clips.json compares it with.

    `step`: how many frames of the video lie between it and the one before in the manifest.
    """
    import pandas as pd

    clips: dict[str, list[Row]] = defaultdict(list)
    for row in frames:
        clips[row.clip].append(row)
    records = []
    for clip, members in clips.items():
        indices = [row.index or 0 for row in members]
        steps = [later - earlier for earlier, later in pairwise(indices)]
        usual = Counter(steps).most_common(1)[0][0] if steps else 1
        sizes = Counter(f"{row.width}x{row.height}" for row in members)
        for row, step in zip(members, [max(usual, 1), *steps], strict=True):
            records.append(
                {
                    "id": row.id,
                    "clip_and_index": f"{clip} {row.index}",
                    "step": step,
                    "usual_step": max(usual, 1),
                    "frame_size": f"{row.width}x{row.height}",
                    "clip_size": sizes.most_common(1)[0][0],
                    "sources_of_clip": len({member.source for member in members}),
                }
            )
    return pd.DataFrame(records)
