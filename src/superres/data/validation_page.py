"""The validation as one HTML page a person reads without a network."""

import base64
from collections import Counter
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path
from string import Template
from typing import Final

import cv2
import numpy as np

from superres.data.checks import SHOWN, Check, ValidationReport
from superres.data.clips import read_quarantine
from superres.data.manifest import Row, load_pair
from superres.data.pixel_checks import sample
from superres.errors import DataError
from superres.images import Picture, encode

THUMB: Final = 160  # pixels along the longer side
FAILING_SHOWN: Final = 24
SAMPLE_SHOWN: Final = 24

PAGE: Final = Template("""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Data validation: $verdict</title>
<style>
:root { color-scheme: light dark; --good: #1a7f37; --bad: #c62828; --warn: #9a6700; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem; }
h1 .good, .good { color: var(--good); } h1 .bad, .bad { color: var(--bad); }
.warn { color: var(--warn); }
table { border-collapse: collapse; width: 100%; margin: 1rem 0; }
th, td { text-align: left; vertical-align: top; padding: .3rem .6rem; }
th, td { border-bottom: 1px solid #8884; }
td.number { text-align: right; font-variant-numeric: tabular-nums; }
td:first-child { white-space: nowrap; }
code { overflow-wrap: anywhere; }
.sheet { display: flex; flex-wrap: wrap; gap: 1rem; }
figure { margin: 0; width: ${thumb}px; } figure img { max-width: 100%; image-rendering: auto; }
figcaption { font-size: .8rem; overflow-wrap: anywhere; }
</style>
</head>
<body>
<h1>Data validation: <span class="$tone">$verdict</span></h1>
<p>$summary</p>
<table><thead><tr><th>Data set</th><th>Split</th><th>Pairs</th><th>HR megapixels</th><th>Licence
</th></tr></thead><tbody>
$sources
</tbody></table>
<p>Data hash <code>$sha256</code></p>
<h2>Expectations</h2>
<table><thead><tr><th>Result</th><th>Expectation</th><th>Fails for</th></tr></thead><tbody>
$checks
</tbody></table>
$failing
<h2>Files left out</h2>
$quarantine
<h2>A sample of the pictures</h2>
<div class="sheet">
$sheet
</div>
</body>
</html>
""")


def page(result: ValidationReport, folder: Path, rows: Sequence[Row]) -> str:
    """Return the page; pictures are inside it, nothing is loaded from elsewhere."""
    named = {name for check in result.failed for name in _names(check)}
    failing = [row for row in rows if row.id in named]
    return PAGE.substitute(
        verdict="passed" if result.success else "failed",
        tone="good" if result.success else "bad",
        summary=escape(_summary(result)),
        thumb=THUMB,
        sources=_sources(rows),
        sha256=escape(result.sha256),
        checks="\n".join(_check(check) for check in result.checks),
        failing=_failing(folder, failing),
        quarantine=_quarantine(folder),
        sheet="\n".join(_figure(folder, row) for row in sample(rows, SAMPLE_SHOWN)),
    )


def _names(check: Check) -> Iterable[str]:
    """Return the row ids a check names; a copy names two."""
    return (name for failing in check.failing for name in failing.split(" = "))


def _summary(result: ValidationReport) -> str:
    held = len(result.checks) - len(result.failed)
    warnings = sum(check.severity == "warning" for check in result.failed)
    counts = ", ".join(f"{number} {split}" for split, number in result.pairs.items())
    text = f"{counts} pairs. {held} of {len(result.checks)} expectations hold"
    return f"{text}; {warnings} of the others only warn." if warnings else f"{text}."


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
        f'<tr><td class="{tone}">{word}</td><td>{escape(check.sentence)}</td>'
        f"<td>{'<br>'.join(shown)}</td></tr>"
    )


def _failing(folder: Path, rows: Sequence[Row]) -> str:
    if not rows:
        return ""
    figures = "\n".join(_figure(folder, row) for row in rows[:FAILING_SHOWN])
    return f'<h2>Pictures that fail an expectation</h2>\n<div class="sheet">\n{figures}\n</div>'


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


def _figure(folder: Path, row: Row) -> str:
    label = f"{row.id}, {row.split}, {row.width}x{row.height}"
    try:
        hr = np.asarray(load_pair(folder, row)[1])
    except DataError:
        return f"<figure><figcaption>{escape(label)}: not in the pack</figcaption></figure>"
    factor = THUMB / max(hr.shape[:2])
    size = (max(1, round(hr.shape[1] * factor)), max(1, round(hr.shape[0] * factor)))
    small = cv2.resize(hr, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
    encoded = base64.b64encode(encode(Picture(small), "JPEG", quality=80)).decode("ascii")
    return (
        f'<figure><img src="data:image/jpeg;base64,{encoded}" alt="{escape(row.id)}" '
        f'width="{size[0]}" height="{size[1]}"><figcaption>{escape(label)}</figcaption></figure>'
    )
