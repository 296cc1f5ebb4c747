"""The registered model `superres`: versions, the champion, and the way back.

A version's artifacts are a model folder. The alias `champion` names the served version; every
change of it is an entry of the append-only history (`ledger`), which is what a rollback goes back
along and what decides between two promotions at the same time. Every function raises ConfigError
when the store does not answer and ModelError for a version or folder that is not there.
"""

import contextlib
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from superres.atomic import replaced_folder
from superres.errors import ModelError
from superres.registry import ledger
from superres.registry.ledger import ConflictError, Entry
from superres.registry.lock import locked
from superres.registry.versions import (
    CHAMPION,
    CONTENT,
    LEFT,
    MODEL,
    alias,
    content_hash,
    fetch,
    named,
    older_champions,
    point,
    versions,
    with_content,
)
from superres.registry.versions import new as new_version
from superres.tracking.store import Settings, Store, connect

__all__ = [
    "CHAMPION",
    "MODEL",
    "ConflictError",
    "Entry",
    "Standing",
    "champion",
    "content_hash",
    "download",
    "history",
    "locked",
    "register",
    "rollback",
    "rolled_back",
    "set_champion",
    "standing",
]

PATIENCE_SECONDS = 3.0  # for a promotion on another machine between its entry and the alias


@dataclass(frozen=True)
class Local:
    """The store when nobody says otherwise: SQLite in the current folder."""

    uri: str | None = None
    experiment: str = "superres"


HERE = Local()


@dataclass(frozen=True)
class Standing:
    """Who is champion, and the last entry of the history when that was so."""

    champion: str | None  # the alias: what is served
    recorded: (
        str | None
    )  # the history's last champion; another one when the alias was moved by hand
    head: int
    content: str | None = None  # hash of the champion's model folder


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
    version = with_content(store, content) or new_version(store, model_folder, content)
    figures = {f"metric.{name}": f"{value:.6g}" for name, value in metrics.items()}
    for key, value in {**tags, **figures}.items():
        store.client.set_model_version_tag(MODEL, version, key, value)
    return version


def standing(*, settings: Settings = HERE, root: Path | None = None) -> Standing:
    """Return who is champion now, to be given to set_champion after the judgement.

    When alias and history differ, a promotion elsewhere may be between the two: it is waited for,
    a little.
    """
    store = connect(settings, root or Path())
    until = time.monotonic() + PATIENCE_SECONDS
    while True:
        found = _standing(store)
        if found.champion == found.recorded or time.monotonic() > until:
            return found
        time.sleep(0.3)


def _standing(store: Store) -> Standing:
    head = ledger.head(store)  # first: what comes later is noticed by set_champion
    stack = _stack(store)
    now = alias(store)
    tags = versions(store)[now].tags if now in versions(store) else {}
    return Standing(now, stack[-1] if stack else None, head, tags.get(CONTENT))


def set_champion(
    version: str,
    *,
    judged: Standing | None = None,
    settings: Settings = HERE,
    root: Path | None = None,
) -> None:
    """Point the alias at a version and add it to the history.

    `judged`: the standing under which the version was judged. Raises ConflictError, and changes
    nothing, when the champion has moved since then.
    """
    store = connect(settings, root or Path())
    named(store, version)
    now = alias(store)
    if judged is not None and now != judged.champion:
        raise ConflictError(
            f"version {version} was judged against version {judged.champion or 'none'}, but the "
            f"champion is version {now or 'none'} by now; run superres promote again."
        )
    _move(store, version, ledger.PROMOTED, judged.head if judged else ledger.head(store))


def _move(store: Store, version: str, action: str, after: int) -> None:
    """Write the entry, then the alias; an alias that cannot be moved leaves a void entry."""
    number = ledger.append(store, version, action, after)
    try:
        point(store, version)
    except BaseException:
        with contextlib.suppress(Exception):  # the first error is the one to tell
            ledger.void(store, number)
        raise


def champion(*, settings: Settings = HERE, root: Path | None = None) -> str | None:
    """Return the served version, if any."""
    return alias(connect(settings, root or Path()))


def history(*, settings: Settings = HERE, root: Path | None = None) -> list[Entry]:
    """Return every change of the champion, oldest first."""
    return ledger.read(connect(settings, root or Path()))


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
    head, stack, current = ledger.head(store), _stack(store), alias(store)
    version = to or _previous(store, stack)
    named(store, version)
    stays = ledger.until(stack, version)
    with contextlib.ExitStack() as block:
        if target is not None:
            block.enter_context(locked(target))
            fetch(store, version, block.enter_context(replaced_folder(target)))
        _move(store, version, ledger.ROLLED_BACK, head)
    leaves = {current, *stack} - {version, *stays}
    for left in leaves.intersection(versions(store)):
        store.client.set_model_version_tag(MODEL, left, LEFT, f"to version {version}")
    return version


def _stack(store: Store) -> list[str]:
    return ledger.champions(ledger.read(store), older_champions(store))


def _previous(store: Store, stack: list[str]) -> str:
    """Return the latest champion before the present one that is still registered."""
    current, known = alias(store), versions(store)
    before = ledger.until(stack, current) if current else stack
    kept = [version for version in before if version in known]
    if not kept:
        raise ModelError(
            f"no earlier champion of '{MODEL}' to go back to (champion now: {current or 'none'}; "
            f"registered: {', '.join(known) or 'none'}). Choose one with --to VERSION."
        )
    return kept[-1]


def rolled_back(*, settings: Settings = HERE, root: Path | None = None) -> frozenset[str]:
    """Return the models that a rollback took out of service, by their tag `model_version`."""
    known = versions(connect(settings, root or Path())).values()
    names = (each.tags.get("model_version") for each in known if LEFT in each.tags)
    return frozenset(name for name in names if name)


def download(
    version: str, target: Path, *, settings: Settings = HERE, root: Path | None = None
) -> Path:
    """Put a version's model folder at `target`, whole or not at all; "champion" is accepted."""
    store = connect(settings, root or Path())
    found = alias(store) if version == CHAMPION else version
    if found is None:
        raise ModelError("no version is champion yet; superres promote makes one.")
    with replaced_folder(target) as fresh:
        fetch(store, found, fresh)
    return target
