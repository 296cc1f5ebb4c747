"""The validation as one HTML page a person reads without a network."""

from collections import Counter
from collections.abc import Sequence
from html import escape
from pathlib import Path
from string import Template
from typing import Final

from superres.data.checks import SHOWN, Check, ValidationReport
from superres.data.clips import read_quarantine
from superres.data.contact_sheets import THUMB, edge_sheets, failing_sheets, figure
from superres.data.manifest import Row
from superres.data.pixel_checks import sample

SAMPLE_SHOWN: Final = 24

PAGE: Final = Template("""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Data validation: $verdict</title>
<style>
:root { color-scheme: light dark; --good: #1a7f37; --bad: #c62828; --warn: #9a6700;
  --line: #8885; --tile: #8882; }
@media (prefers-color-scheme: dark) {
  :root { --good: #3fb950; --bad: #ff7b72; --warn: #d29922; }
}
* { box-sizing: border-box; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 72rem; margin: 2rem auto; padding: 0 1rem; }
h1 { margin-bottom: .25rem; } h2 { margin-top: 2.5rem; } h3 { margin: 1.5rem 0 .5rem; }
.good { color: var(--good); } .bad { color: var(--bad); } .warn { color: var(--warn); }
table { border-collapse: collapse; width: 100%; margin: .5rem 0 1rem; }
th, td { text-align: left; vertical-align: top; padding: .3rem .75rem .3rem 0; }
th, td { border-bottom: 1px solid var(--line); }
th.number, td.number { text-align: right; font-variant-numeric: tabular-nums; }
td:first-child { white-space: nowrap; }
td.grow { width: 60%; }
code { font-size: .85em; overflow-wrap: anywhere; }
.sheet { display: grid; grid-template-columns: repeat(auto-fill, minmax(${thumb}px, 1fr));
  gap: 1rem; }
figure { margin: 0; min-width: 0; }
figure div { background: var(--tile); border-radius: 4px; height: ${thumb}px; display: flex;
  align-items: center; justify-content: center; gap: 2px; overflow: hidden; }
figure img { display: block; max-width: 100%; max-height: 100%; }
figure.both { grid-column: span 2; } figure.both img { max-width: calc(50% - 1px); }
figcaption { font-size: .8rem; line-height: 1.35; margin-top: .3rem; overflow-wrap: anywhere; }
figcaption strong { font-weight: 600; }
@media (max-width: 40rem) { table { display: block; overflow-x: auto; } }
</style>
</head>
<body>
<h1>Data validation: <span class="$tone">$verdict</span></h1>
<p>$summary<br>LR is made by <code>$degradation</code>. Data hash <code>$sha256</code></p>
<table><thead><tr><th>Data set</th><th>Split</th><th class="number">Pairs</th>
<th class="number">HR megapixels</th><th>Licence</th></tr></thead><tbody>
$sources
</tbody></table>
$failing
<h2>Expectations</h2>
<table><thead><tr><th>Result</th><th>Expectation</th><th>Fails for</th></tr></thead><tbody>
$checks
</tbody></table>
<h2>Files left out</h2>
$quarantine
<h2>The pictures at the edges</h2>
$edges
<h2>A sample of the pictures</h2>
<div class="sheet">
$sheet
</div>
</body>
</html>
""")


def page(result: ValidationReport, folder: Path, rows: Sequence[Row]) -> str:
    """Return the page; pictures are inside it, nothing is loaded from elsewhere."""
    return PAGE.substitute(
        verdict="passed" if result.success else "failed",
        tone="good" if result.success else "bad",
        summary=escape(_summary(result)),
        degradation=escape(_degradations(rows)),
        thumb=THUMB,
        sources=_sources(rows),
        sha256=escape(result.sha256),
        checks="\n".join(_check(check) for check in sorted(result.checks, key=_rank)),
        failing=failing_sheets(folder, rows, result.failed),
        quarantine=_quarantine(folder),
        edges=edge_sheets(folder, rows),
        sheet="\n".join(figure(folder, row) for row in sample(rows, SAMPLE_SHOWN)),
    )


def _summary(result: ValidationReport) -> str:
    held = len(result.checks) - len(result.failed)
    warnings = sum(check.severity == "warning" for check in result.failed)
    counts = ", ".join(f"{number} {split}" for split, number in result.pairs.items())
    text = f"{counts} pairs. {held} of {len(result.checks)} expectations hold"
    return f"{text}; {warnings} of the others only warn." if warnings else f"{text}."


def _degradations(rows: Sequence[Row]) -> str:
    ways = dict.fromkeys(row.degradation or "an unrecorded degradation" for row in rows)
    return " | ".join(ways)


def _sources(rows: Sequence[Row]) -> str:
    pairs: Counter[tuple[str, str, str]] = Counter()
    pixels: Counter[tuple[str, str, str]] = Counter()
    for row in rows:
        key = (row.source, row.split, row.licence)
        pairs[key] += 1
        pixels[key] += row.height * row.width
    return "\n".join(
        f'<tr><td>{escape(source)}</td><td>{escape(split)}</td><td class="number">{number}</td>'
        f'<td class="number">{pixels[source, split, licence] / 1e6:.2f}</td>'
        f"<td>{escape(licence)}</td></tr>"
        for (source, split, licence), number in pairs.items()
    )


def _rank(check: Check) -> int:
    """What fails comes first."""
    return 2 if check.success else check.severity == "warning"


def _check(check: Check) -> str:
    tone, word = ("good", "holds") if check.success else ("bad", "fails")
    if not check.success and check.severity == "warning":
        tone, word = "warn", "warning"
    shown = [f"<code>{escape(name)}</code>" for name in check.failing[:SHOWN]]
    if len(check.failing) > SHOWN:
        shown.append(f"and {len(check.failing) - SHOWN} more")
    if check.detail:
        shown.append(escape(check.detail))
    return (
        f'<tr><td class="{tone}">{word}</td><td class="grow">{escape(check.sentence)}</td>'
        f"<td>{'<br>'.join(shown)}</td></tr>"
    )


def _quarantine(folder: Path) -> str:
    bad = read_quarantine(folder)
    if not bad:
        return "<p>None.</p>"
    lines = "\n".join(
        f"<tr><td><code>{escape(one.path)}</code></td><td>{escape(one.reason)}</td></tr>"
        for one in bad
    )
    return (
        "<table><thead><tr><th>File</th><th>Reason</th></tr></thead>"
        f"<tbody>\n{lines}\n</tbody></table>"
    )
