"""Which files a data set has, and which of them train, validate and test."""

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from superres.data.dataset import IMAGE_SUFFIXES, VIDEO_SUFFIXES, Dataset
from superres.data.real_pairs import partners
from superres.data.sources import RawFile, RawSource
from superres.data.splits import SPLITS, Split, assign
from superres.errors import DataError


@dataclass(frozen=True)
class Wanted:
    """What data/raw/<name> must hold, and where each file can be copied from."""

    listing: RawSource
    paths: Mapping[str, Path]
    missing: str = ""  # why there may be no path
    may_move: bool = False  # the paths are fetch's own and checked: they can be moved
    is_in_place: bool = False  # all of it is in data/raw already, and checked


def listing(
    dataset: Dataset,
    files: tuple[RawFile, ...],
    origin: str,
    archives: Mapping[str, str] | None = None,
) -> RawSource:
    """Return what source.json says of a data set."""
    told = (dataset.name, dataset.kind, dataset.licence, dataset.homepage, origin)
    return RawSource(*told, files, archives or {}, is_paired=dataset.sides is not None)


def scan(dataset: Dataset, path: Path) -> dict[str, Path]:
    """Return name below data/raw/<name> -> path for every accepted file, sorted by name."""
    accepted = ", ".join(dataset.suffixes)
    if path.is_file():
        found = {path.name: path}
    elif path.is_dir():
        found = {
            file.relative_to(path).as_posix(): file
            for file in sorted(path.rglob("*"))
            if file.is_file() and not _is_hidden(file.relative_to(path))
        }
    else:
        raise DataError(
            f"data source '{dataset.name}': {path} does not exist. "
            f"Accepted: a folder with files ending in {accepted}, or one such file."
        )
    taken = {name: file for name, file in found.items() if _has_suffix(name, dataset.suffixes)}
    if not taken:
        raise DataError(
            f"data source '{dataset.name}': {path} holds no file that is accepted as "
            f"{dataset.kind}, {len(found)} other files were found. Accepted: {accepted}."
            + _kind_hint(dataset, found)
        )
    return taken


def _kind_hint(dataset: Dataset, found: Mapping[str, Path]) -> str:
    other, suffixes = (
        ("images", IMAGE_SUFFIXES) if dataset.kind == "video" else ("video", VIDEO_SUFFIXES)
    )
    is_other = any(_has_suffix(name, suffixes) for name in found)
    return f" For these files say `kind: {other}` in params.yaml." if is_other else ""


def _has_suffix(name: str, suffixes: tuple[str, ...]) -> bool:
    return name.lower().endswith(suffixes)


def _is_hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def with_splits(
    dataset: Dataset,
    digests: Mapping[str, str],
    *,
    theirs: Mapping[str, Split] | None = None,
    is_single: bool = False,
) -> tuple[RawFile, ...]:
    """Give each file its split: the forced one, the authors', its folder's, or by content.

    The LR of a real pair goes with its HR.
    """
    if dataset.sides is not None:
        return _both_sides(dataset, digests, theirs)
    found = theirs or _by_folder(dataset, digests) or _by_content(dataset, digests)
    numbers = _frame_numbers(digests) if dataset.sequences else {}
    return tuple(
        RawFile(
            file=file,
            sha256=digest,
            split=dataset.split or found[file],
            clip=clip_of(dataset, file, is_single=is_single),
            index=numbers.get(file),
            official=theirs[file] if theirs else None,
        )
        for file, digest in sorted(digests.items())
    )


def _both_sides(
    dataset: Dataset, digests: Mapping[str, str], theirs: Mapping[str, Split] | None
) -> tuple[RawFile, ...]:
    hrs, hr_of = partners(dataset, digests)
    alone = dataset.model_copy(update={"sides": None})
    pictures = with_splits(alone, {name: digests[name] for name in hrs}, theirs=theirs)
    known = {file.file: file for file in pictures}
    lost = RawFile("", "", dataset.split or "train")
    lrs = (
        replace(known.get(hr, lost), file=lr, sha256=digests[lr], lr_of=hr)
        for lr, hr in sorted(hr_of.items())
    )
    return (*pictures, *lrs)


def _frame_numbers(files: Iterable[str]) -> dict[str, int]:
    """Number the frames of every folder in their order."""
    counts: Counter[str] = Counter()
    numbers = {}
    for file in sorted(files, key=_as_counted):
        folder = file.rpartition("/")[0]
        numbers[file] = counts[folder]
        counts[folder] += 1
    return numbers


def _as_counted(file: str) -> list[tuple[str, int]]:
    """Return a key under which im2 comes before im10."""
    return [(text, int(number or 0)) for text, number in re.findall(r"(\D*)(\d*)", file)]


def _by_content(dataset: Dataset, digests: Mapping[str, str]) -> dict[str, Split]:
    """Split by hash; the frames of a clip, and its twins in other folders, stay together."""
    if not dataset.sequences:
        return assign(digests)
    clips = {file: file.split("/")[-2] if "/" in file else "" for file in digests}
    names = {clip: hashlib.sha256(clip.encode("utf-8")).hexdigest() for clip in clips.values()}
    splits = assign(names)
    return {file: splits[clip] for file, clip in clips.items()}


def _by_folder(dataset: Dataset, digests: Mapping[str, str]) -> dict[str, Split]:
    """Return the splits named by top folders train/val/test; nothing where there are none."""
    splits: dict[str, Split] = {
        file: split for file in digests for split in SPLITS if file.startswith(f"{split}/")
    }
    outside = sorted(digests.keys() - splits.keys())
    if splits and outside and dataset.split is None:
        raise DataError(
            f"data source '{dataset.name}' has train/val/test folders, but also files outside "
            f"them: {', '.join(outside[:5])}. Move these into one of the folders."
        )
    return splits


def clip_of(dataset: Dataset, file: str, *, is_single: bool) -> str | None:
    """Return the clip of a video (the data set's name, below it the file's) or of a frame."""
    if dataset.sequences:
        return "/".join([dataset.name, *file.split("/")[:-1]])
    if dataset.kind != "video":
        return None
    return dataset.name if is_single else f"{dataset.name}/{file}"
