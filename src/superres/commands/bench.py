"""`superres bench`: time of one picture, interleaved with SRResNet so that ratios hold anywhere."""

import json
import re
import statistics
import time
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from superres.images.picture import Pixels
    from superres.inference.upscaler import Upscaler


def bench(
    model: Annotated[str, typer.Option(help="name or model folder")] = "champion",
    scale: Annotated[int, typer.Option(min=1, help="of a baseline")] = 4,
    size: Annotated[str, typer.Option(help="LR picture, WIDTHxHEIGHT")] = "480x270",
    backend: Annotated[Literal["auto", "torch", "onnx"], typer.Option()] = "auto",
    repeats: Annotated[int, typer.Option(min=1, help="timed rounds")] = 5,
    reference: Annotated[bool, typer.Option(help="time SRResNet in the same rounds")] = True,
    json_: Annotated[bool, typer.Option("--json", help="print JSON on stdout")] = False,
) -> None:
    """Upscale random pixels and print the median time and its ratio to SRResNet (16 blocks)."""
    import numpy as np
    import torch

    from superres.checkpoint import Model, load_model
    from superres.inference.upscaler import Upscaler
    from superres.models import build

    width, height = _sides(size)
    opened = load_model(model, scale=scale)
    timed = {"model": Upscaler(opened, backend=backend)}
    if reference:
        network = build("srresnet", scale=opened.info.scale).eval()
        timed["srresnet"] = Upscaler(Model(network, network.info), backend="torch")
    lr = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    spent = _rounds(timed, lr, repeats)
    median = statistics.median(spent["model"])
    found = {
        "model": model,
        "size": f"{width}x{height}",
        "ms_median": round(median, 2),
        "fps": round(1000 / median, 2),
        "backend": timed["model"].backend.name,
        "threads": torch.get_num_threads(),
        "ratio_to_srresnet": round(median / statistics.median(spent["srresnet"]), 5)
        if reference
        else None,
    }
    if json_:
        typer.echo(json.dumps(found))
    else:
        typer.echo("  ".join(f"{key} {value}" for key, value in found.items()))


def _sides(size: str) -> tuple[int, int]:
    found = re.fullmatch(r"([1-9][0-9]*)x([1-9][0-9]*)", size.lower())
    if found is None:
        raise typer.BadParameter(f"size '{size}': expected WIDTHxHEIGHT, as 480x270")
    return int(found[1]), int(found[2])


def _rounds(timed: "dict[str, Upscaler]", lr: "Pixels", repeats: int) -> dict[str, list[float]]:
    spent: dict[str, list[float]] = {name: [] for name in timed}
    for turn in range(repeats + 1):  # the first round warms up
        for name, upscaler in timed.items():
            begun = time.perf_counter()
            upscaler.pixels(lr)
            if turn:
                spent[name].append(1000 * (time.perf_counter() - begun))
    return spent
