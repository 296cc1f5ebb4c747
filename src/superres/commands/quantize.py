"""`superres quantize`: an int8 model folder made of a trained one."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer


def quantize(
    model: Annotated[str, typer.Argument(help="name or model folder")],
    *,
    data: Annotated[Path, typer.Option(help="HR pictures to calibrate on: training data")],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="folder; without it, beside the model")
    ] = None,
    pictures: Annotated[int, typer.Option(min=1, help="how many of them")] = 32,
    max_loss: Annotated[float, typer.Option(help="dB of PSNR-Y, on those pictures")] = 0.05,
    json_: Annotated[bool, typer.Option("--json", help="print JSON on stdout")] = False,
) -> None:
    """Quantise a model to int8 without training (superres[serve]).

    The result is a model of its own: it is evaluated, gated and served like any other, by
    OpenVINO or onnxruntime. It is not written when it loses more than --max-loss.
    """
    from superres.checkpoint import load_model
    from superres.release.quantisation import quantise

    opened = load_model(model)
    folder = opened.folder or Path(model)
    made = quantise(
        opened,
        out or folder.with_name(f"{folder.name}-int8"),
        data,
        pictures=pictures,
        max_loss=max_loss,
    )
    if json_:
        typer.echo(json.dumps({**asdict(made), "folder": made.folder.as_posix()}))
    else:
        typer.echo(
            f"{made.folder}: {made.version}, PSNR-Y {made.psnr_int8:.3f} dB on the calibration "
            f"pictures, {made.psnr_float:.3f} dB before",
            err=True,
        )
