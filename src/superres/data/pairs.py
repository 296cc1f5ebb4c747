"""Pack everything fetched and extracted into aligned LR/HR pairs with a manifest."""

import logging
import os
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Final

from superres.atomic import replaced_folder
from superres.data.clips import Bad, read_frames, write_quarantine
from superres.data.manifest import Row, write_manifest
from superres.data.packing import Pack, write_facts
from superres.data.prepare import Candidate, PairOptions, Prepared, prepare
from superres.data.sources import RawSource, clips_of, read_sources
from superres.data.splits import SPLITS
from superres.errors import DataError

logger = logging.getLogger(__name__)

AHEAD: Final = 2  # pictures per worker held in memory; more would not be faster
SHOWN: Final = 10  # bad files named in a message


@dataclass(frozen=True)
class PairsReport:
    """What one build made."""

    pairs: dict[str, int]  # by split
    quarantined: tuple[Bad, ...]
    sha256: str
    bytes: int  # of the packs


def build(raw: Path, frames: Path, target: Path, options: PairOptions) -> PairsReport:
    """Replace `target` by the pairs of everything in `raw` and `frames`.

    A file that cannot be read or is smaller than `min_side` is left out and listed in
    quarantine.csv with the reason. Equal inputs give equal bytes, whatever the number of
    workers; no more than a few pictures are in memory at once.

    Raises DataError when more than `max_bad_share` of the files are bad (naming them), when
    none is left, or when fetch or frames has to run first; `target` then stays as it was.
    """
    candidates, bad = _candidates(raw, frames)
    rows: list[Row] = []
    with replaced_folder(target) as folder:
        with ExitStack() as stack:
            packs = {str(split): stack.enter_context(Pack(folder, split)) for split in SPLITS}
            for candidate, outcome in _prepared(candidates, options):
                if isinstance(outcome, Bad):
                    bad.append(outcome)
                else:
                    rows.append(_row(candidate, outcome, packs[candidate.split], options))
                    packs[candidate.split].append(outcome)
        _check_share(bad, len(rows), options.max_bad_share)
        write_manifest(folder, _with_ids(rows))
        write_quarantine(folder, bad)
        total = write_facts(folder, packs, options)
    counts = {split: pack.images for split, pack in packs.items()}
    size = sum(pack.size("hr") + pack.size("lr") for pack in packs.values())
    return PairsReport(counts, tuple(bad), total, size)


def _candidates(raw: Path, frames: Path) -> tuple[list[Candidate], list[Bad]]:
    """List every picture and frame in manifest order, and the videos that were left out."""
    sources = read_sources(raw)
    found = [
        Candidate(
            source=source.name,
            split=file.split,
            kind="image",
            path=f"{source.name}/{file.file}",
            file=raw / source.name / file.file,
            licence=source.licence,
            sha256=file.sha256,
            clip=file.clip or "",
        )
        for source in sources
        if source.kind == "images"
        for file in source.files
    ]
    bad: list[Bad] = []
    if any(source.kind == "video" for source in sources):
        extracted, bad = _extracted(sources, frames)
        found += extracted
    order = {str(split): place for place, split in enumerate(SPLITS)}
    found.sort(key=lambda one: (order[one.split], one.source, one.clip, one.index or 0, one.path))
    return found, bad


def _extracted(sources: Sequence[RawSource], frames: Path) -> tuple[list[Candidate], list[Bad]]:
    clips = clips_of(sources)
    rows, bad = read_frames(frames)
    expected = {clip: f"{source.name}/{file.file}" for clip, (source, file) in clips.items()}
    present = {row.clip for row in rows}
    left_out = {one.path for one in bad}
    stale = present - expected.keys()
    absent = {clip for clip in expected.keys() - present if expected[clip] not in left_out}
    if stale or absent:
        raise DataError(
            f"{frames} does not match the fetched videos "
            f"({', '.join(sorted(stale | absent))}). Run `superres frames` first."
        )
    found = [
        Candidate(
            source=clips[row.clip][0].name,
            split=clips[row.clip][1].split,
            kind="frame",
            path=row.file,
            file=frames / row.file,
            licence=clips[row.clip][0].licence,
            clip=row.clip,
            index=row.index,
        )
        for row in rows
    ]
    return found, bad


def _prepared(
    candidates: Sequence[Candidate], options: PairOptions
) -> Iterator[tuple[Candidate, Prepared | Bad]]:
    """Yield every candidate's outcome in order, with a bounded number of pictures in flight."""
    workers = options.workers or min(8, os.cpu_count() or 1)
    waiting: deque[tuple[Candidate, Future[Prepared | Bad]]] = deque()
    with ThreadPoolExecutor(workers) as pool:
        try:
            for candidate in candidates:
                waiting.append((candidate, pool.submit(prepare, candidate, options)))
                if len(waiting) >= AHEAD * workers:
                    oldest, outcome = waiting.popleft()
                    yield oldest, outcome.result()
            while waiting:
                oldest, outcome = waiting.popleft()
                yield oldest, outcome.result()
        finally:
            pool.shutdown(cancel_futures=True)


def _row(candidate: Candidate, prepared: Prepared, pack: Pack, options: PairOptions) -> Row:
    return Row(
        id=candidate.path,
        source=candidate.source,
        split=candidate.split,
        kind=candidate.kind,
        clip=candidate.clip,
        index=candidate.index,
        path=candidate.path,
        sha256=prepared.sha256,
        height=prepared.hr.shape[0],
        width=prepared.hr.shape[1],
        lr_height=prepared.lr.shape[0],
        lr_width=prepared.lr.shape[1],
        hr_offset=pack.size("hr"),
        lr_offset=pack.size("lr"),
        channels=prepared.channels,
        bit_depth=prepared.bit_depth,
        scale=options.scale,
        kernel=options.kernel,
        border=options.border,
        mean=prepared.mean,
        contrast=prepared.contrast,
        licence=candidate.licence,
    )


def _with_ids(rows: Sequence[Row]) -> list[Row]:
    """Shorten ids to the path without suffix where no other file has the same."""
    stems = [PurePosixPath(row.path).with_suffix("").as_posix() for row in rows]
    seen = Counter(stems)
    return [
        replace(row, id=stem) if seen[stem] == 1 else row
        for row, stem in zip(rows, stems, strict=True)
    ]


def _check_share(bad: Sequence[Bad], good: int, accepted: float) -> None:
    named = "; ".join(f"{one.path}: {one.reason}" for one in bad[:SHOWN])
    more = f"; and {len(bad) - SHOWN} more" if len(bad) > SHOWN else ""
    if not good:
        raise DataError(f"no usable picture among {len(bad)} files. {named}{more}.")
    if len(bad) > accepted * (len(bad) + good):
        raise DataError(
            f"{len(bad)} of {len(bad) + good} files are bad, more than data.max_bad_share "
            f"{accepted} of params.yaml accepts. {named}{more}. Mend or remove them at their "
            "origin, or accept a larger share."
        )
