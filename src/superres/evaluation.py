"""An Upscaler over test sets: one row of figures per picture, under one stated protocol."""

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import takewhile
from pathlib import Path

import numpy as np

from superres.data.degrade import degrade, mod_crop
from superres.data.manifest import load_pair, read_manifest
from superres.errors import DataError, InputError
from superres.images import FORMATS, Picture, read
from superres.inference.upscaler import Upscaler
from superres.metrics import score

METRICS = ("psnr_y", "ssim_y", "psnr_rgb", "ssim_rgb", "mse", "colour_shift")


@dataclass(frozen=True)
class Pair:
    """A test picture: what the model sees and what it should have made."""

    set: str
    image: str
    lr: Picture
    hr: Picture


@dataclass(frozen=True)
class Row:
    """The figures of one model on one picture; PSNR in dB, mse on the [0, 1] scale.

    `colour_shift`: how far the mean colour of SR is from LR's, in grey levels, worst channel.
    """

    model: str
    set: str
    image: str
    psnr_y: float
    ssim_y: float
    psnr_rgb: float
    ssim_rgb: float
    mse: float
    colour_shift: float
    seconds: float


def packed_pairs(pack: Path, split: str = "test") -> Iterator[Pair]:
    """Yield the pairs of one split of a pack, in the manifest's order."""
    for row in read_manifest(pack):
        if row.split == split:
            lr, hr = load_pair(pack, row)
            grey = row.channels < 3
            pictures = (Picture(np.array(lr), grey=grey), Picture(np.array(hr), grey=grey))
            yield Pair(row.source, row.id, *pictures)


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
        picture = _read(file)
        hr = Picture(mod_crop(picture.pixels, scale), grey=picture.grey)
        if file in given:
            lr = _read(given[file])
        else:
            lr = Picture(degrade(hr.pixels, scale), grey=picture.grey)
        yield Pair(name, file.stem, lr, hr)


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


def evaluate(name: str, upscaler: Upscaler, pairs: Iterable[Pair], shave: int) -> list[Row]:
    """Upscale every LR picture and compare the uint8 result, as it would be written, with HR."""
    return [_row(name, upscaler, pair, shave) for pair in pairs]


def _row(name: str, upscaler: Upscaler, pair: Pair, shave: int) -> Row:
    scale, lr, hr = upscaler.info.scale, pair.lr, pair.hr
    if (lr.height * scale, lr.width * scale) != (hr.height, hr.width):
        raise DataError(
            f"{pair.image}: LR is {lr.width}x{lr.height} and HR {hr.width}x{hr.height}, but model "
            f"'{name}' is for scale {scale}."
        )
    begun = time.perf_counter()
    sr = upscaler.image(lr).pixels.astype(np.uint8, casting="no")
    seconds = time.perf_counter() - begun
    wanted = hr.pixels.astype(np.uint8, casting="no")
    try:
        luma = score(sr, wanted, border=shave, channel="y", grey=hr.grey)
        rgb = score(sr, wanted, border=shave, channel="rgb")
    except InputError as error:
        raise DataError(f"{pair.image} cannot be measured: {error}.") from None
    shift = np.abs(sr.mean(axis=(0, 1)) - lr.pixels.mean(axis=(0, 1))).max()
    return Row(
        model=name,
        set=pair.set,
        image=pair.image,
        psnr_y=luma.psnr,
        ssim_y=luma.ssim,
        psnr_rgb=rgb.psnr,
        ssim_rgb=rgb.ssim,
        mse=rgb.mse,
        colour_shift=float(shift),
        seconds=seconds,
    )


def means(rows: Sequence[Row]) -> dict[str, dict[str, dict[str, float]]]:
    """Return model -> set -> metric -> mean over the set's pictures."""
    table: dict[str, dict[str, dict[str, float]]] = {}
    for row in rows:
        table.setdefault(row.model, {}).setdefault(row.set, {})
    for model, sets in table.items():
        for name in sets:
            own = [asdict(row) for row in rows if (row.model, row.set) == (model, name)]
            sets[name] = {key: float(np.mean([row[key] for row in own])) for key in METRICS}
    return table


def milliseconds(upscalers: dict[str, Upscaler], lr: Picture, repeats: int) -> dict[str, float]:
    """Return each model's fastest time for one picture; rounds are interleaved, so ratios hold."""
    best: dict[str, float] = {}
    for turn in range(repeats + 1):  # the first round warms up
        for name, upscaler in upscalers.items():
            begun = time.perf_counter()
            upscaler.image(lr)
            spent = 1000 * (time.perf_counter() - begun)
            if turn:
                best[name] = min(spent, best.get(name, spent))
    return best
