"""The registered model `superres`: versions, the champion, and the way back.

A version's artifacts are a model folder. The alias `champion` names the served version; the tag
`champions` of the registered model lists, oldest first, the versions that held it, so that a
rollback is one call. Every function raises ConfigError when the store does not answer and
ModelError for a version or folder that is not there.
"""

import contextlib
import hashlib
import json
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from superres.atomic import replaced_folder
from superres.errors import ModelError
from superres.tracking.store import Settings, Store, connect, existing

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion, RegisteredModel

MODEL = "superres"
CHAMPION = "champion"
CHAMPIONS = "champions"
CONTENT = "content_sha256"
FOLDER = "artifact_folder"
LEFT = "rolled_back"  # tag of a version that a rollback took out of service


@dataclass(frozen=True)
class Local:
    """The store when nobody says otherwise: SQLite in the current folder."""

    uri: str | None = None
    experiment: str = "superres"


HERE = Local()


def register(
    model_folder: Path,
    metrics: Mapping[str, float],
    tags: Mapping[str, str],
    *,
    settings: Settings = HERE,
    root: Path | None = None,
) -> str:
    """Make the model folder a version and return its number.

    The version belongs to the run that trained the model when this store has it, else to a run
    made for it. The same content is registered once: its version is returned, with the new tags.
    """
    if not (model_folder / "model.json").is_file():
        raise ModelError(f"{model_folder}: no model.json; expected a model folder.")
    store = connect(settings, root or Path())
    content = content_hash(model_folder)
    version = _with_content(store, content) or _new_version(store, model_folder, content)
    figures = {f"metric.{name}": f"{value:.6g}" for name, value in metrics.items()}
    for key, value in {**tags, **figures}.items():
        store.client.set_model_version_tag(MODEL, version, key, value)
    return version


def set_champion(version: str, *, settings: Settings = HERE, root: Path | None = None) -> None:
    """Point the alias at a version and note it as the latest champion."""
    store = connect(settings, root or Path())
    _version(store, version)
    history = _champions(store)
    _point(store, version, history if history[-1:] == [version] else [*history, version])


def champion(*, settings: Settings = HERE, root: Path | None = None) -> str | None:
    """Return the served version, if any."""
    return _champion(connect(settings, root or Path()))


def rollback(
    to: str | None = None,
    *,
    target: Path | None = None,
    settings: Settings = HERE,
    root: Path | None = None,
) -> str:
    """Make an earlier version the champion again and return it.

    `to` names it; without it, the champion before the present one. With `target` its model
    folder takes the place of that folder, or, when anything fails, both stay as they are.
    """
    store = connect(settings, root or Path())
    history, current = _champions(store), _champion(store)
    version = to or _previous(store, history)
    _version(store, version)
    stays = _before(history, version)
    with contextlib.ExitStack() as stack:
        if target is not None:
            _fetch(store, version, stack.enter_context(replaced_folder(target)))
        _point(store, version, [*stays, version])
    leaves = {current, *history} - {version, *stays}
    for left in leaves.intersection(_versions(store)):
        store.client.set_model_version_tag(MODEL, left, LEFT, f"to version {version}")
    return version


def rolled_back(*, settings: Settings = HERE, root: Path | None = None) -> frozenset[str]:
    """Return the models that a rollback took out of service, by their tag `model_version`."""
    versions = _versions(connect(settings, root or Path())).values()
    names = (each.tags.get("model_version") for each in versions if LEFT in each.tags)
    return frozenset(name for name in names if name)


def download(
    version: str, target: Path, *, settings: Settings = HERE, root: Path | None = None
) -> Path:
    """Put a version's model folder at `target`, whole or not at all; "champion" is accepted."""
    store = connect(settings, root or Path())
    found = _champion(store) if version == CHAMPION else version
    if found is None:
        raise ModelError("no version is champion yet; superres promote makes one.")
    with replaced_folder(target) as fresh:
        _fetch(store, found, fresh)
    return target


