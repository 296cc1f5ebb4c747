"""`superres import-run RUN...`: runs trained without a tracking server, brought into MLflow."""

import json
from pathlib import Path
from typing import Annotated

import typer


def import_run(
    folders: Annotated[list[Path], typer.Argument(help="run folders, as runs/srgan-mse")],
    params: Annotated[Path, typer.Option(help="where to: its `tracking`")] = Path("params.yaml"),
    json_: Annotated[bool, typer.Option("--json", help="print the run ids as JSON")] = False,
) -> None:
    """Replay each run's journal into MLflow with its original times.

    A run that is already there is left alone; one that was recorded in part is completed.
    """
    from superres.config import load_params
    from superres.tracking import import_run as replay

    tracking = load_params(params).tracking
    imported = []
    for folder in folders:
        run_id = replay(folder, tracking)
        typer.echo(f"{folder}: MLflow run {run_id}", err=True)
        imported.append({"folder": str(folder), "run_id": run_id})
    if json_:
        typer.echo(json.dumps(imported))
