"""`superres evaluate`: score one model, or all of params.yaml into reports/."""

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from superres.evaluation import Pair, Row

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
    lr: Annotated[Path | None, typer.Option(help="folder of LR pictures made elsewhere")] = None,
    protocol: Annotated[str, typer.Option(help="y or rgb")] = "y",
    tile: Annotated[int | None, typer.Option(min=0, help="LR pixels; 0: the whole picture")] = None,
    pack: Annotated[Path, typer.Option(help="packed pairs")] = Path("data/pairs"),
    report: Annotated[Path, typer.Option(help="where the report goes")] = Path("reports"),
    params: Annotated[Path, typer.Option(help="what to run here")] = Path("params.yaml"),
    json_: Annotated[bool, typer.Option("--json", help="print JSON on stdout")] = False,
) -> None:
    """Compare what models make of LR pictures with the HR pictures."""
    if protocol not in KEYS:
        raise typer.BadParameter(f"protocol '{protocol}': accepted: y, rgb")
    if model is None:
        from superres.comparison import compare_all
        from superres.config import load_params

        typer.echo(compare_all(load_params(params), pack, report), err=True)
        if json_:
            typer.echo((report / "evaluation.json").read_text(encoding="utf-8"), nl=False)
        return
    from superres.checkpoint import load_model
    from superres.evaluation import evaluate as score
    from superres.inference.upscaler import Upscaler

    opened = load_model(model, scale=scale or 4)
    factor = opened.info.scale
    if scale not in (None, factor):
        raise typer.BadParameter(f"model '{model}' is x{factor}, --scale says {scale}")
    pairs = _pairs(data, lr, factor, pack)
    rows = score(model, Upscaler(opened, tile=tile), pairs, shave=factor)
    summary = {"model": model, "scale": factor, "data": data, "protocol": protocol}
    summary |= {"images": len(rows), **_figures(rows, protocol)}
    if json_:
        summary["per_image"] = [_image(row, protocol) for row in rows]
        typer.echo(json.dumps(_plain(summary), allow_nan=False))
        return
    typer.echo(
        f"{model} x{factor} on {data} ({len(rows)} pictures, {protocol}, {factor} px shaved): "
        f"PSNR {summary['psnr']:.3f} dB, SSIM {summary['ssim']:.4f}, MSE {summary['mse']:.6f}"
    )


def _pairs(data: str, lr: Path | None, scale: int, pack: Path) -> "Sequence[Pair]":
    from superres.errors import DataError
    from superres.evaluation import folder_pairs, packed_pairs

    if Path(data).is_dir():
        return list(folder_pairs(Path(data), scale, lr))
    if lr is not None:
        raise typer.BadParameter(f"--lr goes with a folder of HR pictures, not with data '{data}'")
    packed = list(packed_pairs(pack))
    pairs = [pair for pair in packed if data in ("test", pair.set)]
    if not pairs:
        known = sorted({pair.set for pair in packed})
        raise DataError(f"data '{data}': no such folder, and not a test set of {pack}: {known}")
    if pairs[0].hr.height != pairs[0].lr.height * scale:
        raise DataError(f"{pack} is not for scale {scale}; set scale in params.yaml or --data DIR")
    return pairs


def _figures(rows: "Sequence[Row]", protocol: str) -> dict[str, float]:
    import numpy as np

    psnr, ssim = KEYS[protocol]
    values = {"psnr": psnr, "ssim": ssim, "mse": "mse"}
    return {
        key: float(np.mean([getattr(row, name) for row in rows])) for key, name in values.items()
    }


def _plain(value: Any) -> Any:
    """Return `value` as strict JSON has it: the infinite PSNR of equal pictures becomes null."""
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _image(row: "Row", protocol: str) -> dict[str, Any]:
    psnr, ssim = KEYS[protocol]
    return {
        "image": row.image,
        "psnr": getattr(row, psnr),
        "ssim": getattr(row, ssim),
        "mse": row.mse,
        "seconds": row.seconds,
    }
