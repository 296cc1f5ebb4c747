"""A model folder opened by its export alone: no network is built and torch is not imported."""

import json
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from superres import pretrained
from superres.errors import ModelError
from superres.inference.backends import BackendName, Opened
from superres.inference.facts import is_int8
from superres.inference.openvino_runtime import has_openvino

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

    `prefer_export`: with the backend "auto" take the export if there is one: it starts in a
    second, where torch alone takes several.
    """
    folder = _exported_folder(name, scale)
    if folder is not None:
        exported = _read(folder)
        if _is_wanted(exported, backend, prefer_export=prefer_export):
            return exported
    from superres.checkpoint import load_model

    return load_model(name, scale=scale)


def _is_wanted(exported: ExportedModel, backend: BackendName, *, prefer_export: bool) -> bool:
    openvino, onnx = has_openvino(), find_spec("onnxruntime") is not None
    if backend == "auto":
        return (prefer_export or is_int8(exported)) and (openvino or onnx)
    return (backend == "openvino" and openvino) or (backend == "onnx" and onnx)


def _exported_folder(name: str, scale: int) -> Path | None:
    """Return the model folder of that name if it has an export, by the rule of `load_model`."""
    own = [CHAMPION] if name == "champion" else [Path(name), RUNS / name]
    shipped = pretrained.default(scale) if name == "champion" else pretrained.find(name)
    for folder in [*own, shipped]:
        if folder is not None and (folder / "model.json").is_file():
            return folder if (folder / "model.onnx").is_file() else None
    return None


def _read(folder: Path) -> ExportedModel:
    try:
        content = json.loads((folder / "model.json").read_text(encoding="utf-8"))
        info = content["info"]
        known = {key: info[key] for key in ExportFacts.__annotations__ if key in info}
        return ExportedModel(ExportFacts(**known), dict(content["provenance"]), folder)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{folder}/model.json: cannot be read ({error!r}).") from None
