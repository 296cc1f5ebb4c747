"""Every figure that a verdict is of, as a table: for the model card and for promotion.md."""

from superres.release.verdict import Verdict
from superres.report.measures import KNOWN
from superres.report.tables import markdown_table


def score_table(verdict: Verdict) -> str:
    """Return a Markdown table: a line for each set and model, the challenger by its version."""
    named = list(verdict.figures.items())
    titles = {"challenger": verdict.challenger}
    measures = [
        one
        for one in KNOWN
        if named and all(one.key in row for _, own in named for row in own["scores"].values())
    ]
    lines = [["set", "model", *(one.title for one in measures)]]
    for name in verdict.scores:
        for who, own in named:
            row = own["scores"].get(name, {})
            values = [
                f"{row[one.key]:.{one.digits}f}" if one.key in row else "" for one in measures
            ]
            lines.append([name, titles.get(who, who), *values])
    return markdown_table(lines).rstrip("\n")
