"""Plots as SVG files, drawn by matplotlib: what `dvc plots` and a pull request show."""

import io
from collections.abc import Mapping, Sequence
from itertools import cycle
from pathlib import Path
from typing import Any

from superres.atomic import write_bytes
from superres.evaluation import Row, means
from superres.report.tables import Entry

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
    save_figure(figure, path)


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
    save_figure(figure, path)


def save_figure(figure: Any, path: Path) -> None:
    """Write a matplotlib figure as SVG, whole or not at all."""
    drawn = io.BytesIO()
    # No date and fixed ids: equal figures give equal bytes.
    from matplotlib import rc_context

    with rc_context({"svg.hashsalt": "superres", "svg.fonttype": "none"}):
        figure.savefig(drawn, format="svg", metadata={"Date": None})
    write_bytes(path, drawn.getvalue())