def content_hash(folder: Path) -> str:
    """Return the SHA-256 over the names and bytes of a folder's files."""
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        name = path.relative_to(folder).as_posix()
        digest.update(f"{name}\n{hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return digest.hexdigest()


def _model(store: Store) -> "RegisteredModel | None":
    return existing(lambda: store.client.get_registered_model(MODEL))


def _champion(store: Store) -> str | None:
    model = _model(store)
    version = model.aliases.get(CHAMPION) if model else None
    return None if version is None else str(version)


def _champions(store: Store) -> list[str]:
    model = _model(store)
    listed = model.tags.get(CHAMPIONS, "[]") if model else "[]"
    return [str(version) for version in json.loads(listed)]


def _point(store: Store, version: str, history: list[str]) -> None:
    if LEFT in _version(store, version).tags:
        store.client.delete_model_version_tag(MODEL, version, LEFT)
    # The alias last: when the history cannot be written, the champion has not moved.
    store.client.set_registered_model_tag(MODEL, CHAMPIONS, json.dumps(history))
    store.client.set_registered_model_alias(MODEL, CHAMPION, version)


def _versions(store: Store) -> dict[str, "ModelVersion"]:
    """Return the registered versions by number, oldest first."""
    found = store.client.search_model_versions(f"name = '{MODEL}'")
    return {str(version.version): version for version in sorted(found, key=_number)}


def _number(version: "ModelVersion") -> int:
    return int(version.version)


def _version(store: Store, version: str) -> "ModelVersion":
    known = _versions(store)
    if version not in known:
        raise ModelError(
            f"version '{version}' of '{MODEL}' is not registered; "
            f"registered: {', '.join(known) or 'none'}."
        )
    return known[version]


def _before(history: list[str], version: str | None) -> list[str]:
    """Return the champions before the last time `version` was it; all when it never was."""
    if version not in history:
        return history
    return history[: len(history) - 1 - history[::-1].index(version)]


def _previous(store: Store, history: list[str]) -> str:
    """Return the latest champion before the present one that is still registered."""
    current, known = _champion(store), _versions(store)
    kept = [version for version in _before(history, current) if version in known]
    if not kept:
        raise ModelError(
            f"no earlier champion of '{MODEL}' to go back to (champion now: {current or 'none'}; "
            f"registered: {', '.join(known) or 'none'}). Choose one with --to VERSION."
        )
    return kept[-1]


def _with_content(store: Store, content: str) -> str | None:
    for number, version in _versions(store).items():
        if version.tags.get(CONTENT) == content:
            return number
    return None


def _new_version(store: Store, model_folder: Path, content: str) -> str:
    card = json.loads((model_folder / "model.json").read_text(encoding="utf-8"))
    provenance = card.get("provenance", {})
    run = store.reopen(provenance.get("run_id"))
    if run is None:
        name = str(provenance.get("experiment") or model_folder.resolve().name)
        run = store.create(name, time.time(), {"superres.registered_only": "true"})
        run.end("FINISHED", time.time())
    folder = f"registered/{content[:12]}"
    store.client.log_artifacts(run.run_id, str(model_folder), folder)
    if _model(store) is None:
        store.client.create_registered_model(MODEL)
    source = f"{store.client.get_run(run.run_id).info.artifact_uri}/{folder}"
    version = store.client.create_model_version(
        MODEL, source, run.run_id, tags={CONTENT: content, FOLDER: folder}
    )
    return str(version.version)


def _fetch(store: Store, version: str, folder: Path) -> None:
    """Copy a version's files into an empty folder and check them."""
    registered = _version(store, version)
    path = registered.tags.get(FOLDER)
    if path is None or registered.run_id is None:
        raise ModelError(f"version {version} of '{MODEL}' was not registered by superres.")
    with tempfile.TemporaryDirectory(dir=folder.parent) as temporary:
        copied = Path(store.client.download_artifacts(registered.run_id, path, temporary))
        for child in copied.iterdir():
            child.replace(folder / child.name)
    if content_hash(folder) != registered.tags.get(CONTENT):
        raise ModelError(
            f"the files of version {version} of '{MODEL}' are not those that were registered; "
            f"expected content {registered.tags.get(CONTENT)}."
        )
