"""Test pictures in pairs: what a model sees and what it should have made."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

import numpy as np

from superres.data.degrade import degrade, mod_crop
from superres.data.manifest import load_pair, read_manifest
from superres.errors import DataError, InputError
from superres.images import FORMATS, Picture, read


@dataclass(frozen=True)
class Pair:
    """A test picture: what the model sees and what it should have made.

    A frame of a video has the name of its `clip` and its number there, `frame`.
    """

    set: str
    image: str
    lr: Picture
    hr: Picture
    clip: str = ""
    frame: int | None = None

    def follows(self, before: "Pair") -> bool:
        """Tell whether this is the frame right after `before`."""
        if not self.clip or (self.set, self.clip) != (before.set, before.clip):
            return False
        if self.frame is None or before.frame is None:
            return False
        return self.frame == before.frame + 1


def packed_pairs(pack: Path, split: str = "test") -> Iterator[Pair]:
    """Yield the pairs of one split of a pack, in the manifest's order."""
    for row in read_manifest(pack):
        if row.split == split:
            lr, hr = load_pair(pack, row)
            grey = row.channels < 3
            pictures = (Picture(np.array(lr), grey=grey), Picture(np.array(hr), grey=grey))
            yield Pair(row.source, row.id, *pictures, clip=row.clip, frame=row.index)


def folder_pairs(folder: Path, scale: int, lr_folder: Path | None = None) -> Iterator[Pair]:
    """Yield the pictures of a folder, mod-cropped, with LR made here or read from `lr_folder`.

    LR files belong to the HR files whose names differ as all names do ("007" and "007x4"), else,
    when no name is shared, to those in the same alphabetical place. Raises DataError when they do
    not fit, InputError for unreadable files.
    """
    files = _pictures(folder)
    name = folder.resolve().parent.name if folder.name == "HR" else folder.name
    given = dict(_matched(files, _pictures(lr_folder))) if lr_folder else {}
    for file in files:
        lr, hr = _load(file, scale, given.get(file))
        yield Pair(name, file.stem, lr, hr)


def clip_pairs(folder: Path, scale: int, name: str) -> Iterator[Pair]:
    """Yield the frames of a clip in the order of their names, mod-cropped, with LR made here."""
    for number, file in enumerate(_pictures(folder)):
        lr, hr = _load(file, scale)
        yield Pair(name, file.stem, lr, hr, clip=folder.name, frame=number)


def _load(file: Path, scale: int, lr_file: Path | None = None) -> tuple[Picture, Picture]:
    picture = _read(file)
    hr = Picture(mod_crop(picture.pixels, scale), grey=picture.grey)
    if lr_file is not None:
        return _read(lr_file), hr
    return Picture(degrade(hr.pixels, scale), grey=picture.grey), hr


def _pictures(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder of pictures.")
    found = sorted(file for file in folder.iterdir() if file.suffix.lower() in FORMATS)
    if not found:
        raise DataError(f"{folder}: no pictures; accepted suffixes: {', '.join(FORMATS)}.")
    stems = [file.stem for file in found]
    if len(set(stems)) < len(stems):
        twice = sorted({stem for stem in stems if stems.count(stem) > 1})
        raise DataError(f"{folder}: more than one picture of the name {', '.join(twice[:5])}.")
    return found


def _matched(files: list[Path], made: list[Path]) -> Iterator[tuple[Path, Path]]:
    if len(made) != len(files):
        raise DataError(
            f"{made[0].parent}: {len(made)} LR pictures for {len(files)} HR pictures in "
            f"{files[0].parent}; expected as many."
        )
    known = dict(zip(_distinct(files), files, strict=True))
    found = dict(zip(_distinct(made), made, strict=True))
    if known.keys() == found.keys():
        return ((file, found[key]) for key, file in known.items())
    without = sorted({file.stem for file in files} - {file.stem for file in made})
    if len(without) < len(files):
        raise DataError(f"{made[0].parent}: no LR picture of the name {', '.join(without[:5])}.")
    return zip(files, made, strict=True)


def _distinct(files: list[Path]) -> list[str]:
    """Return the stems without the beginning and the end that all of them share."""
    stems = [file.stem for file in files]
    start = _shared(stems)
    end = _shared([stem[start:][::-1] for stem in stems])
    return [stem[start : len(stem) - end] for stem in stems]


def _shared(words: list[str]) -> int:
    """Return how many first letters are the same in all words."""
    columns = zip(*words, strict=False)
    return len(list(takewhile(lambda letters: len(set(letters)) == 1, columns)))


def _read(file: Path) -> Picture:
    picture = read(file)
    if picture.bit_depth != 8:
        raise InputError(f"{file}: 16 bits per channel; the protocol is of 8-bit pictures.")
    return picture
