"""The model folder, the only thing that travels, and the state that a training resumes from.

A model folder holds model.safetensors, model.json (facts and provenance) and README.md (card).
"""

import json
import logging
import os
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from superres.atomic import partial_name, replaced_folder
from superres.errors import ModelError
from superres.models import BASELINES, Generator, ModelInfo, build

log = logging.getLogger(__name__)

CHAMPION = Path("models/champion")
FORMAT = 1


@dataclass(frozen=True)
class Model:
    """A generator with its facts, where it came from and the folder it was read from."""

    generator: Generator
    info: ModelInfo
    provenance: dict[str, Any] = field(default_factory=dict)
    folder: Path | None = None

    @property
    def version(self) -> str:
        """Return a short name of exactly these weights, for headers and metadata."""
        return str(self.provenance.get("version") or self.info.name)


def save_model(
    folder: Path, generator: Generator, provenance: dict[str, Any], card: str = ""
) -> Path:
    """Write a model folder as a whole: a reader sees the old one, the new one or none."""
    weights = {name: value.contiguous() for name, value in generator.state_dict().items()}
    content = {"format": FORMAT, "info": generator.info.as_dict(), "provenance": provenance}
    text = json.dumps(content, indent=2, sort_keys=True) + "\n"
    with replaced_folder(folder) as staging:
        save_file(weights, str(staging / "model.safetensors"))
        (staging / "model.json").write_text(text, encoding="utf-8")
        (staging / "README.md").write_text(card or f"# {generator.info.name}\n", encoding="utf-8")
    return folder


def load_model(name_or_folder: str | Path, *, scale: int = 4) -> Model:
    """Open "champion", a baseline ("bicubic", at `scale`), or a model folder; in eval mode.

    Raises ModelError when there is no such model, or its files are damaged or do not fit.
    """
    name = str(name_or_folder)
    if name in BASELINES:
        generator = build(name, scale=scale).eval()
        return Model(generator, generator.info, {"version": name})
    folder = CHAMPION if name == "champion" else Path(name_or_folder)
    if not (folder / "model.json").is_file():
        trained = Path("models/runs") / name
        if not (trained / "model.json").is_file():
            raise ModelError(
                f"model '{name}': no model.json in {folder}. Accepted: 'champion' (after "
                f"'superres promote'), a baseline ({', '.join(sorted(BASELINES))}), a trained "
                "experiment's name, or a model folder."
            )
        folder = trained
    return _read(folder)


def _read(folder: Path) -> Model:
    try:
        content = json.loads((folder / "model.json").read_text(encoding="utf-8"))
        if content["format"] != FORMAT:
            raise ValueError(f"format {content['format']}, this version reads {FORMAT}")
        info = ModelInfo.from_dict(content["info"])
        provenance = dict(content["provenance"])
        generator = build(info.name, **info.options)
    except (OSError, ValueError, KeyError, TypeError, ModelError) as error:
        raise ModelError(f"{folder}/model.json: cannot be read ({error!r}).") from None
    try:
        weights = load_file(str(folder / "model.safetensors"))
        generator.load_state_dict(weights)
    except (OSError, SafetensorError, RuntimeError) as error:
        raise ModelError(f"{folder}/model.safetensors: cannot be loaded ({error}).") from None
    broken = [name for name, value in weights.items() if not torch.isfinite(value.float()).all()]
    if broken:
        raise ModelError(f"{folder}/model.safetensors: NaN or infinite values in {broken}.")
    return Model(generator.eval(), info, provenance, folder)


def save_state(path: Path, state: dict[str, Any]) -> None:
    """Write a training state; the one before it is kept as `<name>.previous`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    staging = partial_name(path)
    with staging.open("wb") as stream:
        torch.save(state, stream)
        stream.flush()
        os.fsync(stream.fileno())
    if path.exists():
        path.replace(previous_state(path))
    staging.replace(path)


def previous_state(path: Path) -> Path:
    """Return where the state before `path` is kept."""
    return path.with_name(path.name + ".previous")


def load_state(path: Path, key: str) -> dict[str, Any] | None:
    """Return the newest valid state whose "key" is `key`, or None when there is none.

    A damaged file, or one of another configuration or data version, is passed over with a
    warning, never loaded.
    """
    for candidate in (path, previous_state(path)):
        if not candidate.is_file():
            continue
        try:
            state = _read_state(candidate)
        except Exception as error:  # a torn file fails in many ways, all of them mean: not valid
            log.warning("%s: not a valid state, passed over (%s)", candidate, error)
            continue
        if not isinstance(state, dict) or state.get("key") != key:
            log.warning("%s: of another configuration or data version, passed over", candidate)
            continue
        return state
    return None


def _read_state(path: Path) -> Any:
    with zipfile.ZipFile(path) as archive:
        damaged = archive.testzip()  # torch.load itself takes tensors unchecked
    if damaged is not None:
        raise ValueError(f"wrong checksum of {damaged}")
    return torch.load(path, map_location="cpu", weights_only=True)
