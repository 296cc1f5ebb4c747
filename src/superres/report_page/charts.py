"""Charts as inline SVG; colours are classes, so that the page's style decides, dark or light."""

import html
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 480, 300
LEFT, RIGHT, TOP, BOTTOM = 52, 18, 10, 44
MOST_POINTS = 400  # of a line; more cannot be seen


@dataclass(frozen=True)
class Mark:
    """One point of a scatter: `kind` is the class of its colour; `name` is written on a front."""

    x: float
    y: float
    title: str
    kind: str
    name: str = ""


@dataclass(frozen=True)
class Scale:
    """A data range on a stretch of pixels."""

    low: float
    high: float
    begin: float
    end: float
    log: bool = False

    def at(self, value: float) -> float:
        """Return the pixel of a value."""
        low, high, here = (self._way(each) for each in (self.low, self.high, value))
        return self.begin + (here - low) / (high - low) * (self.end - self.begin)

    def _way(self, value: float) -> float:
        return math.log10(value) if self.log else value

    def ticks(self) -> list[float]:
        """Return about five round values within the range."""
        if self.log:
            steps = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
            wide = math.log10(self.high / self.low) > 2.5
            digits = (1,) if wide else (1, 2, 5)
            found = [digit * 10.0**step for step in steps for digit in digits]
            return [value for value in found if self.low <= value <= self.high]
        raw = (self.high - self.low) / 5
        size = 10.0 ** math.floor(math.log10(raw))
        step = next(size * by for by in (1, 2, 5, 10) if size * by >= raw)
        first = math.ceil(self.low / step)
        return [index * step for index in range(first, math.floor(self.high / step + 1e-9) + 1)]


def scatter(marks: Sequence[Mark], labels: tuple[str, str], front: Sequence[Mark] = ()) -> str:
    """Draw points over a logarithmic x; `front` is joined by a line."""
    xs = _scale([mark.x for mark in marks], LEFT, WIDTH - RIGHT, log=True)
    ys = _scale([mark.y for mark in marks], HEIGHT - BOTTOM, TOP)
    parts = [_axes(xs, ys, labels)]
    if len(front) > 1:
        steps = " ".join(f"{xs.at(mark.x):.1f},{ys.at(mark.y):.1f}" for mark in front)
        parts.append(f'<polyline class="front" points="{steps}"/>')
    parts += [
        f'<circle class="mark {mark.kind}" cx="{xs.at(mark.x):.1f}" cy="{ys.at(mark.y):.1f}" '
        f'r="6"><title>{html.escape(mark.title)}</title></circle>'
        for mark in marks
    ]
    parts += [_label(mark, xs, ys) for mark in front if mark.name]
    return _svg(parts, f"{labels[1]} against {labels[0]}")


def _label(mark: Mark, xs: Scale, ys: Scale) -> str:
    """Write a mark's name beside it, on the side with room."""
    x, y = xs.at(mark.x), ys.at(mark.y)
    on_left = x > (LEFT + WIDTH) / 2
    place = (x - 10, "end") if on_left else (x + 10, "start")
    return (
        f'<text class="label" x="{place[0]:.1f}" y="{y + 4:.1f}" text-anchor="{place[1]}">'
        f"{html.escape(mark.name)}</text>"
    )


def lines(
    series: Mapping[str, Sequence[tuple[float, float]]],
    kinds: Mapping[str, str],
    labels: tuple[str, str],
) -> str:
    """Draw one line per series; those without points are left out."""
    points = [point for own in series.values() for point in own if math.isfinite(point[1])]
    xs = _scale([point[0] for point in points], LEFT, WIDTH - RIGHT, pad=0)
    ys = _scale([point[1] for point in points], HEIGHT - BOTTOM, TOP)
    parts = [_axes(xs, ys, labels)]
    for name, own in series.items():
        kept = [point for point in own if math.isfinite(point[1])]
        kept = kept[:: max(1, len(kept) // MOST_POINTS)]
        if not kept:
            continue
        steps = " ".join(f"{xs.at(x):.1f},{ys.at(y):.1f}" for x, y in kept)
        title = f"<title>{html.escape(name)}</title>"
        parts.append(f'<polyline class="line {kinds[name]}" points="{steps}">{title}</polyline>')
    return _svg(parts, f"{labels[1]} against {labels[0]}")


def _scale(
    values: Sequence[float], begin: float, end: float, *, log: bool = False, pad: float = 0.06
) -> Scale:
    good = [value for value in values if math.isfinite(value) and (value > 0 or not log)]
    low, high = (min(good), max(good)) if good else (1.0, 2.0)
    if log:
        return Scale(low / 1.4, high * 1.4, begin, end, log=True)
    if low == high:
        low, high = low - 0.5, high + 0.5
    margin = pad * (high - low)
    return Scale(low - margin, high + margin, begin, end)


def _axes(xs: Scale, ys: Scale, labels: tuple[str, str]) -> str:
    parts = []
    for value in xs.ticks():
        x = xs.at(value)
        parts.append(
            f'<line class="grid" x1="{x:.1f}" y1="{TOP}" x2="{x:.1f}" y2="{HEIGHT - BOTTOM}"/>'
            f'<text x="{x:.1f}" y="{HEIGHT - BOTTOM + 16}" text-anchor="middle">{value:g}</text>'
        )
    for value in ys.ticks():
        y = ys.at(value)
        parts.append(
            f'<line class="grid" x1="{LEFT}" y1="{y:.1f}" x2="{WIDTH - RIGHT}" y2="{y:.1f}"/>'
            f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{value:g}</text>'
        )
    middle = (LEFT + WIDTH - RIGHT) / 2
    across = (TOP + HEIGHT - BOTTOM) / 2
    parts.append(
        f'<text class="label" x="{middle}" y="{HEIGHT - 8}" text-anchor="middle">'
        f"{html.escape(labels[0])}</text>"
        f'<text class="label" transform="translate(13 {across}) rotate(-90)" '
        f'text-anchor="middle">{html.escape(labels[1])}</text>'
    )
    return "".join(parts)


def _svg(parts: Sequence[str], label: str) -> str:
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{html.escape(label)}">'
        + "".join(parts)
        + "</svg>"
    )
