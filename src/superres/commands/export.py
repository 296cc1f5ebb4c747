"""`superres export`: the exported form of a model, checked against torch."""

from pathlib import Path
from typing import Annotated

import typer


def export(
    model: Annotated[str, typer.Argument(help="name or model folder")],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="without it, in the folder")
    ] = None,
) -> None:
    """Write model.onnx (any batch, height and width) and compare it with torch."""
    from superres.checkpoint import load_model
    from superres.errors import ModelError
    from superres.release.export import export_difference, export_onnx

    opened = load_model(model)
    path = out or (opened.folder / "model.onnx" if opened.folder else Path(f"{model}.onnx"))
    export_onnx(opened, path)
    if opened.folder is not None and path == opened.folder / "model.onnx":
        worst = export_difference(opened)
        if worst > 1:
            path.unlink()
            raise ModelError(f"{path}: differs from torch by {worst} grey levels; removed.")
        typer.echo(f"{path}: at most {worst} grey levels from torch", err=True)
    else:
        typer.echo(f"{path}", err=True)
