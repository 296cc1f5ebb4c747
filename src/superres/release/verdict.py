"""What the gate says: rules, what was found, what is accepted, and the whole as JSON and text."""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from superres.atomic import write_text
from superres.errors import ModelError

Scores = Mapping[str, Mapping[str, float]]  # set -> metric -> mean

VERDICTS = "verdicts"  # folder of the report: the last verdict of every model


@dataclass(frozen=True)
class Check:
    """One rule, what was found and what is accepted."""

    rule: str
    passed: bool
    found: str
    accepted: str


@dataclass(frozen=True)
class Verdict:
    """Why a challenger was promoted or refused."""

    challenger: str
    champion: str | None
    checks: tuple[Check, ...]
    scores: Scores = field(default_factory=dict)  # the challenger's, as they were judged
    figures: Mapping[str, Any] = field(default_factory=dict)  # of all that were measured

    @property
    def passed(self) -> bool:
        """Tell whether every rule was kept."""
        return all(check.passed for check in self.checks)

    @property
    def reasons(self) -> list[str]:
        """Return the broken rules in words."""
        return [
            f"{check.rule}: found {check.found}, accepted {check.accepted}"
            for check in self.checks
            if not check.passed
        ]

    def as_dict(self) -> dict[str, Any]:
        """Return the verdict as plain JSON values; a figure that is not finite is None."""
        plain: dict[str, Any] = _plain({**asdict(self), "passed": self.passed})
        return plain


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def write_verdict(verdict: Verdict, outcome: str, report: Path, more: str = "") -> None:
    """Write promotion.json and promotion.md, and the same under verdicts/ for `promote --why`.

    `more`: Markdown for the end of promotion.md.
    """
    content = json.dumps({**verdict.as_dict(), "outcome": outcome}, indent=2) + "\n"
    for path in (report / "promotion.json", report / VERDICTS / _file_name(verdict.challenger)):
        write_text(path, content)
    lines = [
        f"# {verdict.challenger}: {outcome}",
        "",
        f"Champion before: {verdict.champion or 'none'}.",
        "",
        "| rule | found | accepted | |",
        "|---|---|---|---|",
        *(
            f"| {check.rule} | {check.found} | {check.accepted} | "
            f"{'kept' if check.passed else '**broken**'} |"
            for check in verdict.checks
        ),
        "",
        *([more, ""] if more else []),
    ]
    write_text(report / "promotion.md", "\n".join(lines))


def explain(report: Path, model: str) -> str:
    """Return the last verdict of a model version, or of an experiment's latest, in plain words.

    Raises ModelError when the gate never judged it here.
    """
    folder = report / VERDICTS
    exact = folder / _file_name(model)
    found = [exact] if exact.is_file() else []
    # A version is the experiment's name and a hash: "srgan-mse" is not "srgan-mse-more-1a2b".
    versions = re.compile(re.escape(Path(model).name) + r"(-[0-9a-f]{8})?\.json")
    if not found and folder.is_dir():
        found = [file for file in folder.iterdir() if versions.fullmatch(file.name)]
    if not found:
        judged = sorted(file.stem for file in folder.glob("*.json")) if folder.is_dir() else []
        raise ModelError(
            f"'{model}': no verdict in {folder}; judged here: {', '.join(judged) or 'none'}."
        )
    latest = max(found, key=lambda file: file.stat().st_mtime_ns)
    return _told(json.loads(latest.read_text(encoding="utf-8")))


def _told(content: dict[str, Any]) -> str:
    broken = [check for check in content["checks"] if not check["passed"]]
    lines = [
        f"{content['challenger']}: {content['outcome']}",
        f"champion before: {content['champion'] or 'none'}",
    ]
    for title, checks in (
        ("broken:", broken),
        ("kept:", [check for check in content["checks"] if check["passed"]]),
    ):
        if checks:
            lines.append(title)
        lines += [
            f"  {check['rule']}: found {check['found']}, accepted {check['accepted']}"
            for check in checks
        ]
    return "\n".join(lines)


def _file_name(version: str) -> str:
    return re.sub(r"[^0-9A-Za-z._-]", "_", version) + ".json"
