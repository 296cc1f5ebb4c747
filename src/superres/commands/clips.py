"""`superres clips`: models over the frames of clips, steadiness beside fidelity."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from superres.evaluation import Pair
    from superres.report.over_time import Seen


def clips(
    models: Annotated[
        list[str],
        typer.Argument(help="names or folders; bicubic and a frame-wise SRGAN join"),
    ],
    data: Annotated[
        str, typer.Option(help="vid4, or a folder with a folder of HR frames for each clip")
    ] = "vid4",
    scale: Annotated[int, typer.Option(min=1)] = 4,
    frames: Annotated[
        int | None, typer.Option(min=2, help="of each clip, from its start; without it all")
    ] = None,
    shave: Annotated[int, typer.Option(min=0, help="HR pixels; video tables shave none")] = 0,
    out: Annotated[Path, typer.Option("--out", "-o", help="where the report goes")] = Path(
        "reports/clips"
    ),
    json_: Annotated[bool, typer.Option("--json", help="print JSON on stdout")] = False,
) -> None:
    """Measure PSNR and SSIM of every frame, flicker, tOF, tLP and warping error of every step.

    Writes a table, and for each clip a plot, a slice through time and a film side by side.
    """
    from superres.checkpoint import load_model
    from superres.evaluation import open_meters
    from superres.inference.upscaler import Upscaler
    from superres.report import over_time

    names = list(dict.fromkeys(["bicubic", *_frame_wise_gan(scale), *models]))
    upscalers = {name: Upscaler(load_model(name, scale=scale)) for name in names}
    wrong = [name for name, one in upscalers.items() if one.info.scale != scale]
    if wrong:
        raise typer.BadParameter(f"not for scale {scale}: {', '.join(wrong)}")
    meters = open_meters(["lpips", "temporal"])
    found = {}
    for clip, pairs in _clips(data, scale, frames).items():
        typer.echo(f"{clip}: {len(pairs)} frames", err=True)
        found[clip] = over_time.watch(upscalers, pairs, shave, meters)
    told = over_time.write_report(found, out, protocol=_protocol(found, shave))
    for note in meters.notes:
        typer.echo(note, err=True)
    typer.echo(f"{told}report: {out}", err=True)
    if json_:
        clips = {clip: _means(seen) for clip, seen in found.items()}
        typer.echo(json.dumps({"scale": scale, "shave": shave, "clips": clips}))


def _means(seen: "Sequence[Seen]") -> dict[str, Any]:
    """Return the figures of every model but HR, which is not measured."""
    from superres.report.over_time import TITLES

    return {one.name: {key: one.mean(key) for key in TITLES} for one in seen if one.rows}


def _frame_wise_gan(scale: int) -> list[str]:
    """Return the shipped SRGAN of this scale: what the reports saw flicker."""
    from superres import pretrained

    name = f"srgan-x{scale}"
    return [name] if name in pretrained.folders() else []


def _protocol(found: "Mapping[str, Sequence[Seen]]", shave: int) -> str:
    counts = ", ".join(f"{clip} {len(seen[0].rows)} frames" for clip, seen in found.items())
    return (
        f"Luma (BT.601) and uint8 output, {shave} HR pixels shaved, every frame counts ({counts}); "
        "LR by MATLAB's bicubic, made here. Flicker, tOF, tLP and warping error are means over "
        "steps from frame to frame; lower is steadier."
    )


def _clips(data: str, scale: int, frames: int | None) -> "dict[str, list[Pair]]":
    """Return the first frames of every clip."""
    from itertools import islice

    from superres.evaluation import find_set
    from superres.evaluation.pairs import clip_pairs

    folder = Path(data)
    places = sorted(one for one in folder.iterdir() if one.is_dir()) if folder.is_dir() else []
    places = places or ([folder] if folder.is_dir() else list(find_set(data, scale).folders))
    return {
        place.name: list(islice(clip_pairs(place, scale, place.name), frames)) for place in places
    }
