"""The evaluation as one HTML page that loads nothing from elsewhere."""

import html
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from superres.atomic import write_text
from superres.report import GAP, Entry, Strip, tile_names

PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>superres: evaluation</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 76rem;
  padding: 0 1rem }}
table {{ border-collapse: collapse; display: block; overflow-x: auto }}
td, th {{ border: 1px solid #ccc; padding: .25rem .6rem; text-align: right; white-space: nowrap }}
td:nth-child(-n+2), th:nth-child(-n+2) {{ text-align: left }}
tr.first td {{ border-top: 3px solid #999 }}
figure {{ margin: 1.5rem 0; overflow-x: auto }}
figcaption {{ font-weight: 600 }}
.tiles {{ display: grid; column-gap: {gap}px; font: 12px/1.2 system-ui, sans-serif }}
.tiles span {{ align-self: end; overflow-wrap: anywhere }}
.tiles img {{ grid-column: 1 / -1; image-rendering: pixelated }}
.plot img {{ max-width: 100% }}
</style></head><body>
<h1>Evaluation x{scale}</h1>
<p>{protocol}</p>
{table}
{expected}
<h2>Pictures</h2>
<p>The square with the most detail of each picture; LR shows its pixels as they are.</p>
{strips}
<h2>Plots</h2>
{plots}
</body></html>
"""


@dataclass(frozen=True)
class Content:
    """What the page shows; the files lie in the page's folder or below it."""

    table: Sequence[Sequence[str]]  # head, then lines that begin with the set's name
    entries: Sequence[Entry]
    strips: Sequence[Strip]
    plots: Sequence[Path]
    protocol: str


def write_page(folder: Path, content: Content) -> None:
    """Write index.html into `folder`; links are relative to it."""
    names = tile_names(content.entries)
    page = PAGE.format(
        gap=GAP,
        scale=content.entries[0].upscaler.info.scale,
        protocol=html.escape(content.protocol),
        table=_table(content.table),
        expected=_expected(content.entries),
        strips="\n".join(_strip(folder, strip, names) for strip in content.strips),
        plots="\n".join(_plot(folder, file) for file in content.plots),
    )
    write_text(folder / "index.html", page)


def _table(cells: Sequence[Sequence[str]]) -> str:
    lines = ["<tr>" + "".join(f"<th>{html.escape(cell)}</th>" for cell in cells[0]) + "</tr>"]
    before = ""
    for line in cells[1:]:
        begin = "<tr>" if line[0] == before else '<tr class="first">'
        before = line[0]
        lines.append(begin + "".join(f"<td>{html.escape(cell)}</td>" for cell in line) + "</tr>")
    return "<table>\n" + "\n".join(lines) + "\n</table>"


def _expected(entries: Sequence[Entry]) -> str:
    items = [
        f"<li><b>{html.escape(entry.name)}</b>, {html.escape(entry.source)}: "
        f"{html.escape(entry.expected)}</li>"
        for entry in entries
        if entry.expected
    ]
    if not items:
        return ""
    return f"<h2>What the sources measured (theirs, on their data)</h2>\n<ul>{''.join(items)}</ul>"


def _strip(folder: Path, strip: Strip, names: Sequence[str]) -> str:
    title = html.escape(strip.title)
    style = f"width: {strip.width}px; grid-template-columns: repeat({len(names)}, minmax(0, 1fr))"
    above = "".join(f"<span>{html.escape(name)}</span>" for name in names)
    return (
        f'<figure><figcaption>{title}</figcaption><div class="tiles" style="{style}">{above}'
        f'<img src="{_link(folder, strip.file)}" alt="{title}"></div></figure>'
    )


def _plot(folder: Path, file: Path) -> str:
    title = html.escape(file.stem.replace("-", " "))
    return (
        f'<figure class="plot"><figcaption>{title}</figcaption>'
        f'<img src="{_link(folder, file)}" alt="{title}"></figure>'
    )


def _link(folder: Path, file: Path) -> str:
    return html.escape(quote(file.relative_to(folder).as_posix()))
