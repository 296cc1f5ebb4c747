"""The comparison as Markdown, for a pull request."""

from collections.abc import Sequence
from pathlib import Path

from superres.report.published import SETS, published
from superres.report.study import Study
from superres.report.tables import markdown_table, set_mean, table_cells


def comparison_markdown(study: Study, pictures: Sequence[Path] = ()) -> str:
    """Return protocol, findings, tables and links to `pictures`, relative to the report."""
    parts = [
        study.protocol,
        "\n".join(f"- {sentence}" for sentence in study.summary),
        markdown_table(table_cells(study.rows, study.entries, study.reference)),
        "Is the best better than the others? (paired over the same pictures)",
        "\n".join(f"- {test.words()}" for test in study.tests),
    ]
    theirs = theirs_beside_ours(study)
    if len(theirs) > 1:
        parts += ["Published numbers of others (theirs) beside ours:", markdown_table(theirs)]
    parts += [f"![{file.stem}]({file.as_posix()})" for file in pictures]
    return "\n\n".join(part.rstrip("\n") for part in parts) + "\n"


def theirs_beside_ours(study: Study) -> list[list[str]]:
    """Return head and rows of our models, then published ones, for the sets that both know.

    Empty but for the head when no test set of the study is a published one.
    """
    names = {name.lower(): name for name in study.sets}
    sets = [name for name in SETS if name.lower() in names]
    lines = [["whose", "model", *(f"{name} PSNR / SSIM" for name in sets), "source"]]
    if not sets:
        return lines
    for entry in study.entries:
        cells = []
        for name in sets:
            own = names[name.lower()]
            values = [set_mean(study.rows, entry.name, own, key) for key in ("psnr_y", "ssim_y")]
            cells.append(_score(values[0], values[1]))
        lines.append(["ours", entry.name, *cells, "measured here"])
    for row in published(study.scale):
        cells = [_score(*row.scores.get(name, (None, None))) for name in sets]
        if any(cells):
            lines.append(["theirs", row.name, *cells, row.source])
    return lines


def _score(psnr: float | None, ssim: float | None) -> str:
    if psnr is None and ssim is None:
        return ""
    return f"{'-' if psnr is None else f'{psnr:.2f}'} / {'-' if ssim is None else f'{ssim:.4f}'}"
