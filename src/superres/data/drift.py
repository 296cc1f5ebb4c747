"""Has the data changed since a person accepted it? Statistics of each data set, compared.

`superres validate --accept` keeps them in data/accepted.json, which belongs into the repository.
"""

import json
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from superres.atomic import write_text
from superres.data.checks import Check
from superres.data.manifest import Row
from superres.data.splits import SPLITS
from superres.errors import DataError

DRIFT: Final = "The data sets look as when they were accepted (else: superres validate --accept)."
ACCEPTED: Final = "accepted.json"
MEASURES: Final[Mapping[str, Callable[[Row], float]]] = {
    "size": lambda row: math.log2(max(row.height * row.width, 1)),
    "mean": lambda row: row.mean,
    "contrast": lambda row: row.contrast,
}
UNITS: Final = {"size": "log2 of HR pixels", "mean": "grey levels", "contrast": "grey levels"}
# A shift counts when it is half the spread that was accepted (Cohen's "medium") and three
# standard errors, so that neither a large nor a small data set raises alarms by chance.
EFFECT: Final = 0.5
ERRORS: Final = 3.0
SPREAD: Final = {"size": 0.2, "mean": 4.0, "contrast": 2.0}  # the least that is taken as spread
COUNT: Final = 0.2  # share by which the number of pairs of a split may change

Statistics = dict[str, dict[str, Any]]


def statistics_of(rows: Sequence[Row]) -> Statistics:
    """Return data set -> pairs by split, and mean and standard deviation of each measure."""
    found: Statistics = {}
    for source in sorted({row.source for row in rows}):
        members = [row for row in rows if row.source == source]
        counts = Counter(row.split for row in members)
        found[source] = {"pairs": {split: counts[split] for split in SPLITS}}
        for name, measure in MEASURES.items():
            values = [measure(row) for row in members]
            mean = math.fsum(values) / len(values)
            variance = math.fsum((value - mean) ** 2 for value in values) / len(values)
            found[source][name] = [round(mean, 4), round(math.sqrt(variance), 4)]
    return found


def accept(path: Path, rows: Sequence[Row], sha256: str) -> None:
    """Keep the statistics of `rows` as what later data is compared with."""
    content = {"data_sha256": sha256, "sources": statistics_of(rows)}
    write_text(path, json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def check_drift(path: Path, rows: Sequence[Row]) -> list[Check]:
    """Return the comparison with the accepted data; no check when none was accepted yet.

    Raises DataError when the file is damaged.
    """
    if not path.is_file():
        return []
    try:
        before: Statistics = json.loads(path.read_text(encoding="utf-8"))["sources"]
        after = statistics_of(rows)
        shifted = [
            line
            for source in sorted(before.keys() & after.keys())
            for line in _shifts(source, before[source], after[source])
        ]
        counts = _counts(before, after)
    except (ValueError, TypeError, KeyError) as error:
        raise DataError(
            f"{path}: damaged ({error!r}). Delete it, then run superres validate --accept."
        ) from None
    return [
        Check(DRIFT, "critical", tuple(shifted)),
        Check("The data sets are as many and as large as when accepted.", "warning", tuple(counts)),
    ]


def _shifts(source: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    numbers = [max(sum(one["pairs"].values()), 1) for one in (before, after)]
    lines = []
    for name in MEASURES:
        (old, old_spread), (new, new_spread) = before[name], after[name]
        spread = max(old_spread, SPREAD[name])
        error = math.hypot(spread / math.sqrt(numbers[0]), new_spread / math.sqrt(numbers[1]))
        if abs(new - old) > max(EFFECT * spread, ERRORS * error):
            lines.append(f"{source}: {name} {old:.2f} -> {new:.2f} {UNITS[name]}")
    return lines


def _counts(before: Statistics, after: Statistics) -> list[str]:
    lines = [f"{source}: not there any more" for source in sorted(before.keys() - after.keys())]
    lines += [f"{source}: new" for source in sorted(after.keys() - before.keys())]
    for source in sorted(before.keys() & after.keys()):
        for split in SPLITS:
            old, new = (one[source]["pairs"][split] for one in (before, after))
            if abs(new - old) > COUNT * old:
                lines.append(f"{source}: {split} {old} -> {new} pairs")
    return lines
