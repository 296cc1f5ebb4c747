"""`superres frames`: ordered frames of the fetched videos."""

from pathlib import Path
from typing import Annotated

import typer


def frames(
    params: Annotated[Path, typer.Option(help="Which frames: its `data.sources`.")] = Path(
        "params.yaml"
    ),
    raw: Annotated[Path, typer.Option(help="What `superres fetch` filled.")] = Path("data/raw"),
    target: Annotated[Path, typer.Option(help="Folder to replace.")] = Path("data/frames"),
) -> None:
    """Extract PNG frames of every fetched video, with frames.csv and clips.csv.

    frames.csv has clip, number, moment and scene of every frame; clips.csv what is particular
    about a video: rotation, interlacing, depth, several streams, an uneven rate, a missing end.

    A video that cannot be decoded is left out and named; `superres pairs` counts it among the
    bad files.
    """
    from superres.config import load_params
    from superres.data.frames import extract

    report = extract(raw, target, load_params(params).data.sources)
    for bad in report.quarantined:
        typer.echo(f"warning: left out {bad.path}: {bad.reason}", err=True)
    for clip, number in report.frames.items():
        typer.echo(f"{target / clip}: {number} frames, {report.scenes[clip]} scenes", err=True)
        for note in report.notes[clip]:
            typer.echo(f"warning: {clip}: {note}", err=True)
    if not report.frames:
        typer.echo(f"{target}: no frames, {len(report.quarantined)} videos left out", err=True)
