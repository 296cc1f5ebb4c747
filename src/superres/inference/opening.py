"""A model folder opened by its export alone: no network is built and torch is not imported."""

import json
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from superres.errors import ModelError
from superres.inference.backends import BackendName, Opened

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
    """A model folder without its network: for the backend "onnx"."""

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
    folder = _exported_folder(name)
    wanted = backend == "onnx" or (backend == "auto" and prefer_export)
    if folder is not None and wanted and find_spec("onnxruntime") is not None:
        return _read(folder)
    from superres.checkpoint import load_model

    return load_model(name, scale=scale)


def _exported_folder(name: str) -> Path | None:
    """Return the model folder of that name if it has an export, by the rule of `load_model`."""
    for folder in (CHAMPION,) if name == "champion" else (Path(name), RUNS / name):
        if (folder / "model.json").is_file():
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
