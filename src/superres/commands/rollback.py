"""`superres rollback`: serve an earlier champion again."""

import json
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer


def rollback(
    to: Annotated[
        str | None, typer.Option(help="version to go back to; without it, the champion before")
    ] = None,
    target: Annotated[Path, typer.Option(help="the champion's model folder")] = Path(
        "models/champion"
    ),
    params: Annotated[Path, typer.Option(help="which registry: its `tracking`")] = Path(
        "params.yaml"
    ),
    history: Annotated[
        bool, typer.Option("--history", help="print every change of the champion, change nothing")
    ] = False,
    json_: Annotated[bool, typer.Option("--json", help="print the version as JSON")] = False,
) -> None:
    """Point the alias `champion` at an earlier version and put its files in place.

    When anything fails, alias and folder stay as they are.
    """
    from superres import registry
    from superres.config import load_params

    settings = load_params(params).tracking
    if history:
        changes = registry.history(settings=settings)
        if json_:
            typer.echo(json.dumps([asdict(change) for change in changes]))
            return
        for change in changes:
            when = datetime.fromtimestamp(change.time, UTC).isoformat(" ", "seconds")
            typer.echo(f"{when}  {change.action:8}  version {change.version}")
        return
    version = registry.rollback(to, target=target, settings=settings)
    typer.echo(f"champion is version {version} again, in {target}", err=True)
    if json_:
        typer.echo(json.dumps({"version": version, "folder": str(target)}))
