"""The model folder, the only thing that travels, and the state that a training resumes from.

A model folder holds model.safetensors, model.json (facts and provenance) and README.md (card).
"""

import json
import logging
import os
import shutil
import zipfile
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save

from superres import pretrained
from superres.atomic import partial_name, replaced_folder
from superres.errors import ModelError, StorageError
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
    """Write a model folder as a whole: a reader sees the old one, the new one or none.

    Raises StorageError on a full disk; the old folder is then as it was.
    """
    weights = {name: value.contiguous() for name, value in generator.state_dict().items()}
    content = {"format": FORMAT, "info": generator.info.as_dict(), "provenance": provenance}
    text = json.dumps(content, indent=2, sort_keys=True) + "\n"
    try:
        with replaced_folder(folder) as staging:
            # As bytes: the library's own file is for its owner alone, a service has another user.
            (staging / "model.safetensors").write_bytes(save(weights))
            (staging / "model.json").write_text(text, encoding="utf-8")
            card = card or f"# {generator.info.name}\n"
            (staging / "README.md").write_text(card, encoding="utf-8")
    except (OSError, SafetensorError) as error:
        raise StorageError(f"{folder}: the model cannot be written ({error}).") from None
    return folder


def load_model(name_or_folder: str | Path, *, scale: int = 4) -> Model:
    """Open a model in eval mode: a baseline ("bicubic", at `scale`), "champion", a model folder,
    a trained experiment's name, or a shipped model's ("fast-x4").

    Until there is a champion, that is the shipped model for `scale`. Raises ModelError when there
    is no such model, or its files are damaged or do not fit.
    """
    name = str(name_or_folder)
    if name in BASELINES:
        generator = build(name, scale=scale).eval()
        return Model(generator, generator.info, {"version": name})
    return _read(model_folder(name, scale=scale))


def model_folder(name: str, *, scale: int = 4) -> Path:
    """Return the model folder that a name means; own trainings come before shipped models.

    Raises ModelError when there is none.
    """
    folder = CHAMPION if name == "champion" else Path(name)
    own = [folder] if name == "champion" else [folder, Path("models/runs") / name]
    for place in own:
        if (place / "model.json").is_file():
            return place
    if name == "champion":
        shipped = pretrained.default(scale) or pretrained.default()
        if shipped is not None:
            log.warning("no champion yet (superres promote): the shipped %s is used", shipped.name)
    else:
        shipped = pretrained.find(name)
    if shipped is not None:
        return shipped
    known = ", ".join(pretrained.folders()) or "none here; the repository's models/pretrained"
    raise ModelError(
        f"model '{name}': no model.json in {folder}. Accepted: 'champion' (after "
        f"'superres promote'), a baseline ({', '.join(sorted(BASELINES))}), a trained "
        f"experiment's name, a shipped model ({known}), or a model folder."
    )


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


def save_state(path: Path, state: dict[str, Any], keep: int = 2) -> None:
    """Write a training state whole; the newest `keep` of them stay, under `previous_state` names.

    Every record in it has its checksum. Raises StorageError on a full disk or any other refusal;
    the states before it are then untouched.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    staging = partial_name(path)
    try:
        with staging.open("wb") as stream:
            torch.save(state, stream)
            stream.flush()
            os.fsync(stream.fileno())
    except (OSError, RuntimeError) as error:
        raise _not_written(path, staging, error) from None
    # From the oldest to the newest: a kill between two moves leaves a gap, never a loss.
    for age in range(keep - 1, 0, -1):
        newer = previous_state(path, age - 1)
        if newer.exists():
            newer.replace(previous_state(path, age))
    staging.replace(path)
    for kept in _states(path)[keep:]:  # of a run that kept more
        kept.unlink(missing_ok=True)
    _sync_folder(path.parent)


def previous_state(path: Path, age: int = 1) -> Path:
    """Return where the state lies that is `age` saves older than the newest; 0: the newest."""
    if age == 0:
        return path
    return path.with_name(f"{path.name}.previous" + (f"-{age}" if age > 1 else ""))


def remove_states(path: Path) -> None:
    """Remove every state of a run that has ended."""
    for file in [*_states(path), partial_name(path)]:
        file.unlink(missing_ok=True)


def load_state(path: Path, key: str) -> dict[str, Any] | None:
    """Return the newest valid state whose "key" is `key`, or None when there is none.

    A damaged file, or one of another configuration or data version, is passed over with a
    warning, never loaded.
    """
    for candidate in _states(path):
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


def _states(path: Path) -> list[Path]:
    """Return the states there are, newest first."""
    older = {file for file in path.parent.glob(f"{path.name}.previous*") if file.is_file()}
    ages = sorted(int(file.name.rpartition("-")[2]) if "-" in file.suffix else 1 for file in older)
    return [file for file in (previous_state(path, age) for age in (0, *ages)) if file.is_file()]


def _read_state(path: Path) -> Any:
    with zipfile.ZipFile(path) as archive:
        damaged = archive.testzip()  # torch.load itself takes tensors unchecked
    if damaged is not None:
        raise ValueError(f"wrong checksum of {damaged}")
    return torch.load(path, map_location="cpu", weights_only=True)


def _not_written(path: Path, staging: Path, error: Exception) -> StorageError:
    written = staging.stat().st_size if staging.exists() else 0
    staging.unlink(missing_ok=True)
    free = shutil.disk_usage(path.parent).free
    kept = _states(path)
    rest = f"the state before it, {kept[0].name}, is whole" if kept else "there is none before it"
    return StorageError(
        f"{path}: the training state cannot be written ({error}; {written:,} bytes of it were, "
        f"{free:,} are free); {rest}. Make room and start the same command again."
    )


def _sync_folder(folder: Path) -> None:
    """Make the moves in a folder last through a power failure, where the system can."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
