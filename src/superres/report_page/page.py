"""The page: findings first, then tables, charts and pictures."""

import html
import json
import math
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

from superres.atomic import write_text
from superres.report.measures import TEMPORAL, figures
from superres.report.study import Study
from superres.report_page import tables
from superres.report_page.charts import Mark, lines, scatter
from superres.report_page.pictures import strip_html

HERE = Path(__file__).parent
COLOURS = 8
PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>superres: comparison x{scale}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,">
<style>
{style}</style></head><body>
<h1>Comparison x{scale}: {models} models, {pictures} pictures</h1>
<p class="soft">{protocol}{data}</p>
<ul class="findings">
{findings}
</ul>
{sections}
<script type="application/json" id="figures">{figures}</script>
<script>
{script}</script>
</body></html>
"""


def write_page(path: Path, study: Study) -> None:
    """Write the study as one HTML file that needs no other file and no network."""
    sections = [text for text in _sections(study) if text]
    data = f" Test data <code>{study.data_sha256[:12]}</code>." if study.data_sha256 else ""
    page = PAGE.format(
        scale=study.scale,
        models=len(study.entries),
        pictures=len({(row.set, row.image) for row in study.rows}),
        protocol=html.escape(study.protocol),
        data=data,
        findings="\n".join(f"<li>{html.escape(line)}</li>" for line in study.summary),
        sections="\n".join(sections),
        style=(HERE / "page.css").read_text(encoding="utf-8"),
        script=(HERE / "page.js").read_text(encoding="utf-8"),
        figures=_embedded(study),
    )
    write_text(path, page)


def kinds(study: Study) -> dict[str, str]:
    """Return each model's colour class; baselines are grey."""
    trained = [entry.name for entry in study.trained]
    return {
        entry.name: f"s{trained.index(entry.name) % COLOURS}" if entry.name in trained else "base"
        for entry in study.entries
    }


def _sections(study: Study) -> Iterator[str]:
    yield _section(
        "Every model on every set",
        "Click a head, or press Enter on it, to sort. The best figure of a set is green.",
        tables.scores(study),
    )
    yield _section(
        "Is the best one really better?",
        "Means over the test sets. Intervals: bootstrap over pictures; tests: the differences' "
        "signs exchanged. Frames of one clip are alike and count for less than as many pictures.",
        tables.intervals(study),
    )
    yield _section(
        "Quality against cost",
        "Time for one picture as a multiple of " + study.reference + ", measured in turns. "
        "The dotted line joins the models that no other one beats in both.",
        legend(study) + _pareto(study),
    )
    yield _pictures(study)
    yield _curves(study)
    yield _video(study)
    yield _section("Two models, picture by picture", "", _choice(study))
    yield _others(study)
    yield _section("Where the models come from", "", tables.models(study)) if study.trained else ""


def _section(title: str, told: str, content: str) -> str:
    text = f'<p class="soft">{html.escape(told)}</p>\n' if told else ""
    return f"<section><h2>{html.escape(title)}</h2>\n{text}{content}</section>"


def legend(study: Study, names: Collection[str] | None = None) -> str:
    """Return the models, or those of `names`, with their colours."""
    items = [
        f'<li class="{kind}">{html.escape(name)}</li>'
        for name, kind in kinds(study).items()
        if names is None or name in names
    ]
    return f'<ul class="legend">{"".join(items)}</ul>'


def _pareto(study: Study) -> str:
    base = next(entry.ms for entry in study.entries if entry.name == study.reference)
    colours, charts = kinds(study), []
    for name in study.sets:
        marks = {}
        for entry in study.entries:
            values = list(study.values(entry.name).get(name, {}).values())
            mean = sum(values) / max(1, len(values))
            if values and math.isfinite(mean):
                title = f"{entry.name}: {mean:.2f} dB, {entry.ms / base:.1f} times"
                marks[entry.name] = Mark(
                    entry.ms / base, mean, title, colours[entry.name], entry.name
                )
        front = [marks[model] for model in study.front(name) if model in marks]
        labels = (f"time / {study.reference}", "PSNR-Y, dB")
        told = (
            f"<b>{html.escape(name)}</b>. On the line: {html.escape(', '.join(study.front(name)))}."
        )
        chart = scatter(list(marks.values()), labels, front)
        charts.append(f"<figure><figcaption>{told}</figcaption>{chart}</figure>")
    return f'<div class="charts">{"".join(charts)}</div>'


