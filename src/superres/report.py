"""Tables, plots, side-by-side strips and one page, all readable without a network."""

import csv
import html
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from superres.atomic import write_bytes, write_text
from superres.evaluation import Pair, Row, means
from superres.images import Picture, encode
from superres.inference.upscaler import Upscaler

Pixels = NDArray[np.uint8]
CROP = 32  # LR pixels of the shown square
COLUMNS = ("psnr_y", "ssim_y", "psnr_rgb", "ssim_rgb", "mse", "colour_shift")


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


def write_rows(rows: Sequence[Row], path: Path) -> None:
    """Write one CSV line per model and picture; times are left out, so equal models are equal."""
    names = [field.name for field in fields(Row) if field.name != "seconds"]
    text = io.StringIO()
    writer = csv.DictWriter(text, names, lineterminator="\n", extrasaction="ignore")
    writer.writeheader()
    for row in rows:
        values = asdict(row)
        writer.writerow(
            {key: f"{values[key]:.6f}" if key in COLUMNS else values[key] for key in names}
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


def markdown_table(rows: Sequence[Row], entries: Sequence[Entry], reference: str) -> str:
    """Return one line per model and set; `reference` is the model that time ratios refer to."""
    table = means(rows)
    by_name = {entry.name: entry for entry in entries}
    base = by_name[reference].ms
    lines = [
        "| model | set | PSNR-Y dB | SSIM-Y | PSNR-RGB dB | MSE | parameters | "
        f"time / {reference} | training s |",
        "|---|---|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for model, sets in table.items():
        entry = by_name[model]
        seconds = "" if entry.training_seconds is None else f"{entry.training_seconds:.0f}"
        lines += [
            f"| {model} | {name} | {score['psnr_y']:.2f} | {score['ssim_y']:.4f} | "
            f"{score['psnr_rgb']:.2f} | {score['mse']:.5f} | {entry.parameters:,} | "
            f"{entry.ms / base:.1f} | {seconds} |"
            for name, score in sets.items()
        ]
    return "\n".join(lines) + "\n"


def strip(pair: Pair, entries: Sequence[Entry]) -> Pixels:
    """Return nearest | each model | HR of the square with the most detail, side by side."""
    scale = entries[0].upscaler.info.scale
    side = min(CROP, pair.lr.height, pair.lr.width)
    top, left = _busiest(pair.lr.pixels, side)
    lr = pair.lr.pixels[top : top + side, left : left + side]
    shown = [np.repeat(np.repeat(lr, scale, axis=0), scale, axis=1)]
    for entry in entries:
        sr = entry.upscaler.pixels(pair.lr.pixels)
        shown.append(_part(sr, top, left, side, scale))
    shown.append(_part(pair.hr.pixels, top, left, side, scale))
    gap = np.full((side * scale, 4, 3), 255, dtype=np.uint8)
    joined = [piece for picture in shown for piece in (picture.astype(np.uint8), gap)]
    return np.ascontiguousarray(np.concatenate(joined[:-1], axis=1))


def _part(pixels: NDArray[Any], top: int, left: int, side: int, scale: int) -> NDArray[Any]:
    rows = slice(top * scale, (top + side) * scale)
    return pixels[rows, left * scale : (left + side) * scale]


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
) -> list[Path]:
    """Write the strips of the first pictures of each set; return their files."""
    written: list[Path] = []
    seen: dict[str, int] = {}
    for pair in pairs:
        seen[pair.set] = seen.get(pair.set, 0) + 1
        if seen[pair.set] > per_set:
            continue
        path = folder / f"{pair.set}-{Path(pair.image).name}.png"
        write_bytes(path, encode(Picture(strip(pair, entries))))
        written.append(path)
    return written


def plot_quality(rows: Sequence[Row], entries: Sequence[Entry], path: Path) -> None:
    """Draw PSNR against time, one colour per set, as SVG."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4.2), layout="constrained")
    axes = figure.subplots()
    table = means(rows)
    for name in sorted({row.set for row in rows}):
        times = [entry.ms for entry in entries]
        values = [table[entry.name][name]["psnr_y"] for entry in entries]
        axes.plot(times, values, "o", label=name)
        for entry, time, value in zip(entries, times, values, strict=True):
            axes.annotate(entry.name, (time, value), xytext=(4, 4), textcoords="offset points")
    axes.set(xscale="log", xlabel="milliseconds per picture", ylabel="PSNR-Y, dB")
    axes.grid(visible=True, alpha=0.3)
    axes.legend()
    _save(figure, path)


def plot_curves(curves: Mapping[str, Sequence[tuple[int, float]]], label: str, path: Path) -> None:
    """Draw one line per run over its steps, as SVG."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4.2), layout="constrained")
    axes = figure.subplots()
    for name, points in curves.items():
        if points:
            axes.plot(*zip(*points, strict=True), label=name)
    axes.set(xlabel="step", ylabel=label)
    axes.grid(visible=True, alpha=0.3)
    if any(curves.values()):
        axes.legend()
    _save(figure, path)


def _save(figure: Any, path: Path) -> None:
    drawn = io.BytesIO()
    # No date and fixed ids: equal figures give equal bytes.
    from matplotlib import rc_context

    with rc_context({"svg.hashsalt": "superres", "svg.fonttype": "none"}):
        figure.savefig(drawn, format="svg", metadata={"Date": None})
    write_bytes(path, drawn.getvalue())


PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>superres: evaluation</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 70rem; padding: 0 1rem }}
table {{ border-collapse: collapse; display: block; overflow-x: auto }}
td, th {{ border: 1px solid #ccc; padding: .25rem .6rem; text-align: right }}
td:nth-child(-n+2), th:nth-child(-n+2) {{ text-align: left }}
img {{ max-width: 100%; image-rendering: pixelated }}
figcaption {{ color: #555 }}
</style></head><body>
<h1>Evaluation x{scale}</h1>
<p>{protocol}</p>
{table}
<h2>What the sources measured (theirs, on their data)</h2>
<ul>{expected}</ul>
<h2>Pictures</h2>
<p>From left to right: LR, {order}, HR.</p>
{strips}
<h2>Plots</h2>
{plots}
</body></html>
"""


def write_page(
    folder: Path, table: str, entries: Sequence[Entry], files: Sequence[Path], protocol: str
) -> None:
    """Write index.html beside its pictures; links are relative, nothing is loaded from elsewhere."""
    strips = [file for file in files if file.suffix == ".png"]
    plots = [file for file in files if file.suffix == ".svg"]
    page = PAGE.format(
        scale=entries[0].upscaler.info.scale,
        protocol=html.escape(protocol),
        table=_html_table(table),
        expected="".join(
            f"<li><b>{html.escape(entry.name)}</b> ({html.escape(entry.source)}): "
            f"{html.escape(entry.expected)}</li>"
            for entry in entries
            if entry.expected
        ),
        order=", ".join(html.escape(entry.name) for entry in entries),
        strips="".join(_figure(folder, file) for file in strips),
        plots="".join(_figure(folder, file) for file in plots),
    )
    write_text(folder / "index.html", page)


def _html_table(markdown: str) -> str:
    lines = [line.strip("| \n").split(" | ") for line in markdown.strip().splitlines()]
    head = "".join(f"<th>{html.escape(cell.strip())}</th>" for cell in lines[0])
    body = "".join(
        "<tr>" + "".join(f"<td>{html.escape(cell.strip())}</td>" for cell in line) + "</tr>"
        for line in lines[2:]
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _figure(folder: Path, file: Path) -> str:
    relative = html.escape(file.relative_to(folder).as_posix())
    caption = html.escape(file.stem)
    return (
        f'<figure><img src="{relative}" alt="{caption}"><figcaption>{caption}</figcaption></figure>'
    )
