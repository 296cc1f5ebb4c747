"""`superres promote`: the best experiment against the champion, through the gate."""

import tempfile
from pathlib import Path
from typing import Annotated

import typer


def promote(
    model: Annotated[
        str | None, typer.Option(help="challenger; without it, the best evaluated experiment")
    ] = None,
    params: Annotated[Path, typer.Option(help="what to run here")] = Path("params.yaml"),
    pack: Annotated[Path, typer.Option(help="packed pairs")] = Path("data/pairs"),
    report: Annotated[Path, typer.Option(help="where the verdict goes")] = Path("reports"),
    champion: Annotated[Path, typer.Option(help="the champion's folder")] = Path("models/champion"),
    dry_run: Annotated[bool, typer.Option(help="judge, change nothing")] = False,
    again: Annotated[bool, typer.Option(help="allow a model that was rolled back")] = False,
    why: Annotated[
        str | None,
        typer.Option(metavar="MODEL", help="print the last verdict of a model, judge nothing"),
    ] = None,
) -> None:
    """Judge a challenger; on a pass it becomes the champion, on disk and in the registry.

    Exit code 0 also when the challenger is refused and a champion stays; 1 when it is refused and
    there is none.
    """
    if why is not None:
        from superres.release.verdict import explain

        typer.echo(explain(report, why))
        return
    from superres.config import load_params
    from superres.promote import Contest
    from superres.promote import promote as run

    known = load_params(params)
    champion.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".challenger-", dir=champion.parent) as staging:
        contest = Contest(
            known, pack, report, champion, Path(staging) / "model", dry_run=dry_run, again=again
        )
        outcome = run(contest, model)
    typer.echo(outcome.text, err=True)
    raise typer.Exit(1 if outcome.failed else 0)
