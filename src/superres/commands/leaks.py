"""`superres leaks`: is a benchmark picture, or a part of it, among the training pictures?"""

import json
from pathlib import Path
from typing import Annotated

import typer


def leaks(
    train: Annotated[list[Path], typer.Argument(help="folders of training pictures, or files")],
    *,
    against: Annotated[
        list[str],
        typer.Option(help="set5, set14, bsd100, urban100, vid4, or a folder; several times"),
    ],
    json_: Annotated[bool, typer.Option("--json", help="print JSON on stdout")] = False,
) -> None:
    """Find training pictures that show what a benchmark picture shows.

    Copies made smaller or larger, recompressed, mirrored, cropped; also parts cut out, where they
    have corners enough. Exit code 1 when one was found.
    """
    from superres.data.leak_search import search
    from superres.progress import step_bar

    trained = [file for place in train for file in _pictures(place)]
    tested = [file for name in against for file in _benchmark(name)]
    with step_bar("leaks") as on_step:
        found = search(trained, tested, lambda done, whole: on_step(done, whole, {}))
    if json_:
        typer.echo(json.dumps(found.as_dict()))
    for leak in found.leaks:
        typer.echo(f"{leak.train} = {leak.test} ({leak.how})", err=True)
    shared, *pair = found.nearest
    nearest = f"; nearest: {' and '.join(pair)}, {shared} corners in common" if shared else ""
    typer.echo(
        f"{len(found.leaks)} leaks: {found.trained} training pictures against {found.tested}"
        f"{nearest}",
        err=True,
    )
    raise typer.Exit(1 if found.leaks else 0)


def _pictures(place: Path) -> list[Path]:
    from superres.errors import DataError
    from superres.images import FORMATS

    if place.is_file():
        return [place]
    files = (file for file in place.rglob("*") if file.suffix.lower() in FORMATS)
    found = sorted(file for file in files if not file.name.startswith("."))
    if not found:
        raise DataError(f"{place}: no picture there.")
    return found


def _benchmark(name: str) -> list[Path]:
    """Return the HR pictures of a named set, or those of a folder."""
    from superres.evaluation import find_set

    if Path(name).is_dir():
        return _pictures(Path(name))
    return [file for folder in find_set(name, 4).folders for file in _pictures(folder)]
