"""Contact sheets: small pictures, inside the page, of what fails and of what is extreme."""

import base64
from collections.abc import Callable, Iterable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from superres.data.checks import Check
from superres.data.manifest import Pixels, Row, load_pair
from superres.errors import DataError
from superres.images import Picture, encode

THUMB: Final = 160  # pixels along the longer side
FAILING_SHOWN: Final = 12  # of one expectation
EDGE_SHOWN: Final = 6  # of one kind

# What a fault of the source often shows as; the first of each order are the worst.
EDGES: Final[Mapping[str, tuple[Callable[[Row], float], str]]] = {
    "Least contrast": (lambda row: row.contrast, "contrast {:.1f}"),
    "Most clipped": (lambda row: -row.clipped, "{:.0%} clipped"),
    "Darkest": (lambda row: row.mean, "mean {:.1f}"),
    "Brightest": (lambda row: -row.mean, "mean {:.1f}"),
    "Smallest": (lambda row: row.height * row.width, "{:.0f} pixels"),
}


def failing_sheets(folder: Path, rows: Sequence[Row], failed: Sequence[Check]) -> str:
    """Return sheets, HR beside LR, of the pictures that an expectation does not hold for."""
    wanted = {name for check in failed for name in _names(check)}
    known = {row.id: row for row in rows if row.id in wanted}
    faults: dict[tuple[str, ...], list[str]] = {}  # what fails the same pictures is one sheet
    for check in failed:
        names = tuple(name for name in _names(check) if name in known)
        faults.setdefault(names, []).append(check.sentence)
    faults.pop((), None)
    sheets = []
    for names, sentences in faults.items():
        shown = [figure(folder, known[name], both=True) for name in names[:FAILING_SHOWN]]
        if len(names) > FAILING_SHOWN:
            sentences.append(f"The first {FAILING_SHOWN} of {len(names)}.")
        sheets.append(_sheet(" ".join(sentences), shown))
    if not sheets:
        return ""
    return "<h2>Pictures that fail an expectation, HR and LR</h2>\n" + "\n".join(sheets)


def edge_sheets(folder: Path, rows: Sequence[Row]) -> str:
    """Return a sheet of the pictures with the least contrast, the most clipped, and so on."""
    sheets = []
    for title, (order, form) in EDGES.items():
        worst = sorted(rows, key=lambda row: (order(row), row.id))[:EDGE_SHOWN]
        figures = [figure(folder, row, form.format(abs(order(row)))) for row in worst]
        sheets.append(_sheet(title, figures))
    return "\n".join(sheets)


def figure(folder: Path, row: Row, note: str = "", *, both: bool = False) -> str:
    """Return the HR picture of a row, with `both` its LR beside it, and what it is."""
    label = f"{escape(row.id)}<br>{escape(row.split)}, {row.width}x{row.height}"
    if note:
        label += f", <strong>{escape(note)}</strong>"
    try:
        lr, hr = load_pair(folder, row)
    except DataError:
        return f"<figure><div>not in the pack</div><figcaption>{label}</figcaption></figure>"
    shown = [("HR", hr), ("LR", lr)] if both else [("HR", hr)]
    images = "".join(_image(np.asarray(pixels), f"{side} {row.id}") for side, pixels in shown)
    kind = ' class="both"' if both else ""
    return f"<figure{kind}><div>{images}</div><figcaption>{label}</figcaption></figure>"


def _names(check: Check) -> Iterable[str]:
    """Return the row ids a check names; a copy names two."""
    return dict.fromkeys(name for failing in check.failing for name in failing.split(" = "))


def _sheet(title: str, figures: Iterable[str]) -> str:
    inside = "\n".join(figures)
    return f'<h3>{escape(title)}</h3>\n<div class="sheet">\n{inside}\n</div>'


def _image(pixels: Pixels, words: str) -> str:
    factor = THUMB / max(pixels.shape[:2])
    size = (max(1, round(pixels.shape[1] * factor)), max(1, round(pixels.shape[0] * factor)))
    way = cv2.INTER_AREA if factor < 1 else cv2.INTER_NEAREST
    small = cv2.resize(pixels, size, interpolation=way).astype(np.uint8, copy=False)
    encoded = base64.b64encode(encode(Picture(small), "JPEG", quality=80)).decode("ascii")
    return (
        f'<img src="data:image/jpeg;base64,{encoded}" alt="{escape(words)}" '
        f'width="{size[0]}" height="{size[1]}">'
    )
