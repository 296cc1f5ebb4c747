"""`superres ship`: a training becomes a small model folder for models/pretrained."""

from pathlib import Path
from typing import Annotated

import typer


def ship(
    run: Annotated[str, typer.Argument(help="the run's name, that of its experiment")],
    *,
    out: Annotated[Path, typer.Option("--out", "-o", help="as models/pretrained/fast-x4")],
    root: Annotated[
        Path, typer.Option(help="where it was trained: experiments, runs, models, data, params")
    ] = Path(),
    hardware: Annotated[str, typer.Option(help="what it was trained on, for the card")] = "",
    commit: Annotated[str, typer.Option(help="of the code, when git did not know it")] = "",
    sources: Annotated[
        Path, typer.Option(help="titles and licences of the data sets, for the card")
    ] = Path("models/pretrained/sources.yaml"),
) -> None:
    """Write the averaged weights with card, experiment, training log and list of pictures.

    A run that has not ended is shipped as of its newest state. The weights are stored in float16
    where that costs under 0.01 dB.
    """
    from superres.training.shipping import Run, read_sources
    from superres.training.shipping import ship as write

    told = {"hardware": hardware, "git_commit": commit}
    known = {key: value for key, value in told.items() if value}
    shipped = write(Run(run, root, known, read_sources(sources)), out)
    kind = "float16" if shipped.half else "float32"
    typer.echo(
        f"{shipped.folder}: {shipped.version}, {shipped.bytes:,} bytes of {kind} weights "
        f"({shipped.cost:+.4f} dB lost)",
        err=True,
    )
