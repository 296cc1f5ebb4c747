"""Models over the frames of a clip: figures, a plot, a slice through time, films side by side."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from superres import video
from superres.atomic import write_bytes
from superres.evaluation import Meters, Pair, Row
from superres.evaluation.rows import measured
from superres.images import Picture, encode
from superres.inference.upscaler import Upscaler
from superres.report.plots import save_figure
from superres.report.tables import markdown_table

Pixels = NDArray[np.uint8]

SHOWN = 256  # HR pixels a side of what the films show
TALL = 4  # rows of the slice for each frame
BAR = 18  # pixels above a picture for its name
FPS = 25
TITLES = {
    "psnr_y": "PSNR-Y, dB",
    "ssim_y": "SSIM-Y",
    "flicker": "flicker x 1e4",
    "tof": "tOF",
    "tlp": "tLP",
    "warping_error": "warping error x 1e4",
}
TIMES = {"flicker": 1e4, "warping_error": 1e4}


@dataclass
class Seen:
    """What a model made of a clip, or HR itself, which has no rows."""

    name: str
    rows: list[Row] = field(default_factory=list)
    lines: list[Pixels] = field(default_factory=list)  # the middle row of every frame
    middles: list[Pixels] = field(default_factory=list)  # the middle square of every frame

    def add(self, pixels: Pixels, row: Row | None = None) -> None:
        """Take a frame in."""
        height, width = pixels.shape[:2]
        tall, wide = min(SHOWN, height), min(SHOWN, width)
        top, left = (height - tall) // 2, (width - wide) // 2
        self.lines.append(pixels[height // 2].copy())
        self.middles.append(pixels[top : top + tall, left : left + wide].copy())
        if row is not None:
            self.rows.append(row)

    def mean(self, key: str) -> float | None:
        """Return the mean of a figure over the frames that have it."""
        values = [value for row in self.rows if (value := getattr(row, key)) is not None]
        return float(np.mean(values)) if values else None


def watch(
    upscalers: Mapping[str, Upscaler], pairs: Sequence[Pair], shave: int, meters: Meters
) -> list[Seen]:
    """Let every model upscale one clip, in order; HR comes last."""
    found = []
    for name, upscaler in upscalers.items():
        seen = Seen(name)
        for _, sr, row in measured(name, upscaler, pairs, shave, "uint8", meters):
            seen.add(sr, row)
        found.append(seen)
    truth = Seen("HR")
    for pair in pairs:
        truth.add(pair.hr.pixels.astype(np.uint8, casting="no"))
    return [*found, truth]


def table(clips: Mapping[str, Sequence[Seen]]) -> str:
    """Return the figures of every clip and model as Markdown."""
    keys = list(TITLES)
    lines = [["clip", "model", *TITLES.values()]]
    for clip, seen in clips.items():
        for one in seen:
            if one.rows:
                lines.append([clip, one.name, *(_cell(key, one.mean(key)) for key in keys)])
    return markdown_table(lines)


def frames_csv(clips: Mapping[str, Sequence[Seen]]) -> str:
    """Return every figure of every frame, a line each; a first frame has no step before it."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(["clip", "model", "frame", *TITLES])
    for clip, seen in clips.items():
        for one in seen:
            for row in one.rows:
                figures = [getattr(row, key) for key in TITLES]
                writer.writerow([clip, one.name, row.image, *figures])
    return stream.getvalue()


def plot(seen: Sequence[Seen], title: str, path: Path) -> None:
    """Draw PSNR and flicker over the frames, a line per model, as SVG."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 5), layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True)
    for one in seen:
        if not one.rows:
            continue
        steps = [np.nan if row.flicker is None else 1e4 * row.flicker for row in one.rows]
        upper.plot([row.psnr_y for row in one.rows], label=one.name)
        lower.plot(steps)
    upper.set(ylabel=TITLES["psnr_y"], title=title)
    lower.set(ylabel=TITLES["flicker"], xlabel="frame")
    for axes in (upper, lower):
        axes.grid(visible=True, alpha=0.3)
    figure.legend(loc="outside right upper")
    save_figure(figure, path)


def profile(seen: Sequence[Seen]) -> bytes:
    """Return a PNG of slices through time: across is the middle row, down are the frames.

    What stands still draws straight lines, what moves slanted ones; flicker is combed.
    """
    slices = [_named(np.repeat(np.stack(one.lines), TALL, axis=0), one.name) for one in seen]
    return encode(Picture(np.ascontiguousarray(np.concatenate(slices))))


def film(seen: Sequence[Seen], path: Path) -> None:
    """Write the middle squares of all models side by side as a video."""
    video.write(path, _frames(seen))


def _frames(seen: Sequence[Seen]) -> Iterable[video.Frame]:
    for index, squares in enumerate(zip(*(one.middles for one in seen), strict=True)):
        named = [_named(square, one.name) for square, one in zip(squares, seen, strict=True)]
        pixels = np.concatenate(named, axis=1)
        yield video.Frame(pixels, index, index / FPS, index, Fraction(1, FPS))


def _named(pixels: Pixels, name: str) -> Pixels:
    bar = np.zeros((BAR, pixels.shape[1], 3), np.uint8)
    cv2.putText(bar, name, (4, 13), cv2.FONT_HERSHEY_SIMPLEX, 0.42, (255, 255, 255), 1, cv2.LINE_AA)
    return np.concatenate([bar, pixels])


def _cell(key: str, value: float | None) -> str:
    return "" if value is None else f"{value * TIMES.get(key, 1):.4g}"


def write_report(clips: Mapping[str, Sequence[Seen]], folder: Path, protocol: str = "") -> str:
    """Write tables, plots, slices and films below `folder`; return the table."""
    folder.mkdir(parents=True, exist_ok=True)
    told = table(clips)
    explained = f"{protocol}\n\n{told}" if protocol else told
    write_bytes(folder / "over-time.md", explained.encode("utf-8"))
    write_bytes(folder / "frames.csv", frames_csv(clips).encode("utf-8"))
    for clip, seen in clips.items():
        name = clip.replace("/", "-")
        plot(seen, clip, folder / f"{name}.svg")
        write_bytes(folder / f"{name}-slice.png", profile(seen))
        film(seen, folder / f"{name}.mp4")
    return told
