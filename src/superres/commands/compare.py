"""`superres compare`: chosen models side by side, in one report that works offline."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from superres.config import Params
    from superres.report.ground import Ground


def compare(
    models: Annotated[
        list[str],
        typer.Argument(help="experiments, model folders, run folders, baselines or 'champion'"),
    ],
    data: Annotated[
        str, typer.Option(help="a test set of the pack, all of them: test, or a folder of HR")
    ] = "test",
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="a named set instead, as set5; repeatable")
    ] = None,
    lr: Annotated[Path | None, typer.Option(help="folder of LR pictures made elsewhere")] = None,
    scale: Annotated[
        int | None, typer.Option(min=1, help="without it, that of params.yaml")
    ] = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="where the report goes")] = Path(
        "reports/compare"
    ),
    pack: Annotated[Path, typer.Option(help="packed pairs")] = Path("data/pairs"),
    curves: Annotated[Path, typer.Option(help="training curves by experiment")] = Path(
        "reports/curves"
    ),
    params: Annotated[Path, typer.Option(help="what to run here")] = Path("params.yaml"),
    mlflow: Annotated[
        bool, typer.Option("--mlflow", help="record report and figures in MLflow, too")
    ] = False,
    json_: Annotated[bool, typer.Option("--json", help="print comparison.json on stdout")] = False,
) -> None:
    """Measure models on the same pictures, beside bicubic: is one really better than another?

    Writes index.html (one file, no network), evaluation.md for a pull request, CSV and JSON.
    """
    from superres import comparison
    from superres.config import load_params

    known = load_params(params)
    opened = comparison.open_models(models, scale or known.scale)
    factor = opened[comparison.REFERENCE].info.scale
    study = comparison.compare(opened, _ground(known, factor, (data, set_ or [], lr), pack, curves))
    comparison.write_report(study, out)
    for line in study.summary:
        typer.echo(line, err=True)
    typer.echo(f"report: {out / 'index.html'}", err=True)
    if mlflow:
        from superres.tracking.comparison import record

        typer.echo(f"recorded in MLflow: {record(study, out, known.tracking)}", err=True)
    if json_:
        typer.echo((out / "comparison.json").read_text(encoding="utf-8"), nl=False)


def _ground(
    known: "Params", scale: int, data: tuple[str, list[str], Path | None], pack: Path, curves: Path
) -> "Ground":
    from superres.report.ground import folder_ground, packed_ground, sets_ground

    name, sets, lr = data
    if sets:
        return sets_ground(known, sets, scale, curves)
    if Path(name).is_dir():
        return folder_ground(known, (Path(name), lr), scale, curves)
    if lr is not None:
        raise typer.BadParameter(f"--lr goes with a folder of HR pictures, not with data '{name}'")
    return packed_ground(known, pack, curves, name)
