"""`superres import-model`: a network of another project becomes a model folder."""

from pathlib import Path
from typing import Annotated

import typer


def import_model(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help=".pth, .safetensors")],
    *,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="The model folder.")] = None,
    licence: Annotated[str, typer.Option(help="Of the weights, as their authors state it.")] = "",
    source: Annotated[str, typer.Option(help="Where the weights come from: an address.")] = "",
) -> None:
    """Turn a file of weights that spandrel knows into a model folder (superres[community]).

    ESRGAN, SwinIR, HAT, SPAN, Compact and some forty other architectures. The folder can be
    evaluated, gated, exported and served like our own.
    """
    from superres.checkpoint import save_model
    from superres.inference.importing import imported

    folder = out or Path("models/imported") / file.stem
    generator, provenance, card = imported(file, licence=licence, source=source)
    save_model(folder, generator, provenance, card)
    info = generator.info
    typer.echo(
        f"{folder}: {provenance['architecture']} x{info.scale}, halo {info.halo}, "
        f"licence: {provenance['licence']}",
        err=True,
    )
