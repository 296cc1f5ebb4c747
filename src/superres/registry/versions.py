"""The versions of the registered model: a model folder each, found by its content."""

import hashlib
import json
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from superres.errors import ModelError
from superres.tracking.store import Store, existing

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion, RegisteredModel

MODEL = "superres"
CHAMPION = "champion"
CHAMPIONS = (
    "champions"  # tag of the registered model: a list kept before the history was one of entries
)
CONTENT = "content_sha256"
FOLDER = "artifact_folder"
LEFT = "rolled_back"  # tag of a version that a rollback took out of service


def content_hash(folder: Path) -> str:
    """Return the SHA-256 over the names and bytes of a folder's files."""
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        name = path.relative_to(folder).as_posix()
        digest.update(f"{name}\n{hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return digest.hexdigest()


def alias(store: Store) -> str | None:
    """Return the version that the alias `champion` names."""
    model = _model(store)
    version = model.aliases.get(CHAMPION) if model else None
    return None if version is None else str(version)


def point(store: Store, version: str) -> None:
    """Move the alias."""
    if LEFT in named(store, version).tags:
        store.client.delete_model_version_tag(MODEL, version, LEFT)
    store.client.set_registered_model_alias(MODEL, CHAMPION, version)


def older_champions(store: Store) -> list[str]:
    """Return the champions of a registry from before the history was kept as entries."""
    model = _model(store)
    listed = model.tags.get(CHAMPIONS, "[]") if model else "[]"
    return [str(version) for version in json.loads(listed)]


def versions(store: Store) -> dict[str, "ModelVersion"]:
    """Return the registered versions by number, oldest first."""
    found = store.client.search_model_versions(f"name = '{MODEL}'")
    return {str(version.version): version for version in sorted(found, key=_number)}


def _number(version: "ModelVersion") -> int:
    return int(version.version)


def named(store: Store, version: str) -> "ModelVersion":
    """Return a version; ModelError names the registered ones when it is not among them."""
    known = versions(store)
    if version not in known:
        raise ModelError(
            f"version '{version}' of '{MODEL}' is not registered; "
            f"registered: {', '.join(known) or 'none'}."
        )
    return known[version]


def with_content(store: Store, content: str) -> str | None:
    """Return the version with exactly these files, if there is one."""
    for number, version in versions(store).items():
        if version.tags.get(CONTENT) == content:
            return number
    return None


def new(store: Store, model_folder: Path, content: str) -> str:
    """Make the model folder a version of the run that trained it, or of a run made for it."""
    card = json.loads((model_folder / "model.json").read_text(encoding="utf-8"))
    provenance = card.get("provenance", {})
    run = store.reopen(provenance.get("run_id"))
    if run is None:
        name = str(provenance.get("experiment") or model_folder.resolve().name)
        run = store.create(name, time.time(), {"superres.registered_only": "true"})
        run.end("FINISHED", time.time())
    folder = f"registered/{content[:12]}"
    store.client.log_artifacts(run.run_id, str(model_folder), folder)
    ensure_model(store, MODEL)
    source = f"{store.client.get_run(run.run_id).info.artifact_uri}/{folder}"
    version = store.client.create_model_version(
        MODEL, source, run.run_id, tags={CONTENT: content, FOLDER: folder}
    )
    return str(version.version)


def ensure_model(store: Store, name: str, told: str | None = None) -> None:
    """Create a registered model that is not there; another process may be faster."""
    if existing(lambda: store.client.get_registered_model(name)) is not None:
        return
    try:
        store.client.create_registered_model(name, description=told)
    except Exception:
        if existing(lambda: store.client.get_registered_model(name)) is None:
            raise


def fetch(store: Store, version: str, folder: Path) -> None:
    """Copy a version's files into an empty folder and check them."""
    registered = named(store, version)
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


def _model(store: Store) -> "RegisteredModel | None":
    return existing(lambda: store.client.get_registered_model(MODEL))
