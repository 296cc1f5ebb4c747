"""Post-training quantisation: a trained model becomes an int8 model, a folder of its own."""

import copy
import hashlib
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version as version_of
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from superres.atomic import replaced_folder
from superres.checkpoint import Model, save_model
from superres.errors import ConfigError, DataError, ModelError
from superres.evaluation import Pair, evaluate, folder_pairs
from superres.images import Picture
from superres.inference.facts import is_int8
from superres.inference.upscaler import Upscaler
from superres.models import Generator
from superres.release.export import export_checked
from superres.release.int8 import METHOD, float_layers, write_int8

SIDE = 96  # LR pixels of a calibration crop
PICTURES = 32
MAX_LOSS = 0.05  # dB on the calibration pictures
EXPORT = "model.onnx"

CARD = """# {name}, int8

Quantised from `{source}` without training: {method}. {kept} of {all} convolutions stay float32,
because eight bits are too few there: {layers}.

Calibrated on {count} pictures of `{data}` (sha256 of their pixels `{sha256}`), x{scale}, bicubic.
PSNR-Y on them: {floats:.3f} dB as float32, {ints:.3f} dB as int8. OpenVINO gains from int8,
onnxruntime computes the same. What follows was said of the float32 model.

"""


@dataclass(frozen=True)
class Quantised:
    """A written int8 model: its folder, version and PSNR-Y in dB on the calibration pictures."""

    folder: Path
    version: str
    psnr_float: float
    psnr_int8: float


def quantise(
    model: Model, out: Path, data: Path, *, pictures: int = PICTURES, max_loss: float = MAX_LOSS
) -> Quantised:
    """Write `model` as an int8 model folder to `out`, calibrated on HR pictures of `data`.

    The same pictures, model and libraries give the same folder. Raises ConfigError without the
    libraries, ModelError for a model that cannot be quantised or loses more than `max_loss` dB,
    DataError for a folder without suitable pictures; `out` is then as it was.
    """
    _require(model, out)
    pairs = calibration_pairs(data, model, pictures)
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".quantise-", dir=out.parent) as place:
        floats, made = Path(place) / "float.onnx", Path(place) / "int8" / EXPORT
        export_checked(model, floats)
        kept, convolutions = float_layers(floats)
        made.parent.mkdir()
        write_int8(floats, made, pairs, list(kept))
        facts = _facts(model, made, data, pairs)
        int8 = replace(model, provenance=facts, folder=made.parent)
        before, after = (_psnr(Upscaler(one), pairs) for one in (model, int8))
        if not before - after <= max_loss:
            raise ModelError(
                f"{model.version}: int8 loses {before - after:.3f} dB on the calibration pictures "
                f"({after:.3f} against {before:.3f}), accepted: {max_loss:g}; {out} is not written."
            )
        layers = list(kept.values())
        facts["quantisation"] |= {"psnr_float": before, "psnr_int8": after, "float_layers": layers}
        staging = Path(place) / "folder"
        save_model(staging, _stored(model), facts, _card(model, out.name, facts, convolutions))
        made.replace(staging / EXPORT)
        with replaced_folder(out) as folder:
            for file in staging.iterdir():
                file.replace(folder / file.name)
    return Quantised(out, str(facts["version"]), before, after)


def _stored(model: Model) -> Generator:
    """Return the network in the floats that its own folder keeps: half is enough where it was."""
    is_half = model.provenance.get("storage", {}).get("half", False)
    return copy.deepcopy(model.generator).half() if is_half else model.generator


def calibration_pairs(data: Path, model: Model, count: int) -> list[Pair]:
    """Return `count` pairs, evenly chosen by name from a folder of HR pictures, centres cut out.

    Raises DataError when no picture of the folder is large enough.
    """
    if count < 1:
        raise ConfigError(f"pictures {count}: expected 1 or more to calibrate on.")
    scale, step = model.info.scale, model.info.multiple_of
    least = max(model.info.minimum, step, 16)
    found = [
        pair for pair in folder_pairs(data, scale) if min(pair.lr.height, pair.lr.width) >= least
    ]
    if not found:
        raise DataError(f"{data}: no picture of at least {scale * least} pixels a side.")
    chosen = [found[index * len(found) // count] for index in range(min(count, len(found)))]
    return [_centre(pair, scale, step) for pair in chosen]


def _centre(pair: Pair, scale: int, step: int) -> Pair:
    rows, columns = (min(SIDE, side) // step * step for side in (pair.lr.height, pair.lr.width))
    top, left = (pair.lr.height - rows) // 2, (pair.lr.width - columns) // 2

    def cut(picture: Picture, by: int) -> Picture:
        part = picture.pixels[by * top : by * (top + rows), by * left : by * (left + columns)]
        return replace(picture, pixels=part)

    return Pair(pair.set, pair.image, cut(pair.lr, 1), cut(pair.hr, scale))


def _facts(model: Model, made: Path, data: Path, pairs: Sequence[Pair]) -> dict[str, Any]:
    digest = hashlib.sha256()
    for pair in pairs:
        digest.update(np.ascontiguousarray(pair.lr.pixels).tobytes())
    own = hashlib.sha256(made.read_bytes()).hexdigest()
    return {
        **model.provenance,
        "precision": "int8",
        "version": f"{model.version}-int8-{own[:8]}",
        "quantised_from": model.version,
        "quantisation": {
            "method": METHOD,
            "data": data.name,
            "pictures": [pair.image for pair in pairs],
            "pictures_sha256": digest.hexdigest(),
            "onnx_sha256": own,
            "onnxruntime": version_of("onnxruntime"),
        },
    }


def _card(model: Model, name: str, facts: dict[str, Any], convolutions: int) -> str:
    how = facts["quantisation"]
    own = CARD.format(
        name=name,
        source=model.version,
        method=how["method"],
        kept=len(how["float_layers"]),
        all=convolutions,
        layers=", ".join(how["float_layers"]),
        count=len(how["pictures"]),
        data=how["data"],
        sha256=how["pictures_sha256"][:12],
        scale=model.info.scale,
        floats=how["psnr_float"],
        ints=how["psnr_int8"],
    )
    card = model.folder / "README.md" if model.folder else None
    said = card.read_text(encoding="utf-8") if card is not None and card.is_file() else ""
    return own + said.replace("\n# ", "\n## ").replace("# ", "## ", 1)


def _psnr(upscaler: Upscaler, pairs: Sequence[Pair]) -> float:
    rows = evaluate("calibration", upscaler, pairs, upscaler.info.scale)
    return float(np.mean([min(row.psnr_y, 100.0) for row in rows]))


def _require(model: Model, out: Path) -> None:
    """Refuse what cannot be quantised before anything is computed."""
    missing = [name for name in ("onnx", "onnxruntime") if find_spec(name) is None]
    if missing:
        raise ConfigError(f"quantising needs {' and '.join(missing)}: install superres[serve].")
    if model.folder is None:
        raise ModelError(f"'{model.info.name}' is a baseline; only a model folder is quantised.")
    if is_int8(model):
        raise ModelError(f"{model.version} is int8 already; quantise the model it was made from.")
    if model.info.kind != "image":
        raise ModelError(f"{model.version} is of kind '{model.info.kind}'; accepted: image.")
    if out.resolve() == model.folder.resolve():
        raise ConfigError(f"--out {out} is the model itself; name another folder.")
