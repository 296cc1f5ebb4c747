"""Every change of the champion, oldest first: an append-only list that decides who was first.

An entry is a version of the registered model `superres-history`. MLflow numbers versions itself
and gives no number twice, on SQLite and on a server alike, which makes it the one place where two
machines can agree on an order: an entry names the entry after which its writer judged, and is void
when another one came between. Nothing is ever deleted.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from superres.errors import ModelError
from superres.registry.versions import MODEL, ensure_model
from superres.tracking.store import Store

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion

HISTORY = "superres-history"
TOLD = (
    "Every change of the champion of 'superres', oldest first. Written by superres; never deleted."
)
VERSION, ACTION, AFTER, TIME, VOID = "champion", "action", "after", "time", "void"
PROMOTED, ROLLED_BACK = "promote", "rollback"


class ConflictError(ModelError):
    """Somebody else moved the champion between the judgement and the move."""


@dataclass(frozen=True)
class Entry:
    """One change: which version became champion, how and when (seconds since the epoch)."""

    number: int
    version: str
    action: str
    time: float


def read(store: Store) -> list[Entry]:
    """Return the valid entries, oldest first."""
    return _valid(_versions(store))


def head(store: Store) -> int:
    """Return the number of the last entry, valid or not; 0 for none."""
    found = _versions(store)
    return int(found[-1].version) if found else 0


def append(store: Store, version: str, action: str, after: int) -> int:
    """Add an entry that holds only when `after` is still the last one; return its number.

    Raises ConflictError when another entry came first; the entry stays, void.
    """
    ensure_model(store, HISTORY, TOLD)
    model = store.client.get_model_version(MODEL, version)
    tags = {VERSION: version, ACTION: action, AFTER: str(after), TIME: f"{time.time():.3f}"}
    made = store.client.create_model_version(HISTORY, str(model.source), model.run_id, tags=tags)
    number = int(made.version)
    first = next((one for one in _versions(store) if after < int(one.version) < number), None)
    if first is not None:
        void(store, number)
        raise ConflictError(
            f"version {version} was not made champion: in the meantime another process made "
            f"version {first.tags.get(VERSION)} champion ({first.tags.get(ACTION)}). It was judged "
            "against the champion before; run superres promote again."
        )
    return number


def void(store: Store, number: int) -> None:
    """Mark an entry whose change did not take place."""
    store.client.set_model_version_tag(HISTORY, str(number), VOID, "true")


def champions(entries: Sequence[Entry], before: Sequence[str] = ()) -> list[str]:
    """Return the champions to which a rollback can go, oldest first, the present one last.

    `before`: those of a registry that an earlier version of superres kept as a list.
    """
    stack = list(before)
    for entry in entries:
        if entry.action == ROLLED_BACK:
            stack = until(stack, entry.version)
        if stack[-1:] != [entry.version]:
            stack.append(entry.version)
    return stack


def until(stack: Sequence[str], version: str) -> list[str]:
    """Return the champions before the last time `version` was it; all when it never was."""
    if version not in stack:
        return list(stack)
    return list(stack[: len(stack) - 1 - list(stack)[::-1].index(version)])


def _valid(found: Sequence["ModelVersion"]) -> list[Entry]:
    entries = []
    last = 0
    for one in found:
        number, tags = int(one.version), one.tags
        if last <= int(tags.get(AFTER, last)) and VOID not in tags:
            when = float(tags.get(TIME, 0))
            entries.append(Entry(number, tags[VERSION], tags[ACTION], when))
        last = number
    return entries


def _versions(store: Store) -> list["ModelVersion"]:
    found: list[ModelVersion] = []
    token = None
    while True:
        page = store.client.search_model_versions(f"name = '{HISTORY}'", page_token=token)
        found += page
        token = page.token
        if not token:
            return sorted(found, key=lambda one: int(one.version))
