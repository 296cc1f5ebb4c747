"""Pack everything fetched and extracted into aligned LR/HR pairs with a manifest."""

from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from itertools import groupby
from pathlib import Path, PurePosixPath
from typing import Final

import numpy as np

from superres.atomic import replaced_folder
from superres.data.candidates import fetched_candidates, folder_candidates
from superres.data.clips import Bad, write_quarantine
from superres.data.manifest import Pixels, Row, write_manifest
from superres.data.packing import Pack, write_facts
from superres.data.prepare import Candidate, PairOptions, Prepared, filmed, prepare
from superres.data.splits import SPLITS
from superres.data.workers import open_workers
from superres.errors import DataError

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
    quarantine.csv with the reason. Equal inputs give equal bytes, whatever the workers; no more
    than a few pictures are in memory at once.

    Raises DataError when more than `max_bad_share` of the files are bad (naming them), when
    none is left, or when fetch or frames has to run first; `target` then stays as it was.
    """
    return _pack(*fetched_candidates(raw, frames), target, options)


def build_folder(pictures: Path, target: Path, options: PairOptions) -> PairsReport:
    """Replace `target` by the pairs of every file below `pictures`, however many are bad.

    Raises DataError when there is no such folder or no usable picture in it.
    """
    found, bad = folder_candidates(pictures)
    return _pack(found, bad, target, replace(options, max_bad_share=1.0))


def _pack(
    candidates: Sequence[Candidate], bad: list[Bad], target: Path, options: PairOptions
) -> PairsReport:
    options.check()
    rows: list[Row] = []
    with replaced_folder(target) as folder:
        with ExitStack() as stack:
            packs = {
                str(split): stack.enter_context(Pack(folder, split, options.shard_bytes))
                for split in SPLITS
            }
            pool = stack.enter_context(open_workers(options.workers))
            made = pool.map(partial(prepare, options=options), candidates)
            for candidate, outcome in _finished(zip(candidates, made, strict=True), options):
                if isinstance(outcome, Bad):
                    bad.append(outcome)
                else:
                    pack = packs[candidate.split]
                    rows.append(_row(candidate, outcome, pack.place(outcome), options))
                    pack.append(outcome)
        _check_share(bad, len(rows), options.max_bad_share)
        write_manifest(folder, _with_ids(rows))
        write_quarantine(folder, bad)
        ways = {row.degradation for row in rows}
        total = write_facts(folder, packs, options, ways)
    counts = {split: pack.images for split, pack in packs.items()}
    size = sum(pack.bytes for pack in packs.values())
    return PairsReport(counts, tuple(bad), total, size)


Outcome = tuple[Candidate, Prepared | Bad]


def _finished(outcomes: Iterable[Outcome], options: PairOptions) -> Iterator[Outcome]:
    """Yield the outcomes in order, with the LR of frames whose clip is degraded as a whole."""
    chain = options.chain()
    if chain is None or not (chain.is_random or chain.needs_clip):
        yield from outcomes
        return
    for key, frames in groupby(outcomes, key=lambda one: (one[0].clip, one[0].source, one[0].lr)):
        clip, _, given = key
        if clip and not given:
            yield from _clip(clip, frames, options)
        else:
            yield from frames


def _clip(clip: str, frames: Iterable[Outcome], options: PairOptions) -> Iterator[Outcome]:
    """Stream one clip through the degradation; frames of another size than the first are bad."""
    waiting: deque[Outcome] = deque()
    size: list[tuple[int, ...]] = []

    def hrs() -> Iterator[Pixels]:
        for candidate, outcome in frames:
            found = outcome
            if isinstance(found, Prepared):
                size.append(found.hr.shape)
                if found.hr.shape != size[0]:
                    found = Bad(candidate.path, f"not as large as the first frame of {clip}")
            waiting.append((candidate, found))
            if isinstance(found, Prepared):
                yield found.hr

    for lr in filmed(hrs(), clip, options):
        while isinstance(waiting[0][1], Bad):
            yield waiting.popleft()
        candidate, outcome = waiting.popleft()
        if isinstance(outcome, Prepared):
            yield candidate, replace(outcome, lr=np.ascontiguousarray(lr))
    yield from waiting


def _row(
    candidate: Candidate,
    prepared: Prepared,
    place: tuple[int, int, int],
    options: PairOptions,
) -> Row:
    shard, hr_offset, lr_offset = place
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
        hr_offset=hr_offset,
        lr_offset=lr_offset,
        channels=prepared.channels,
        bit_depth=prepared.bit_depth,
        scale=options.scale,
        kernel=options.kernel,
        border=options.border,
        mean=prepared.mean,
        contrast=prepared.contrast,
        licence=candidate.licence,
        shard=shard,
        source_sha256=prepared.source_sha256,
        degradation=prepared.degradation,
        profile=prepared.profile,
        clipped=prepared.clipped,
        scene=candidate.scene,
    )


def _with_ids(rows: Sequence[Row]) -> Iterator[Row]:
    """Shorten ids to the path without suffix where no other file has the same."""
    seen = Counter(map(_stem, rows))
    for row in rows:
        stem = _stem(row)
        yield replace(row, id=stem) if seen[stem] == 1 else row


def _stem(row: Row) -> str:
    return PurePosixPath(row.path).with_suffix("").as_posix()


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
