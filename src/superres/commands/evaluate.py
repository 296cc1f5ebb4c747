"""`superres evaluate`: score one model, or all of params.yaml into reports/."""

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from superres.checkpoint import Model
    from superres.evaluation import Pair, Protocol, Row

KEYS = {"y": ("psnr_y", "ssim_y"), "rgb": ("psnr_rgb", "ssim_rgb")}


def evaluate(
    model: Annotated[
        str | None, typer.Option(help="name or folder; without it, all of params.yaml")
    ] = None,
    scale: Annotated[
        int | None, typer.Option(min=1, help="of a baseline, and for LR made here")
    ] = None,
    data: Annotated[
        str, typer.Option(help="a folder of HR pictures, or a test set of the pack")
    ] = "test",
    set_: Annotated[
        str | None,
        typer.Option("--set", help="instead: set5, set14, bsd100, urban100 or vid4"),
    ] = None,
    lr: Annotated[Path | None, typer.Option(help="folder of LR pictures made elsewhere")] = None,
    protocol: Annotated[
        str, typer.Option(help="y or rgb; more exactly, as y-shave4-uint8 or y-shave-x8")
    ] = "y",
    lpips: Annotated[str, typer.Option(help="its network: squeeze, alex or vgg")] = "squeeze",
    tile: Annotated[int | None, typer.Option(min=0, help="LR pixels; 0: the whole picture")] = None,
    pack: Annotated[Path, typer.Option(help="packed pairs")] = Path("data/pairs"),
    report: Annotated[Path, typer.Option(help="where the report goes")] = Path("reports"),
    params: Annotated[Path, typer.Option(help="what to run here")] = Path("params.yaml"),
    mlflow: Annotated[
        bool, typer.Option(help="record the report of all in MLflow; a dead store is a warning")
    ] = True,
    json_: Annotated[bool, typer.Option("--json", help="print JSON on stdout")] = False,
) -> None:
    """Compare what models make of LR pictures with the HR pictures."""
    asked = _protocol(protocol, set_)
    if set_ is not None and (data != "test" or lr is not None):
        raise typer.BadParameter(f"--set {set_} brings its own data; leave --data and --lr out")
    if model is None:
        _all(params, pack, report, mlflow=mlflow, as_json=json_)
        return
    opened = _opened(model, scale)
    factor = opened.info.scale
    pairs, made = _pairs(set_, data, lr, factor, pack)
    rows, notes = _rows(model, (opened, tile), pairs, asked, lpips)
    summary = {"model": model, "scale": factor, "data": set_ or data, "protocol": protocol}
    summary["protocol_options"] = {**asked.as_dict(factor), "lr": made}
    summary |= {"images": len(rows), **_figures(rows, asked.channel)}
    summary |= {"notes": notes} if notes else {}
    if json_:
        summary["per_image"] = [_image(row, asked.channel) for row in rows]
        typer.echo(json.dumps(_plain(summary), allow_nan=False))
        return
    _tell(summary, asked.border(factor), _measured(rows))


def _opened(model: str, scale: int | None) -> "Model":
    from superres.checkpoint import load_model

    opened = load_model(model, scale=scale or 4)
    if scale not in (None, opened.info.scale):
        raise typer.BadParameter(f"model '{model}' is x{opened.info.scale}, --scale says {scale}")
    return opened


def _tell(summary: dict[str, Any], border: int, others: "Sequence[str]") -> None:
    further = ", ".join(f"{key} {summary[key]:.4f}" for key in others)
    typer.echo(
        f"{summary['model']} x{summary['scale']} on {summary['data']} ({summary['images']} "
        f"pictures, {summary['protocol']}, {border} px shaved): PSNR {summary['psnr']:.3f} dB, "
        f"SSIM {summary['ssim']:.4f}, MSE {summary['mse']:.6f}; {further}"
    )
    for note in summary.get("notes", ()):
        typer.echo(note, err=True)


def _protocol(name: str, set_: str | None) -> "Protocol":
    """Read a protocol; tables of Vid4 shave nothing, so that is what it means there."""
    from superres.errors import ConfigError
    from superres.evaluation import read_protocol

    try:
        asked = read_protocol(name)
    except ConfigError as error:
        raise typer.BadParameter(str(error)) from None
    whole = set_ is not None and set_.lower() == "vid4" and asked.shave is None
    return replace(asked, shave=0) if whole else asked


