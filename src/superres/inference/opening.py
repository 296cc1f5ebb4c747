"""A model folder opened by its export alone: no network is built and torch is not imported."""

import ctypes
import json
import logging
import os
import sys
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from superres import pretrained
from superres.errors import ModelError
from superres.inference.backends import EXPORT, BackendName, Opened
from superres.inference.facts import is_int8
from superres.inference.openvino_runtime import has_openvino
from superres.inference.precision import Precision

log = logging.getLogger(__name__)

RUNS = Path("models/runs")
CHAMPION = Path("models/champion")


@dataclass(frozen=True)
class ExportFacts:
    """What model.json says of a network."""

    name: str
    scale: int
    kind: str = "image"
    halo: int = 0
    multiple_of: int = 1
    minimum: int = 1


@dataclass(frozen=True)
class ExportedModel:
    """A model folder without its network: for the backends "onnx" and "openvino"."""

    info: ExportFacts
    provenance: dict[str, Any] = field(default_factory=dict)
    folder: Path | None = None

    @property
    def version(self) -> str:
        """Short name of exactly these weights."""
        return str(self.provenance.get("version") or self.info.name)


def open_model(
    name: str, *, scale: int = 4, backend: BackendName = "auto", prefer_export: bool = False
) -> Opened:
    """Open a model as `checkpoint.load_model`, by its export where that is what computes.

    `prefer_export`: with the backend "auto" take the export of a network of pictures if there is
    one: it starts in a second, where torch alone takes several and 600 MiB.
    """
    folder = _exported_folder(name, scale)
    if folder is not None:
        exported = _read(folder)
        if _is_wanted(exported, backend, prefer_export=prefer_export):
            if name == "champion" and folder != CHAMPION:
                log.warning(
                    "no champion yet (superres promote): the shipped %s is used", folder.name
                )
            return exported
    from superres.checkpoint import load_model

    return load_model(name, scale=scale)


def computes_without_torch(device: str, precision: Precision) -> bool:
    """Tell whether "auto" means OpenVINO for every export; torch would only be loaded for it."""
    if device not in ("auto", "cpu") or precision == "float16" or not has_openvino():
        return False
    return device == "cpu" or not has_gpu_driver()


def has_gpu_driver() -> bool:
    """Tell whether torch might find a GPU, without importing it to ask."""
    if os.environ.get("CUDA_VISIBLE_DEVICES", "all") in ("", "-1"):
        return False
    if Path("/dev/kfd").exists():  # AMD's, which torch calls CUDA as well
        return True
    try:
        ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
    except OSError:
        return False
    return True


def _is_wanted(exported: ExportedModel, backend: BackendName, *, prefer_export: bool) -> bool:
    openvino, onnx = has_openvino(), find_spec("onnxruntime") is not None
    if backend == "auto":
        suits = prefer_export and exported.info.kind == "image"
        return (suits or is_int8(exported)) and (openvino or onnx)
    return (backend == "openvino" and openvino) or (backend == "onnx" and onnx)


def _exported_folder(name: str, scale: int) -> Path | None:
    """Return the model folder of that name if it has an export, by the rule of `load_model`."""
    for folder in [CHAMPION] if name == "champion" else [Path(name), RUNS / name]:
        if (folder / "model.json").is_file():
            return folder if (folder / EXPORT).is_file() else None
    if name == "champion":
        shipped = pretrained.default(scale) or pretrained.default()
    else:
        shipped = pretrained.find(name)
    return shipped if shipped is not None and (shipped / EXPORT).is_file() else None


def _read(folder: Path) -> ExportedModel:
    try:
        content = json.loads((folder / "model.json").read_text(encoding="utf-8"))
        info = content["info"]
        known = {key: info[key] for key in ExportFacts.__annotations__ if key in info}
        return ExportedModel(ExportFacts(**known), dict(content["provenance"]), folder)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{folder}/model.json: cannot be read ({error!r}).") from None
