"""`superres bench`: what one picture costs, beside SRResNet and bicubic so that ratios hold."""

import json
import re
import statistics
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

if TYPE_CHECKING:
    from superres.checkpoint import Model
    from superres.evaluation.efficiency import Spent
    from superres.images import Picture
    from superres.inference.upscaler import Upscaler


def bench(
    model: Annotated[str, typer.Option(help="name or model folder")] = "champion",
    scale: Annotated[int, typer.Option(min=1, help="of a baseline")] = 4,
    size: Annotated[str, typer.Option(help="LR picture, WIDTHxHEIGHT")] = "480x270",
    backend: Annotated[Literal["auto", "torch", "onnx", "openvino"], typer.Option()] = "auto",
    repeats: Annotated[int, typer.Option(min=1, help="timed rounds")] = 5,
    reference: Annotated[
        bool, typer.Option(help="time SRResNet and bicubic in the same rounds")
    ] = True,
    every_backend: Annotated[
        bool, typer.Option("--every-backend", help="time all that can open the model")
    ] = False,
    json_: Annotated[bool, typer.Option("--json", help="print JSON on stdout")] = False,
) -> None:
    """Upscale random pixels; print time, its ratio to SRResNet (16 blocks), work and memory."""
    import numpy as np
    import torch

    from superres.checkpoint import load_model
    from superres.evaluation.efficiency import spent_by, work_of
    from superres.images import Picture
    from superres.inference.upscaler import Upscaler

    width, height = _sides(size)
    opened = load_model(model, scale=scale)
    lr = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    upscaler = Upscaler(opened, backend=backend)
    spent = spent_by(work_of(upscaler, Picture(lr)))
    others, notes = _other_backends(opened, upscaler) if every_backend else ({}, {})
    timed = {"model": upscaler, **others, **(_references(opened.info.scale) if reference else {})}
    medians = _medians(timed, Picture(lr), repeats)
    found: dict[str, Any] = {
        "model": model,
        "size": f"{width}x{height}",
        "ms_median": round(medians["model"], 2),
        "fps": round(1000 / medians["model"], 2),
        "backend": upscaler.backend.name,
        "threads": torch.get_num_threads(),
        "ratio_to_srresnet": _ratio(medians, "srresnet"),
        "ratio_to_bicubic": _ratio(medians, "bicubic"),
        **_work(opened, height, width),
        **_taken(spent),
        "training_seconds": opened.provenance.get("training_seconds"),
    }
    if every_backend:
        names = {"model": upscaler.backend.name} | {name: name for name in others}
        found["backends"] = {names[key]: round(medians[key], 2) for key in names} | notes
    _tell(found, json_)


def _medians(timed: "dict[str, Upscaler]", lr: "Picture", repeats: int) -> dict[str, float]:
    """Return the milliseconds of a picture, or of a frame of a clip, by name."""
    from superres.evaluation.efficiency import frames_of, interleaved, work_of

    rounds = interleaved({name: work_of(one, lr) for name, one in timed.items()}, repeats)
    return {name: statistics.median(ms) / frames_of(timed[name]) for name, ms in rounds.items()}


def _tell(found: dict[str, Any], as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(found))
    else:
        typer.echo("  ".join(f"{key} {value}" for key, value in found.items()))


def _taken(spent: "Spent") -> dict[str, float | None]:
    return {
        "peak_memory_mib": None if spent.memory is None else round(spent.memory / 2**20, 1),
        "joules": None if spent.joules is None else round(spent.joules, 3),
    }


def _references(scale: int) -> "dict[str, Upscaler]":
    from superres.checkpoint import Model, load_model
    from superres.inference.upscaler import Upscaler
    from superres.models import build

    network = build("srresnet", scale=scale).eval()
    return {
        "srresnet": Upscaler(Model(network, network.info), backend="torch"),
        "bicubic": Upscaler(load_model("bicubic", scale=scale), backend="torch"),
    }


def _other_backends(
    model: "Model", opened: "Upscaler"
) -> "tuple[dict[str, Upscaler], dict[str, str]]":
    """Return the other backends that open the model, and why the rest do not."""
    from typing import get_args

    from superres.errors import ConfigError, ModelError
    from superres.inference.backends import BackendName
    from superres.inference.upscaler import Upscaler

    found: dict[str, Upscaler] = {}
    notes: dict[str, str] = {}
    for name in get_args(BackendName):
        if name in ("auto", opened.backend.name):
            continue
        try:
            found[name] = Upscaler(model, backend=name)
        except (ConfigError, ModelError) as error:
            notes[name] = f"left out: {error}"
    return found, notes


def _work(model: "Model", height: int, width: int) -> dict[str, Any]:
    """Return the counted cost of one picture, at a size that the network takes."""
    from superres.models.cost import cost

    step = model.info.multiple_of
    rows, columns = (max(model.info.minimum, -(-side // step) * step) for side in (height, width))
    counted = cost(model.generator, rows, columns)
    return {
        "output": f"{width * model.info.scale}x{height * model.info.scale}",
        "parameters": counted.parameters,
        "multiply_adds": counted.multiply_adds,
        "activations": counted.activations,
    }


def _ratio(medians: dict[str, float], name: str) -> float | None:
    return round(medians["model"] / medians[name], 5) if name in medians else None


def _sides(size: str) -> tuple[int, int]:
    found = re.fullmatch(r"([1-9][0-9]*)x([1-9][0-9]*)", size.lower())
    if found is None:
        raise typer.BadParameter(f"size '{size}': expected WIDTHxHEIGHT, as 480x270")
    return int(found[1]), int(found[2])
