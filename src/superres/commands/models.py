"""`superres models`: every network and model folder, with its facts."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer


def models(
    scale: Annotated[int, typer.Option(min=1, help="of the baselines and untrained networks")] = 4,
    folder: Annotated[Path, typer.Option(help="where model folders lie")] = Path("models"),
    json_: Annotated[bool, typer.Option("--json", help="print JSON on stdout")] = False,
) -> None:
    """List baselines, networks that experiments can name, and trained models."""
    from superres.checkpoint import load_model
    from superres.errors import SuperresError
    from superres.models import BASELINES, MODELS, build, parameter_count

    found: list[dict[str, Any]] = []
    for name in MODELS:
        try:
            generator = build(name, scale=scale)
        except SuperresError as error:  # networks that double have no x3
            typer.echo(f"skipped: {error}", err=True)
            continue
        source = "baseline" if name in BASELINES else "network (untrained)"
        found.append(_facts(name, generator.info, parameter_count(generator), source))
    for path in sorted(folder.glob("**/model.json")):
        if any(part.startswith(".") for part in path.relative_to(folder).parts):
            continue  # a folder that is being written
        try:
            model = load_model(path.parent)
        except SuperresError as error:
            typer.echo(f"skipped: {error}", err=True)
            continue
        count = parameter_count(model.generator)
        found.append(_facts(model.version, model.info, count, path.parent.as_posix()))
    if json_:
        typer.echo(json.dumps(found))
        return
    for one in found:
        typer.echo(
            f"{one['name']:34} x{one['scale']}  {one['parameters']:>10,} parameters  "
            f"halo {one['halo']:>3}  {one['source']}"
        )


def _facts(name: str, info: Any, parameters: int, source: str) -> dict[str, Any]:
    return {
        "name": name,
        "network": info.name,
        "scale": info.scale,
        "parameters": parameters,
        "halo": info.halo,
        "source": source,
    }
