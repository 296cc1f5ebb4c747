"""HTML tables that sort by a click or the keyboard."""

import html
from collections.abc import Sequence
from dataclasses import dataclass

from superres.report.markdown import theirs_beside_ours
from superres.report.measures import IN_TABLE, measured
from superres.report.published import reported
from superres.report.study import Study
from superres.report.tables import set_mean


@dataclass(frozen=True)
class Column:
    """A head; `words` stand on the left, figures on the right."""

    title: str
    words: bool = False
    up: bool = False  # the first click puts the smallest first
    long: bool = False  # may be broken over lines


def sortable(
    columns: Sequence[Column],
    lines: Sequence[Sequence[str]],
    best: frozenset[tuple[int, int]] = frozenset(),
    theirs: frozenset[int] = frozenset(),
) -> str:
    """Return a table; `best` are (line, column) places, `theirs` lines of others' figures."""
    head = "".join(
        f'<th class="{_kind(column)}" aria-sort="none" scope="col">'
        f'<button type="button">{html.escape(column.title)}</button></th>'
        for column in columns
    )
    body = []
    for number, line in enumerate(lines):
        cells = []
        for place, cell in enumerate(line):
            kinds = ["words"] * columns[place].words + ["long"] * columns[place].long
            kinds += ["best"] * ((number, place) in best)
            kind = f' class="{" ".join(kinds)}"' if kinds else ""
            cells.append(f"<td{kind}>{html.escape(cell)}</td>")
        begin = '<tr class="theirs">' if number in theirs else "<tr>"
        body.append(f"{begin}{''.join(cells)}</tr>")
    rows = "\n".join(body)
    return (
        '<div class="wide" tabindex="0" role="region" aria-label="table">'
        f'<table class="sortable"><thead><tr>{head}</tr></thead>'
        f"<tbody>\n{rows}\n</tbody></table></div>"
    )


def _kind(column: Column) -> str:
    return " ".join(["words"] * (column.words or column.long) + ["up"] * column.up)


def scores(study: Study) -> str:
    """Return the table of every model on every set; the best figure of a set is marked."""
    measures = measured(study.rows, IN_TABLE)
    columns = [Column("set", words=True, up=True), Column("model", words=True, up=True)]
    columns += [Column(measure.title, up=measure.lower) for measure in measures]
    columns += [
        Column("parameters", up=True),
        Column(f"time / {study.reference}", up=True),
        Column("training s", up=True),
    ]
    base = next(entry.ms for entry in study.entries if entry.name == study.reference)
    lines: list[list[str]] = []
    best: set[tuple[int, int]] = set()
    for name in study.sets:
        begun = len(lines)
        table = [
            [set_mean(study.rows, entry.name, name, one.key) for one in measures]
            for entry in study.entries
        ]
        for place, measure in enumerate(measures):
            known = [(row[place], line) for line, row in enumerate(table) if row[place] is not None]
            pick = min if measure.lower else max
            if known:
                best.add((begun + pick(known, key=lambda one: one[0] or 0.0)[1], place + 2))
        for entry, row in zip(study.entries, table, strict=True):
            shown = [
                "" if value is None else f"{value:.{measure.digits}f}"
                for value, measure in zip(row, measures, strict=True)
            ]
            seconds = "" if entry.training_seconds is None else f"{entry.training_seconds:.0f}"
            cost = [f"{entry.parameters:,}", f"{entry.ms / base:.1f}", seconds]
            lines.append([name, entry.name, *shown, *cost])
    return sortable(columns, lines, frozenset(best))


def intervals(study: Study) -> str:
    """Return the mean over all sets with its interval, and the test against the best model."""
    tests = {test.b: test for test in study.tests}
    columns = [
        Column("model", words=True, up=True),
        Column("mean PSNR-Y dB"),
        Column("95 % interval", words=True),
        Column("behind the best, dB", up=True),
        Column("p"),
        Column("in words", long=True),
    ]
    lines = []
    for name in study.ranking:
        found, test = study.interval(name), tests.get(name)
        lines.append(
            [
                name,
                f"{found.mean:.2f}",
                f"{found.low:.2f} to {found.high:.2f}",
                "" if test is None else f"{test.gain.mean:.2f}",
                "" if test is None else f"{test.p:.2g}",
                "the best here" if test is None else test.words(),
            ]
        )
    return sortable(columns, lines)


def models(study: Study) -> str:
    """Return where each trained model comes from."""
    titles = ("model", "source", "budget", "steps", "trained on", "code", "run")
    columns = [Column(title, words=True, up=True) for title in titles]
    columns[1] = Column("source", long=True, up=True)
    lines = []
    for entry in study.trained:
        known = entry.upscaler.model.provenance
        data = known.get("data", {}).get("sets", [])
        lines.append(
            [
                entry.name,
                entry.source,
                str(known.get("budget", "")),
                str(known.get("steps", "")),
                f"{', '.join(data)} {str(known.get('data_sha256', ''))[:12]}".strip(),
                str(known.get("git_commit", ""))[:12],
                str(known.get("run_id") or "")[:12],
            ]
        )
    return sortable(columns, lines)


def theirs(study: Study) -> str:
    """Return published rows beside ours; nothing when no set is a published one."""
    head, *lines = theirs_beside_ours(study)
    if not lines:
        return ""
    columns = [Column(title, words=place < 2, up=place < 2) for place, title in enumerate(head)]
    columns[-1] = Column("source", long=True, up=True)
    marked = frozenset(number for number, line in enumerate(lines) if line[0] == "theirs")
    return sortable(columns, lines, theirs=marked)


def reports() -> str:
    """Return what the five reports measured, all marked as theirs."""
    titles = ("report", "system", "their data")
    columns = [Column(title, words=True, up=True) for title in titles]
    columns += [Column("scale"), Column("PSNR dB"), Column("SSIM"), Column("MSE", up=True)]
    lines = [
        [
            one.report,
            one.name,
            one.data,
            "" if one.scale is None else f"x{one.scale}",
            f"{one.psnr:.2f}",
            "" if one.ssim is None else f"{one.ssim:.3f}",
            "" if one.mse is None else f"{one.mse:g}",
        ]
        for one in reported()
    ]
    return sortable(columns, lines, theirs=frozenset(range(len(lines))))
