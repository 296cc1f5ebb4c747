"""`superres package`: the champion as a bento, and a proof that it serves."""

import json
from pathlib import Path
from typing import Annotated

import typer


def package(
    bento: Annotated[Path, typer.Option(help="exported bento")] = Path("models/superres.bento"),
    report: Annotated[Path, typer.Option(help="where package.json goes")] = Path("reports"),
    check: Annotated[
        Path | None,
        typer.Option(
            help="serve the bento and upscale this picture with it", exists=True, dir_okay=False
        ),
    ] = None,
) -> None:
    """Build the bento from bentofile.yaml, which packs models/champion.

    With --check, serve it from another folder and send it a picture.
    """
    from superres.bento import build, serving, upscale
    from superres.checkpoint import CHAMPION

    tag = build(CHAMPION, bento, report)
    typer.echo(f"{tag} -> {bento}", err=True)
    if check is not None:
        with serving(tag) as address:
            body, headers = upscale(address, check)
        from superres.images import decode

        made = decode(body)
        version = headers.get("x-superres-version", "?")
        typer.echo(
            f"the bento served {check.name}: {made.width}x{made.height}, model {version}", err=True
        )
        wanted = json.loads((report / "package.json").read_text(encoding="utf-8"))["champion"]
        if version != wanted:
            typer.echo(f"error: the bento serves {version}, expected {wanted}", err=True)
            raise typer.Exit(1)
