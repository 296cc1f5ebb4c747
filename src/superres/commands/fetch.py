"""`superres fetch`: the data sets of params.yaml, verified, into data/raw."""

from pathlib import Path
from typing import Annotated

import typer


def fetch(
    params: Annotated[Path, typer.Option(help="What to fetch: its `data.sources`.")] = Path(
        "params.yaml"
    ),
    raw: Annotated[Path, typer.Option(help="Folder to fill; it belongs to fetch.")] = Path(
        "data/raw"
    ),
) -> None:
    """Bring every data set of params.yaml to data/raw, checked against its sha256.

    What is already right stays untouched, what is no longer a source is removed.
    """
    from superres.config import load_params
    from superres.data.fetch import fetch as bring

    report = bring(load_params(params).data.sources, raw)
    names = ", ".join(f"{source.name} ({len(source.files)})" for source in report.sources)
    typer.echo(
        f"{raw}: {names}; {report.files} files, {report.bytes / 1e6:.1f} MB, "
        f"{len(report.written)} written, {len(report.removed)} removed",
        err=True,
    )
