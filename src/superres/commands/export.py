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
    """Write model.onnx (any batch, height and width) and compare it with torch.

    An export that differs from torch is not kept, and the one before it stays.
    """
    from superres.checkpoint import load_model
    from superres.release.export import export_checked

    opened = load_model(model)
    path = out or (opened.folder / "model.onnx" if opened.folder else Path(f"{model}.onnx"))
    if path.is_dir():
        raise typer.BadParameter(f"--out '{path}' is a folder; expected a file, as model.onnx")
    worst = export_checked(opened, path)
    typer.echo(f"{path}: at most {worst} grey levels from torch", err=True)