def _curves(study: Study) -> str:
    curves = {name: points for name, points in study.curves.items() if points}
    if not curves:
        return ""
    drawn = lines(curves, kinds(study), ("step", "validation PSNR-Y, dB"))
    content = legend(study, curves) + f'<div class="charts"><figure>{drawn}</figure></div>'
    return _section("Training curves", "PSNR-Y on the validation pictures while training.", content)


def _video(study: Study) -> str:
    shown = [one for one in study.measures if one.key == "psnr_y" or one.key in TEMPORAL]
    charts = []
    for name in study.sets:
        for measure in shown:
            series = study.over_time(name, measure.key)
            if not any(series.values()):
                continue
            drawn = lines(series, kinds(study), ("frame", measure.title))
            told = f"<b>{html.escape(name)}</b>, {html.escape(measure.title)}"
            charts.append(f"<figure><figcaption>{told}</figcaption>{drawn}</figure>")
    if not charts:
        return ""
    told = "Frame by frame; a jagged line is a picture that flickers. "
    told += (
        "Flicker, tOF, tLP and warping error are of the step from the frame before; lower is "
        "steadier."
        if len(shown) > 1
        else "Figures of motion need frames that follow each other, which these do not."
    )
    charted = f'<div class="charts">{"".join(charts)}</div>'
    return _section("Over time", told, legend(study) + charted)


def _pictures(study: Study) -> str:
    if not study.strips:
        return ""
    told = (
        "Of each set the pictures on which the models differ most, and in them the square that "
        "differs most (red in the small picture). LR shows its pixels as they are; dB: PSNR-RGB "
        "of the square."
    )
    return _section("Pictures", told, "\n".join(strip_html(strip) for strip in study.strips))


def _choice(study: Study) -> str:
    ranking = study.ranking
    second = next((name for name in ranking[1:] if name == study.reference), ranking[-1])
    names = [entry.name for entry in study.entries]
    picks = [
        _select("a", "A", [(name, name) for name in names], second),
        _select("b", "B", [(name, name) for name in names], ranking[0]),
        _select("measure", "figure", [(one.key, one.title) for one in study.measures], "psnr_y"),
    ]
    sets = "".join(
        f'<li class="s{place % COLOURS}">{html.escape(name)}</li>'
        for place, name in enumerate(study.sets)
    )
    return (
        f'<div class="choice">{"".join(picks)}</div><ul class="legend">{sets}</ul>'
        '<div id="scatter"><noscript>This chart needs JavaScript.</noscript></div>'
    )


def _select(name: str, label: str, options: Sequence[tuple[str, str]], chosen: str) -> str:
    items = "".join(
        f'<option value="{html.escape(value)}"{" selected" * (value == chosen)}>'
        f"{html.escape(text)}</option>"
        for value, text in options
    )
    return f'<label>{label} <select id="{name}">{items}</select></label>'


def _others(study: Study) -> str:
    expected = [
        f"<li><b>{html.escape(entry.name)}</b>, {html.escape(entry.source)}: "
        f"{html.escape(entry.expected)}</li>"
        for entry in study.entries
        if entry.expected
    ]
    parts = [tables.theirs(study)]
    if expected:
        parts.append(f"<h3>What the sources expect</h3><ul>{''.join(expected)}</ul>")
    parts.append(
        "<details><summary>What the five reports measured, on their data with their protocol"
        f"</summary>{tables.reports()}</details>"
    )
    told = "Theirs, not measured here: other data or other code. Ours never enter these figures."
    return _section("Numbers of others", told, "\n".join(parts))


def _embedded(study: Study) -> str:
    pictures = list(dict.fromkeys((row.set, row.image) for row in study.rows))
    found: dict[str, dict[tuple[str, str], dict[str, float]]] = {}
    for row in study.rows:
        found.setdefault(row.model, {})[row.set, row.image] = figures(row)
    content: dict[str, Any] = {
        "sets": study.sets,
        "pictures": pictures,
        "measures": [
            {"key": one.key, "title": one.title, "digits": one.digits, "lower": one.lower}
            for one in study.measures
        ],
        "models": {
            model: {
                one.key: [_plain(own.get(picture, {}).get(one.key)) for picture in pictures]
                for one in study.measures
            }
            for model, own in found.items()
        },
    }
    # "<" never appears, so that no name can end the script element.
    return json.dumps(content, separators=(",", ":")).replace("<", "\\u003c")


def _plain(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else round(value, 6)
