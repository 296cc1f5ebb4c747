"""A comparison: its models, rows and ground, and what follows from them in words."""

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from superres.atomic import write_text
from superres.evaluation import Row
from superres.report.measures import Measure, figures, measured
from superres.report.statistics import Interval, Paired, Values, by_set, interval, paired
from superres.report.strips import Strip
from superres.report.tables import Entry

Curve = Sequence[tuple[int, float]]
FRAMES = 3  # pictures of a set from which on they are drawn over time


@dataclass(frozen=True)
class Study:
    """Everything a report shows."""

    rows: Sequence[Row]
    entries: Sequence[Entry]  # baselines first
    reference: str  # the model that times and gains refer to
    scale: int
    protocol: str  # in words
    data_sha256: str = ""
    curves: Mapping[str, Curve] = field(default_factory=dict)  # model -> (step, PSNR)
    strips: Sequence[Strip] = ()

    @property
    def sets(self) -> list[str]:
        """Return the names of the test sets in their order."""
        return list(dict.fromkeys(row.set for row in self.rows))

    @property
    def trained(self) -> list[Entry]:
        """Return the models with weights."""
        return [entry for entry in self.entries if entry.parameters]

    @cached_property
    def measures(self) -> list[Measure]:
        """Return what was measured."""
        return measured(self.rows)

    def values(self, model: str, key: str = "psnr_y") -> Values:
        """Return set -> picture -> figure of one model."""
        own = [row for row in self.rows if row.model == model]
        return by_set([(row.set, row.image, figures(row).get(key)) for row in own])

    def interval(self, model: str, key: str = "psnr_y") -> Interval:
        """Return the mean over the sets with its bootstrap interval."""
        return interval(self.values(model, key))

    def paired(self, a: str, b: str, key: str = "psnr_y") -> Paired:
        """Compare two models on the same pictures."""
        lower = next(measure.lower for measure in self.measures if measure.key == key)
        return paired((a, b), self.values(a, key), self.values(b, key), lower=lower)

    @cached_property
    def ranking(self) -> list[str]:
        """Return the models by mean PSNR-Y over the sets, best first."""
        means = {entry.name: self.interval(entry.name).mean for entry in self.entries}
        worst = -math.inf
        return sorted(
            means, key=lambda name: worst if math.isnan(means[name]) else means[name], reverse=True
        )

    @cached_property
    def tests(self) -> list[Paired]:
        """Return the best model against every other one, in the order of the ranking."""
        best, *others = self.ranking
        return [self.paired(best, other) for other in others]

    @property
    def summary(self) -> list[str]:
        """Return what the comparison says, in sentences."""
        best = self.ranking[0]
        found = self.interval(best)
        lines = [
            f"{best} has the highest PSNR-Y: {found.mean:.2f} dB, the mean over "
            f"{len(self.sets)} test set{'s' if len(self.sets) > 1 else ''}."
        ]
        lines += [test.words() for test in self.tests if test.b == self.reference]
        rivals = [test for test in self.tests if test.b != self.reference]
        lines += [test.words() for test in rivals[:1]]
        open_ = [test.b for test in self.tests if not test.decided]
        if open_:
            lines.append(f"Not told apart from {best} by these pictures: {', '.join(open_)}.")
        below = [entry.name for entry in self.trained if self._below_reference(entry.name)]
        if below:
            lines.append(f"Below {self.reference}: {', '.join(below)}.")
        return lines

    def _below_reference(self, name: str) -> bool:
        return self.interval(name).mean < self.interval(self.reference).mean

    def front(self, name: str) -> list[str]:
        """Return the models of a set that no other one beats in both time and PSNR-Y."""
        found: list[str] = []
        best = -math.inf
        for entry in sorted(self.entries, key=lambda one: one.ms):
            values = self.values(entry.name).get(name, {}).values()
            quality = sum(values) / len(values) if values else -math.inf
            if quality > best:
                best = quality
                found.append(entry.name)
        return found

    def over_time(self, name: str, key: str = "psnr_y") -> dict[str, Curve]:
        """Return model -> (frame, figure) when the set's pictures are numbered frames."""
        images = list(dict.fromkeys(row.image for row in self.rows if row.set == name))
        numbers = [re.search(r"(?:^|/)(\d+)$", image) for image in images]
        if len(images) < FRAMES or not all(numbers):
            return {}
        frames = {
            image: int(found[1]) for image, found in zip(images, numbers, strict=True) if found
        }
        return {
            entry.name: [
                (frames[image], value)
                for image, value in self.values(entry.name, key).get(name, {}).items()
            ]
            for entry in self.entries
        }


def write_study(study: Study, path: Path) -> None:
    """Write ground, intervals and paired tests as JSON, for programs and `dvc metrics diff`."""
    content: dict[str, Any] = {
        "data_sha256": study.data_sha256,
        "protocol": study.protocol,
        "scale": study.scale,
        "best": study.ranking[0],
        "mean_psnr_y": {
            entry.name: _rounded(study.interval(entry.name)) for entry in study.entries
        },
        "tests": [
            {"a": one.a, "b": one.b, "p": round(one.p, 6), "wins": one.wins, "decided": one.decided}
            | {"gain": _rounded(one.gain)}
            for one in study.tests
        ],
    }
    write_text(path, json.dumps(content, indent=2) + "\n")


def _rounded(found: Interval) -> dict[str, float | int | None]:
    edges = {"mean": found.mean, "low": found.low, "high": found.high}
    plain = {key: round(value, 6) if math.isfinite(value) else None for key, value in edges.items()}
    return {**plain, "pictures": found.count}
