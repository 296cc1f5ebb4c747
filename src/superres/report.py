"""Tables, plots and side-by-side strips of an evaluation; `report_page` shows them on one page."""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from superres.atomic import write_bytes, write_text
from superres.evaluation import METRICS, Pair, Row, means
from superres.images import Picture, encode
from superres.inference.upscaler import Upscaler

Pixels = NDArray[np.uint8]
SHOWN = 128  # HR pixels a side of the shown square
GAP = 4  # white pixels between the tiles of a strip
HEAD = (
    "set",
    "model",
    "PSNR-Y dB",
    "SSIM-Y",
    "PSNR-RGB dB",
    "MSE",
    "parameters",
    "time / {reference}",
    "training s",
)


@dataclass(frozen=True)
class Entry:
    """One model of the comparison."""

    name: str
    upscaler: Upscaler
    parameters: int
    ms: float
    source: str = ""
    expected: str = ""  # what the source measured: theirs, not ours
    training_seconds: float | None = None


@dataclass(frozen=True)
class Strip:
    """A picture of tiles side by side, `width` pixels in all."""

    file: Path
    title: str
    width: int


def write_rows(rows: Sequence[Row], path: Path) -> None:
    """Write one CSV line per model and picture; times are left out, so equal models are equal."""
    names = [field.name for field in fields(Row) if field.name != "seconds"]
    text = io.StringIO()
    writer = csv.DictWriter(text, names, lineterminator="\n", extrasaction="ignore")
    writer.writeheader()
    for row in rows:
        values = asdict(row)
        writer.writerow(
            {key: f"{values[key]:.6f}" if key in METRICS else values[key] for key in names}
        )
    write_text(path, text.getvalue())


def write_metrics(rows: Sequence[Row], path: Path) -> None:
    """Write model -> set -> metric -> mean as JSON: the metrics file of DVC."""
    rounded = {
        model: {
            name: {key: round(value, 6) for key, value in metrics.items()}
            for name, metrics in sets.items()
        }
        for model, sets in means(rows).items()
    }
    write_text(path, json.dumps(rounded, indent=2, sort_keys=True) + "\n")


def table_cells(rows: Sequence[Row], entries: Sequence[Entry], reference: str) -> list[list[str]]:
    """Return head and one line per set and model; time ratios refer to the model `reference`."""
    table = means(rows)
    base = next(entry.ms for entry in entries if entry.name == reference)
    lines = [[title.format(reference=reference) for title in HEAD]]
    for name in dict.fromkeys(row.set for row in rows):
        for entry in entries:
            score = table[entry.name][name]
            seconds = entry.training_seconds
            lines.append(
                [
                    name,
                    entry.name,
                    f"{score['psnr_y']:.2f}",
                    f"{score['ssim_y']:.4f}",
                    f"{score['psnr_rgb']:.2f}",
                    f"{score['mse']:.5f}",
                    f"{entry.parameters:,}",
                    f"{entry.ms / base:.1f}",
                    "" if seconds is None else f"{seconds:.0f}",
                ]
            )
    return lines


def markdown_table(cells: Sequence[Sequence[str]]) -> str:
    """Return the table as Markdown."""
    lines = [f"| {' | '.join(line)} |" for line in cells]
    rule = "|---|---|" + "--:|" * (len(cells[0]) - 2)
    return "\n".join([lines[0], rule, *lines[1:]]) + "\n"


def tile_names(entries: Sequence[Entry]) -> list[str]:
    """Say what a strip shows, from left to right."""
    return ["LR", *(entry.name for entry in entries), "HR"]


