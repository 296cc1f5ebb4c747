"""A run's journal (log.jsonl) replayed into MLflow, with the original times."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from superres.errors import DataError
from superres.tracking.run import Point, Run, Still
from superres.tracking.store import Settings, Store, connect
from superres.tracking.tracker import read_marker, write_marker

JOURNAL = "log.jsonl"
BEGUN = "superres.journal_start"  # hash of the first line: which run this is
CONTENT = "superres.journal_sha256"  # hash of the whole: what of it has been imported
KEYS = {  # what an entry must have beside kind and time
    "start": ("name", "params", "tags"),
    "metrics": ("step", "values"),
    "image": ("step", "name", "file"),
    "tag": ("step", "name", "value"),
    "finish": ("status", "model"),
}


@dataclass(frozen=True)
class Journal:
    """A parsed log.jsonl."""

    folder: Path
    start: dict[str, Any]
    entries: list[dict[str, Any]]
    start_sha256: str
    sha256: str

    @property
    def ended(self) -> float:
        """Return the time of the last entry."""
        return float(self.entries[-1]["time"] if self.entries else self.start["time"])

    @property
    def finish(self) -> dict[str, Any] | None:
        """Return the finish entry; None for a run that was cut off."""
        last = self.entries[-1] if self.entries else self.start
        return last if last["kind"] == "finish" else None


def import_run(folder: Path, settings: Settings, root: Path | None = None) -> str:
    """Bring a run folder's journal into MLflow and return the run id.

    The same journal again changes nothing; a longer one, or one that was only partly recorded
    live, is completed in the run it already has. Raises DataError for a folder without a
    readable journal and ConfigError when the store does not answer.
    """
    journal = read_journal(folder)
    store = connect(settings, root or Path())
    run = store.reopen(read_marker(folder)) or store.find(BEGUN, journal.start_sha256)
    if run is not None and run.tags().get(CONTENT) == journal.sha256:
        return run.run_id
    if run is None:
        run = _create(store, journal)
    else:
        run.read_back()
    _replay(journal, run)
    write_marker(folder, run)
    return run.run_id


def read_journal(folder: Path) -> Journal:
    """Read <folder>/log.jsonl; a torn last line, left by a killed process, is ignored."""
    path = folder / JOURNAL
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(
            f"{path}: cannot be read ({error.strerror}); expected a run folder, as runs/srgan-mse."
        ) from None
    lines = content.splitlines(keepends=True)
    entries = []
    for number, line in enumerate(lines, start=1):
        try:
            entries.append(_entry(line))
        except (ValueError, KeyError, TypeError) as error:
            if number == len(lines) and not line.endswith(b"\n"):
                break
            raise DataError(f"{path}, line {number}: not a journal entry ({error}).") from None
    if not entries or entries[0]["kind"] != "start":
        raise DataError(f"{path}: expected a first line of kind 'start', as superres train writes.")
    return Journal(folder, entries[0], entries[1:], _sha256(lines[0]), _sha256(content))


def _entry(line: bytes) -> dict[str, Any]:
    entry = json.loads(line)
    if not isinstance(entry, dict):
        raise TypeError(f"expected an object, found {type(entry).__name__}")
    kind = str(entry["kind"])
    missing = [key for key in ("time", *KEYS[kind]) if key not in entry]
    if missing:
        raise ValueError(f"'{kind}' without {', '.join(missing)}")
    return entry


def _create(store: Store, journal: Journal) -> Run:
    start = journal.start
    tags = {**start["tags"], BEGUN: journal.start_sha256}
    return store.create(start["name"], start["time"], tags)


def _replay(journal: Journal, run: Run) -> None:
    run.describe(journal.start["params"], journal.start["tags"])
    run.points(
        Point(entry["time"], int(entry["step"]), entry["values"])
        for entry in journal.entries
        if entry["kind"] == "metrics"
    )
    for entry in journal.entries:
        if entry["kind"] == "tag":
            run.tag(entry["name"], entry["value"])
        picture = journal.folder / entry["file"] if entry["kind"] == "image" else None
        if picture is not None and picture.is_file():
            png = picture.read_bytes()
            run.still(Still(entry["time"], int(entry["step"]), entry["name"], png))
    finish = journal.finish
    if finish and finish["model"] and (journal.folder / finish["model"]).is_dir():
        run.model((journal.folder / finish["model"]).resolve())
    run.end(finish["status"] if finish else "KILLED", journal.ended)
    run.tag(BEGUN, journal.start_sha256)
    run.tag(CONTENT, journal.sha256)  # last: an import that was cut off is done again


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