def _all(params: Path, pack: Path, report: Path, *, mlflow: bool, as_json: bool) -> None:
    """Write the report over all of params.yaml; the table goes to stderr."""
    from superres.comparison import study_all, write_report
    from superres.config import load_params

    known = load_params(params)
    study = study_all(known, pack, report, Path("models/runs"))
    typer.echo(write_report(study, report, known.experiments), err=True)
    if mlflow:
        from superres.tracking.comparison import record_or_warn

        record_or_warn(study, report, known.tracking)
    if as_json:
        typer.echo((report / "evaluation.json").read_text(encoding="utf-8"), nl=False)


def _rows(
    model: str,
    opened: "tuple[Model, int | None]",
    pairs: "Sequence[Pair]",
    protocol: "Protocol",
    lpips: str,
) -> "tuple[list[Row], list[str]]":
    """Return the rows of a model, opened with a tile, and what could not be measured."""
    from superres.evaluation import evaluate as score
    from superres.evaluation import open_meters
    from superres.inference.upscaler import Upscaler

    if lpips not in ("squeeze", "alex", "vgg"):
        raise typer.BadParameter(f"--lpips {lpips}: accepted: squeeze, alex, vgg")
    upscaler = Upscaler(opened[0], tile=opened[1], ensemble=protocol.self_ensemble)
    meters = open_meters(net=lpips)
    border = protocol.border(upscaler.info.scale)
    rows = score(model, upscaler, pairs, border, rounding=protocol.rounding, meters=meters)
    return rows, list(meters.notes)


def _pairs(
    set_: str | None, data: str, lr: Path | None, scale: int, pack: Path
) -> "tuple[Sequence[Pair], str]":
    """Return the pairs and how their LR was made."""
    from superres.data.manifest import read_manifest
    from superres.errors import DataError
    from superres.evaluation import find_set, folder_pairs, packed_pairs

    if set_ is not None:
        found = find_set(set_, scale)
        return list(found.pairs(scale)), found.degradation
    if Path(data).is_dir():
        return list(folder_pairs(Path(data), scale, lr)), "bicubic" if lr is None else "given"
    if lr is not None:
        raise typer.BadParameter(f"--lr goes with a folder of HR pictures, not with data '{data}'")
    made = {row.degradation or row.kernel for row in read_manifest(pack)}
    packed = list(packed_pairs(pack))
    pairs = [pair for pair in packed if data in ("test", pair.set)]
    if not pairs:
        known = sorted({pair.set for pair in packed})
        raise DataError(f"data '{data}': no such folder, and not a test set of {pack}: {known}")
    if pairs[0].hr.height != pairs[0].lr.height * scale:
        raise DataError(f"{pack} is not for scale {scale}; set scale in params.yaml or --data DIR")
    return pairs, ", ".join(sorted(made))


def _figures(rows: "Sequence[Row]", channel: str) -> dict[str, float]:
    import numpy as np

    psnr, ssim = KEYS[channel]
    values = {"psnr": psnr, "ssim": ssim, "mse": "mse"} | {key: key for key in _measured(rows)}
    table = {key: [getattr(row, name) for row in rows] for key, name in values.items()}
    return {
        key: float(np.mean([value for value in column if value is not None]))
        for key, column in table.items()
    }


def _measured(rows: "Sequence[Row]") -> list[str]:
    """Return the further figures that at least one picture has."""
    from superres.evaluation import EXTRA

    names = ("colour_shift", *EXTRA)
    return [name for name in names if any(getattr(row, name) is not None for row in rows)]


def _plain(value: Any) -> Any:
    """Return `value` as strict JSON has it: the infinite PSNR of equal pictures becomes null."""
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _image(row: "Row", channel: str) -> dict[str, Any]:
    psnr, ssim = KEYS[channel]
    return {
        "set": row.set,
        "image": row.image,
        "psnr": getattr(row, psnr),
        "ssim": getattr(row, ssim),
        "mse": row.mse,
        "seconds": row.seconds,
        **{name: getattr(row, name) for name in _measured([row])},
    }
