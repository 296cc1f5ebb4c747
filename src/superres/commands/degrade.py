"""`superres degrade`: LR pictures from HR ones, as MATLAB would make them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal

import typer

_PARTLY_FAILED = 3


def degrade(
    src: Annotated[Path, typer.Argument(exists=True, help="A picture, or a folder of them.")],
    dst: Annotated[Path, typer.Argument(file_okay=False, help="Folder for the LR PNG files.")],
    scale: Annotated[int, typer.Option(min=1, help="HR is this many times larger than LR.")],
    kernel: Annotated[str, typer.Option(help="bicubic, bilinear, box, lanczos2, lanczos3.")] = (
        "bicubic"
    ),
    border: Annotated[
        Literal["replicate", "reflect"],
        typer.Option(help="Edge pixels repeated, or mirrored as newer MATLAB releases do."),
    ] = "replicate",
    as_json: Annotated[bool, typer.Option("--json", help="A summary on stdout.")] = False,
) -> None:
    """Write LR PNGs of the mod-cropped pictures in SRC under the same names into DST.

    Depth, alpha and grey stay as they are. A bad file is reported and skipped; exit code 3 then,
    1 when nothing could be written.
    """
    from superres.data.degrade import KERNELS

    if kernel not in KERNELS:
        known = ", ".join(sorted(KERNELS))
        raise typer.BadParameter(f"{kernel!r} is unknown; accepted: {known}", param_hint="--kernel")
    if dst.resolve() == (src if src.is_dir() else src.parent).resolve():
        raise typer.BadParameter("must not be the folder of SRC", param_hint="DST")
    dst.mkdir(parents=True, exist_ok=True)
    files = _pictures(src)
    written, failed = _degrade_files(
        files, dst, lambda path, target: _degrade_file(path, target, scale, kernel, border)
    )
    if as_json:
        summary = {"input": str(src), "output": str(dst), "scale": scale, "kernel": kernel}
        typer.echo(json.dumps({**summary, "border": border, "written": written, "failed": failed}))
    if not written:
        typer.echo(f"{src}: no picture was written, of {len(files)} found", err=True)
        raise typer.Exit(1)
    if failed:
        raise typer.Exit(_PARTLY_FAILED)


def _pictures(src: Path) -> list[Path]:
    from superres.images import FORMATS

    if src.is_file():
        return [src]
    return sorted(p for p in src.iterdir() if p.is_file() and p.suffix.lower() in FORMATS)


def _degrade_files(
    files: list[Path], dst: Path, shrink: Callable[[Path, Path], None]
) -> tuple[int, list[dict[str, str]]]:
    """Return how many were written, and what failed with its reason."""
    from tqdm import tqdm

    from superres.errors import SuperresError

    written: dict[Path, Path] = {}
    failed = []
    for path in tqdm(files, unit="picture", disable=None):
        target = dst / f"{path.stem}.png"
        try:
            if target in written:
                raise SuperresError(f"{path}: {written[target].name} has the same name in {dst}")
            shrink(path, target)
            written[target] = path
        except (SuperresError, OSError) as error:
            typer.echo(str(error), err=True)
            failed.append({"input": str(path), "error": str(error)})
    return len(written), failed


def _degrade_file(
    path: Path, target: Path, scale: int, kernel: str, border: Literal["replicate", "reflect"]
) -> None:
    from dataclasses import replace

    from superres import images
    from superres.data.degrade import degrade as shrink
    from superres.errors import ConfigError, InputError

    hr = images.read(path)
    try:
        pixels = shrink(hr.pixels, scale, kernel, border)
    except ConfigError as error:
        raise InputError(f"{path}: {error}", code="too_small") from error
    alpha = None if hr.alpha is None else shrink(hr.alpha, scale, kernel, border)
    images.write(target, replace(hr, pixels=pixels, alpha=alpha))
