"""`superres pairs`: packed LR/HR pairs of everything fetched and extracted."""

from pathlib import Path
from typing import Annotated

import typer


def pairs(
    params: Annotated[Path, typer.Option(help="Its `scale` and `data`.")] = Path("params.yaml"),
    raw: Annotated[Path, typer.Option(help="What `superres fetch` filled.")] = Path("data/raw"),
    frames: Annotated[Path, typer.Option(help="What `superres frames` filled.")] = Path(
        "data/frames"
    ),
    target: Annotated[Path, typer.Option(help="Folder to replace.")] = Path("data/pairs"),
) -> None:
    """Degrade every picture to its LR and pack the pairs, with manifest.csv.

    Bad files are left out, named here and in quarantine.csv. The exit code stays 0 so that a
    pipeline goes on, until more than `data.max_bad_share` of the files are bad: then it is 1.
    """
    from superres.config import load_params
    from superres.data.pairs import build
    from superres.data.prepare import PairOptions

    loaded = load_params(params)
    options = PairOptions(
        scale=loaded.scale,
        kernel=loaded.data.kernel,
        border=loaded.data.border,
        min_side=loaded.data.min_side,
        max_bad_share=loaded.data.max_bad_share,
    )
    report = build(raw, frames, target, options)
    for bad in report.quarantined:
        typer.echo(f"WARNING: left out {bad.path}: {bad.reason}", err=True)
    counts = ", ".join(f"{number} {split}" for split, number in report.pairs.items())
    typer.echo(
        f"{target}: pairs x{options.scale}: {counts}; bad files: {len(report.quarantined)}, "
        f"{report.bytes / 1e6:.1f} MB, data hash {report.sha256[:12]}",
        err=True,
    )
