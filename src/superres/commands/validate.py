"""`superres validate`: are the packed pairs fit to train on?"""

from pathlib import Path
from typing import Annotated

import typer


def validate(
    pairs: Annotated[Path, typer.Option(help="What `superres pairs` filled.")] = Path("data/pairs"),
    report: Annotated[
        Path, typer.Option(help="HTML page to write; a .json summary goes beside it.")
    ] = Path("reports/validation.html"),
    accepted: Annotated[
        Path | None, typer.Option(help="Statistics to compare with; accepted.json beside --pairs.")
    ] = None,
    accept: Annotated[
        bool, typer.Option("--accept", help="Keep this data's statistics as the accepted ones.")
    ] = False,
) -> None:
    """Check manifest, pixels, degradation, leaks between splits, and drift since the last --accept.

    Exit code 1 when an expectation fails; the failing pairs are named here and in the report.
    With --accept drift does not count; any other failure still does, and nothing is accepted.
    """
    from superres.data.drift import ACCEPTED, DRIFT
    from superres.data.drift import accept as keep
    from superres.data.manifest import read_manifest
    from superres.data.validate import validate as check

    accepted = accepted or pairs.parent / ACCEPTED
    result = check(pairs, report, accepted)
    for failed in result.failed:
        word = "warning" if failed.severity == "warning" else "FAILED"
        typer.echo(f"{word}: {failed.describe()}", err=True)
    held = len(result.checks) - len(result.failed)
    typer.echo(f"{held} of {len(result.checks)} expectations hold; report: {report}", err=True)
    fatal = [one for one in result.failed if one.severity == "critical"]
    if accept and all(one.sentence == DRIFT for one in fatal):
        keep(accepted, read_manifest(pairs), result.sha256)
        typer.echo(f"accepted: {accepted}; commit it", err=True)
        return
    if not result.success:
        raise typer.Exit(1)
