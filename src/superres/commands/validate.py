"""`superres validate`: are the packed pairs fit to train on?"""

from pathlib import Path
from typing import Annotated

import typer


def validate(
    pairs: Annotated[Path, typer.Option(help="What `superres pairs` filled.")] = Path("data/pairs"),
    report: Annotated[
        Path, typer.Option(help="HTML page to write; a .json summary goes beside it.")
    ] = Path("reports/validation.html"),
) -> None:
    """Check manifest, pixels, degradation and leaks between splits.

    Exit code 1 when an expectation fails; the failing pairs are named here and in the report.
    """
    from superres.data.validate import validate as check

    result = check(pairs, report)
    for failed in result.failed:
        word = "warning" if failed.severity == "warning" else "FAILED"
        typer.echo(f"{word}: {failed.describe()}", err=True)
    held = len(result.checks) - len(result.failed)
    typer.echo(f"{held} of {len(result.checks)} expectations hold; report: {report}", err=True)
    if not result.success:
        raise typer.Exit(1)
