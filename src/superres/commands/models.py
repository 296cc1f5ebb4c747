"""`superres models`: every network and model folder, with its facts."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from superres.models import Generator

ROW = "{name:30} {scale:>5}  {scales:10} {parameters:>12}  {flops:>9}  {halo:>4}  {paper}"


def models(
    scale: Annotated[int, typer.Option(min=1, help="of the baselines and untrained networks")] = 4,
    folder: Annotated[Path, typer.Option(help="where model folders lie")] = Path("models"),
    json_: Annotated[bool, typer.Option("--json", help="print JSON on stdout")] = False,
) -> None:
    """List baselines, networks that experiments can name, and trained and shipped models.

    Parameters are those of the deployed form; FLOPs are multiply-adds for a 1280x720 result.
    """
    found = [*_networks(scale), *_folders(folder)]
    if json_:
        typer.echo(json.dumps(found))
        return
    words = ("name", "scale", "scales", "parameters", "flops", "halo", "paper")
    typer.echo(ROW.format(**{word: word for word in words} | {"flops": "FLOPs", "paper": "source"}))
    for one in found:
        typer.echo(ROW.format(**_words(one)))


def _networks(scale: int) -> Iterator[dict[str, Any]]:
    import torch

    from superres.errors import SuperresError
    from superres.models import BASELINES, MODELS, VIDEO_MODELS, build

    for name in (*MODELS, *VIDEO_MODELS):
        try:
            with torch.device("meta"):  # sizes without the numbers: nothing is allocated
                generator = build(name, scale=scale)
        except SuperresError as error:  # networks that double have no x3
            typer.echo(f"skipped: {error}", err=True)
            continue
        source = "baseline" if name in BASELINES else "network (untrained)"
        yield _facts(name, generator, source)


def _folders(folder: Path) -> Iterator[dict[str, Any]]:
    from superres import pretrained
    from superres.checkpoint import load_model
    from superres.errors import SuperresError

    files = sorted(folder.glob("**/model.json"))
    # A part with a dot is a folder that is being written.
    own = [file.parent for file in files if not _hidden(file.relative_to(folder))]
    here = {place.resolve() for place in own}
    shipped = [one for one in pretrained.folders().values() if one.resolve() not in here]
    for place in [*own, *shipped]:
        try:
            model = load_model(place)
        except SuperresError as error:
            typer.echo(f"skipped: {error}", err=True)
            continue
        yield _facts(model.version, model.generator, place.as_posix())


def _hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def _facts(name: str, generator: "Generator", source: str) -> dict[str, Any]:
    from superres.models import parameter_count
    from superres.models.cost import cost_at_hd

    parameters, multiply_adds = parameter_count(generator), None
    try:
        found = cost_at_hd(generator)
        parameters, multiply_adds = found.parameters, found.multiply_adds
    except Exception as error:  # networks of other projects may not compute without numbers
        typer.echo(f"{name}: FLOPs are not known ({error})", err=True)
    return {
        "name": name,
        "network": generator.info.name,
        "scale": generator.info.scale,
        "scales": list(generator.scales),  # empty: any whole number
        "parameters": parameters,
        "multiply_adds": multiply_adds,  # None: not known
        "halo": generator.info.halo,
        "paper": generator.paper,
        "source": source,
    }


def _words(one: dict[str, Any]) -> dict[str, str]:
    trained = "/" in one["source"]
    count = one["multiply_adds"]
    return {
        "name": one["name"],
        "scale": f"x{one['scale']}",
        "scales": " ".join(f"x{scale}" for scale in one["scales"]) or "any",
        "parameters": f"{one['parameters']:,}",
        "flops": "?" if count is None else f"{count / 1e9:,.2f} G",
        "halo": str(one["halo"]),
        "paper": one["source"] if trained else one["paper"],
    }