def strip(pair: Pair, entries: Sequence[Entry]) -> Pixels:
    """Return the square with the most detail as LR, as each model makes it, and as HR."""
    scale = entries[0].upscaler.info.scale
    side = min(SHOWN // scale, pair.lr.height, pair.lr.width)
    top, left = _busiest(pair.lr.pixels, side)
    lr = pair.lr.pixels[top : top + side, left : left + side]
    shown = [np.repeat(np.repeat(lr, scale, axis=0), scale, axis=1)]
    whole = [*(entry.upscaler.image(pair.lr).pixels for entry in entries), pair.hr.pixels]
    rows = slice(top * scale, (top + side) * scale)
    shown += [pixels[rows, left * scale : (left + side) * scale] for pixels in whole]
    gap = np.full((side * scale, GAP, 3), 255, dtype=np.uint8)
    joined = [piece for picture in shown for piece in (picture.astype(np.uint8), gap)]
    return np.ascontiguousarray(np.concatenate(joined[:-1], axis=1))


def _busiest(lr: NDArray[Any], side: int) -> tuple[int, int]:
    """Return the corner of the square with the largest variance on a coarse grid."""
    grey = lr.astype(np.float64).mean(axis=2)
    step = max(1, side // 2)
    corners = [
        (top, left)
        for top in range(0, grey.shape[0] - side + 1, step)
        for left in range(0, grey.shape[1] - side + 1, step)
    ]
    return max(corners, key=lambda at: float(grey[at[0] :, at[1] :][:side, :side].var()))


def write_strips(
    pairs: Sequence[Pair], entries: Sequence[Entry], folder: Path, per_set: int = 2
) -> list[Strip]:
    """Write strips of `per_set` pictures of each set, apart in its order: frames are alike."""
    sets: dict[str, list[Pair]] = {}
    for pair in pairs:
        sets.setdefault(pair.set, []).append(pair)
    chosen = [own[:: -(-len(own) // per_set)] for own in sets.values()]
    return [_write_strip(pair, entries, folder) for own in chosen for pair in own]


def _write_strip(pair: Pair, entries: Sequence[Entry], folder: Path) -> Strip:
    name = pair.image.removeprefix(f"{pair.set}/")
    path = folder / f"{pair.set}-{name.replace('/', '-')}.png"
    pixels = strip(pair, entries)
    write_bytes(path, encode(Picture(pixels)))
    return Strip(path, f"{pair.set}: {name}", pixels.shape[1])


MARKERS = "os^DvPX*"


def plot_quality(rows: Sequence[Row], entries: Sequence[Entry], path: Path) -> None:
    """Draw PSNR against time as SVG: one colour per model, one marker per set."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import LogLocator

    figure = Figure(figsize=(8, 4.2), layout="constrained")
    axes = figure.subplots()
    table = means(rows)
    markers = dict(zip(dict.fromkeys(row.set for row in rows), cycle(MARKERS), strict=False))
    trained = [entry.name for entry in entries if entry.parameters]
    for entry in entries:
        # The colours of plot_curves; baselines, which it does not show, are grey.
        colour = f"C{trained.index(entry.name)}" if entry.parameters else "0.5"
        for name, marker in markers.items():
            axes.plot(entry.ms, table[entry.name][name]["psnr_y"], marker, color=colour)
        axes.plot([], [], color=colour, linewidth=5, label=entry.name)
    for name, marker in markers.items():
        axes.plot([], [], marker, color="black", markerfacecolor="none", label=name)
    axes.set(xscale="log", xlabel="milliseconds per picture", ylabel="PSNR-Y, dB")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter("")
    axes.grid(visible=True, which="both", alpha=0.3)
    figure.legend(loc="outside right upper")
    _save(figure, path)


def plot_curves(curves: Mapping[str, Sequence[tuple[int, float]]], label: str, path: Path) -> None:
    """Draw one line per run over its steps, as SVG."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4.2), layout="constrained")
    axes = figure.subplots()
    for name, points in curves.items():
        if points:
            axes.plot(*zip(*points, strict=True), label=name)
    axes.set(xlabel="step", ylabel=label)
    axes.grid(visible=True, alpha=0.3)
    if any(curves.values()):
        figure.legend(loc="outside right upper")
    _save(figure, path)


def _save(figure: Any, path: Path) -> None:
    drawn = io.BytesIO()
    # No date and fixed ids: equal figures give equal bytes.
    from matplotlib import rc_context

    with rc_context({"svg.hashsalt": "superres", "svg.fonttype": "none"}):
        figure.savefig(drawn, format="svg", metadata={"Date": None})
    write_bytes(path, drawn.getvalue())
