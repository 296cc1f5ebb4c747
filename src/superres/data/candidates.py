"""The files that may become pairs: of fetched data sets and videos, or of one plain folder."""

import hashlib
from collections.abc import Container, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from superres.data.clips import Bad, read_frames
from superres.data.prepare import Candidate
from superres.data.reading import refusal
from superres.data.sources import RawFile, RawSource, clips_of, read_sources
from superres.data.splits import SPLITS, assign
from superres.errors import DataError

UNSTATED: Final = "not stated"


def fetched_candidates(raw: Path, frames: Path) -> tuple[list[Candidate], list[Bad]]:
    """List every fetched picture and extracted frame in manifest order, and videos left out.

    Raises DataError when fetch or frames has to run first.
    """
    sources = read_sources(raw)
    found: list[Candidate] = []
    bad: list[Bad] = []
    for source in sources:
        if source.kind == "images":
            pictures = {file.file: file for file in source.files if file.lr_of is None}
            lrs = {file.lr_of: file for file in source.files if file.lr_of is not None}
            for name in sorted(lrs.keys() ^ pictures.keys()) if source.is_paired else ():
                bad.append(_alone(source, name, lrs))
                pictures.pop(name, None)
            found += [_fetched(raw, source, one, lrs.get(one.file)) for one in pictures.values()]
    if any(source.kind == "video" for source in sources):
        extracted, left_out = _extracted(sources, frames)
        found += extracted
        bad += left_out
    return _in_order(found), bad


def _fetched(raw: Path, source: RawSource, file: RawFile, lr: RawFile | None) -> Candidate:
    return Candidate(
        source=source.name,
        split=file.split,
        kind="image" if file.index is None else "frame",
        path=f"{source.name}/{file.file}",
        root=raw,
        licence=source.licence,
        sha256=file.sha256,
        clip=file.clip or "",
        index=file.index,
        lr=f"{source.name}/{lr.file}" if lr else "",
        lr_sha256=lr.sha256 if lr else None,
    )


def _alone(source: RawSource, name: str, lrs: Mapping[str, RawFile]) -> Bad:
    """Say which side of a real pair is missing."""
    if name in lrs:
        return Bad(f"{source.name}/{lrs[name].file}", "an LR picture without its HR")
    return Bad(f"{source.name}/{name}", "its LR is missing: no picture of that name was given")


def folder_candidates(folder: Path) -> tuple[list[Candidate], list[Bad]]:
    """List every file below `folder`, whatever its suffix, and what cannot be one.

    Links are not followed and nothing but regular files is opened; names that begin with a dot
    are passed over. The content decides the split, as for a fetched folder. Raises DataError when
    there is no such folder.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder of pictures.")
    bad, digests = [], {}
    for file in _walk(folder):
        name = file.relative_to(folder).as_posix()
        reason = refusal(file)
        if reason is None:
            try:
                with file.open("rb") as content:
                    digests[name] = hashlib.file_digest(content, "sha256").hexdigest()
            except OSError as error:
                reason = f"cannot be read ({error.strerror})"
        if reason is not None:
            bad.append(Bad(name, reason))
    splits = assign(digests)
    found = [
        Candidate(
            source=folder.resolve().name or "folder",
            split=splits[name],
            kind="image",
            path=name,
            root=folder,
            licence=UNSTATED,
            sha256=digest,
        )
        for name, digest in digests.items()
    ]
    return _in_order(found), bad


def _walk(folder: Path) -> Iterator[Path]:
    """Yield everything below `folder` but real folders; linked folders are not entered."""
    for path in sorted(folder.iterdir()):
        if path.name.startswith("."):
            continue
        if path.is_dir() and not path.is_symlink():
            yield from _walk(path)
        else:
            yield path


def _in_order(found: list[Candidate]) -> list[Candidate]:
    order = {str(split): place for place, split in enumerate(SPLITS)}
    found.sort(key=lambda one: (order[one.split], one.source, one.clip, one.index or 0, one.path))
    return found


def _extracted(sources: Sequence[RawSource], frames: Path) -> tuple[list[Candidate], list[Bad]]:
    clips = clips_of(sources)
    rows, bad = read_frames(frames)
    expected = {clip: f"{source.name}/{file.file}" for clip, (source, file) in clips.items()}
    # A clip cut into groups has its groups' names below its own.
    video = {row.clip: _video(row.clip, clips) for row in rows}
    present = set(video.values())
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
            source=clips[video[row.clip]][0].name,
            split=clips[video[row.clip]][1].split,
            kind="frame",
            path=row.file,
            root=frames,
            licence=clips[video[row.clip]][0].licence,
            clip=row.clip,
            index=row.index,
            scene=row.scene,
        )
        for row in rows
    ]
    return found, bad


def _video(clip: str, clips: Container[str]) -> str:
    return clip if clip in clips else clip.rpartition("/")[0] or clip
