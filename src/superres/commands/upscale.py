"""`superres upscale`: pictures, folders and videos through a model."""

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from superres.inference.library import Outcome, Progress, Task
    from superres.inference.upscaler import Upscaler

_PARTLY_FAILED = 3


def upscale(
    inputs: Annotated[list[Path], typer.Argument(help="Pictures, videos, folders of them.")],
    *,
    out: Annotated[Path, typer.Option("--out", "-o", help="File for one input, else a folder.")],
    model: Annotated[str, typer.Option(help="champion, a model folder or a name.")] = "champion",
    scale: Annotated[int | None, typer.Option(min=1, help="The factor wanted.")] = None,
    tile: Annotated[str, typer.Option(help="LR pixels, 0 for the whole, or auto.")] = "auto",
    backend: Annotated[Literal["auto", "torch", "onnx"], typer.Option()] = "auto",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1.")] = "auto",
    as_json: Annotated[bool, typer.Option("--json", help="One object per file.")] = False,
    overwrite: Annotated[bool, typer.Option(help="Replace outputs that exist.")] = False,
) -> None:
    """Upscale pictures, videos and folders (recursive, mirrored) with a model.

    Alpha, grey, 16 bits, colour profile and EXIF of pictures are kept, sound and timestamps of
    videos. A bad file is reported and skipped; exit code 3 then, 1 when every file failed.
    """
    tile_size = _tile(tile)
    from superres.checkpoint import load_model
    from superres.inference.library import collect
    from superres.inference.upscaler import Upscaler

    tasks = collect(inputs, out)
    opened = load_model(model, scale=scale or 4)
    if scale is not None and opened.info.scale != scale:
        message = f"model '{model}' upscales by {opened.info.scale}, not {scale}"
        raise typer.BadParameter(message, param_hint="--scale")
    upscaler = Upscaler(opened, tile=tile_size, backend=backend, device=device)
    failed = 0
    for outcome in _with_bars(upscaler, tasks, overwrite):
        failed += outcome.error is not None
        _report(outcome, as_json)
    if failed:
        raise typer.Exit(1 if failed == len(tasks) else _PARTLY_FAILED)


def _tile(text: str) -> int | None:
    if text == "auto":
        return None
    if not text.isdecimal():
        raise typer.BadParameter(f"{text!r}: expected auto, 0 or LR pixels", param_hint="--tile")
    return int(text)


def _with_bars(upscaler: "Upscaler", tasks: list["Task"], overwrite: bool) -> Iterator["Outcome"]:
    """Yield outcomes with bars on stderr: files, and frames of the current video."""
    from tqdm import tqdm

    from superres.inference.library import upscale_all

    files: Iterable[Task] = tqdm(tasks, unit="file", disable=None, leave=False)
    with _frame_bar() as progress:
        yield from upscale_all(upscaler, files, overwrite=overwrite, progress=progress)


@contextmanager
def _frame_bar() -> Iterator["Progress"]:
    from tqdm import tqdm

    with tqdm(unit="frame", disable=None, leave=False, position=1) as bar:

        def progress(done: int, total: int | None) -> None:
            if done == 1:
                bar.reset(total)
            bar.update(done - bar.n)

        yield progress


def _report(outcome: "Outcome", as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(outcome.as_dict(), ensure_ascii=False))
    elif outcome.error is None:
        where = f"{outcome.task.source} -> {outcome.task.target}"
        typer.echo(f"{where}: {outcome.width}x{outcome.height}, {outcome.seconds:.1f} s")
    if outcome.error is not None:
        said = outcome.error.removeprefix(f"{outcome.task.source}: ")
        typer.echo(f"error: {outcome.task.source}: {said}", err=True)
