"""`superres pairs`: packed LR/HR pairs of everything fetched and extracted, or of a folder."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from superres.config import Params
    from superres.data.prepare import PairOptions


def pairs(
    params: Annotated[Path, typer.Option(help="Its `scale` and `data`.")] = Path("params.yaml"),
    raw: Annotated[Path, typer.Option(help="What `superres fetch` filled.")] = Path("data/raw"),
    frames: Annotated[Path, typer.Option(help="What `superres frames` filled.")] = Path(
        "data/frames"
    ),
    target: Annotated[Path, typer.Option("--target", "--out", help="Folder to replace.")] = Path(
        "data/pairs"
    ),
    folder: Annotated[
        Path | None,
        typer.Option(help="Pack all pictures below this folder instead of what was fetched."),
    ] = None,
    dask: Annotated[
        str | None,
        typer.Option(help="Dask scheduler, tcp://host:8786, instead of data.workers."),
    ] = None,
) -> None:
    """Degrade every picture to its LR and pack the pairs, with manifest.csv.

    Bad files are left out, named here and in quarantine.csv. As a stage the exit code then stays
    0, so that a pipeline goes on, until more than `data.max_bad_share` of the files are bad: then
    it is 1. With --folder it is 3 when a file was left out, however many.
    """
    from superres.config import load_params
    from superres.data.pairs import build, build_folder
    from superres.errors import InputError

    if folder is not None and target.resolve().is_relative_to(folder.resolve()):
        raise InputError(f"--out {target} lies in --folder {folder}; give a folder beside it.")
    options = _options(load_params(params), dask)
    if folder is None:
        report = build(raw, frames, target, options)
    else:
        report = build_folder(folder, target, options)
    for bad in report.quarantined:
        typer.echo(f"WARNING: left out {bad.path}: {bad.reason}", err=True)
    counts = ", ".join(f"{number} {split}" for split, number in report.pairs.items())
    typer.echo(
        f"{target}: pairs {options.describe()}: {counts}; bad files: {len(report.quarantined)}, "
        f"{report.bytes / 1e6:.1f} MB, data hash {report.sha256[:12]}",
        err=True,
    )
    if folder is not None and report.quarantined:
        raise typer.Exit(3)


def _options(params: "Params", dask: str | None) -> "PairOptions":
    from superres.data.prepare import PairOptions

    return PairOptions(
        scale=params.scale,
        kernel=params.data.kernel,
        border=params.data.border,
        min_side=params.data.min_side,
        max_bad_share=params.data.max_bad_share,
        workers=dask or params.data.workers,
        shard_bytes=params.data.shard_bytes,
        degradation=params.data.degradation,
        seed=params.seed,
        on_the_fly=params.data.on_the_fly,
        max_shift=params.data.max_shift,
    )
