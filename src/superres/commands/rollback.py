"""`superres rollback`: serve an earlier champion again."""

import json
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
    json_: Annotated[bool, typer.Option("--json", help="print the version as JSON")] = False,
) -> None:
    """Point the alias `champion` at an earlier version and put its files in place.

    When anything fails, alias and folder stay as they are.
    """
    from superres.config import load_params
    from superres.registry import rollback as go_back

    version = go_back(to, target=target, settings=load_params(params).tracking)
    typer.echo(f"champion is version {version} again, in {target}", err=True)
    if json_:
        typer.echo(json.dumps({"version": version, "folder": str(target)}))
