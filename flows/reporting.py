"""What a flow shows of a run: a moving progress bar, a table at the end."""

import json
import logging
import re
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

from prefect.artifacts import (
    create_markdown_artifact,
    create_progress_artifact,
    create_table_artifact,
    update_progress_artifact,
)

log = logging.getLogger(__name__)

UPDATE_SECONDS = 2.0


class Progress:
    """A Prefect progress artifact that follows runs/<experiment>/progress.json.

    Prefect not answering is noted in the log and changes nothing else.
    """

    def __init__(self, experiment: str, runs: Path) -> None:
        self.experiment = experiment
        self._file = runs / experiment / "progress.json"
        self._began = time.time()
        self._shown: tuple[float, str] | None = None
        self._next = 0.0
        self._artifact: UUID | None = None
        self._show(0.0, f"{experiment}: starting")

    def tick(self) -> None:
        """Look at the file, every few seconds at most."""
        if time.monotonic() < self._next:
            return
        self._next = time.monotonic() + UPDATE_SECONDS
        shown = read_progress(self._file, self._began)
        if shown:
            self._show(*shown)

    def done(self) -> None:
        """Show the end of the bar."""
        self._show(100.0, f"{self.experiment}: done")

    def _show(self, percent: float, text: str) -> None:
        if self._shown == (percent, text):
            return
        self._shown = (percent, text)
        try:
            if self._artifact is None:
                made = create_progress_artifact(
                    percent, key=key_of("train", self.experiment), description=text
                )
                self._artifact = made if isinstance(made, UUID) else None
            else:
                update_progress_artifact(self._artifact, percent, text)
        except Exception as error:  # a training does not end because a bar cannot be drawn
            log.warning("progress is not shown: %s", error)


def read_progress(file: Path, since: float) -> tuple[float, str] | None:
    """Return percent and a line about what the training last wrote, unless an earlier run did."""
    try:
        if file.stat().st_mtime < since:
            return None
        told = json.loads(file.read_text(encoding="utf-8"))
        step, steps = int(told["step"]), max(1, int(told["steps"]))
        left = time.strftime("%H:%M:%S", time.gmtime(float(told["eta_seconds"])))
        text = f"step {step} of {steps}, phase {told['phase']}, {left} left ({told['status']})"
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return min(100.0, 100 * step / steps), f"{file.parent.name}: {text}"


def result_row(experiment: str, root: Path) -> dict[str, Any]:
    """Return the final metrics and the MLflow run of a trained experiment."""
    card = json.loads(
        (root / "models" / "runs" / experiment / "model.json").read_text(encoding="utf-8")
    )
    provenance = card.get("provenance", {})
    try:
        marker = json.loads((root / "runs" / experiment / "mlflow.json").read_text("utf-8"))
    except (OSError, ValueError):
        marker = {}  # trained elsewhere, or without MLflow
    run_id = provenance.get("run_id") or ""
    return {
        "experiment": experiment,
        **{name: round(value, 4) for name, value in provenance.get("metrics", {}).items()},
        "mlflow_run": run_id,
        "link": (marker.get("link") or "") if marker.get("run_id") == run_id else "",
    }


def show_table(name: str, rows: Sequence[dict[str, Any]], description: str) -> None:
    """Put a table on Prefect's page of the flow run."""
    create_table_artifact(table=list(rows), key=key_of(name), description=description)


def show_page(name: str, file: Path) -> None:
    """Put a Markdown report on Prefect's page of the flow run."""
    create_markdown_artifact(file.read_text(encoding="utf-8"), key=key_of(name))


def key_of(*parts: str) -> str:
    """Return an artifact key: lower case, digits and dashes."""
    return re.sub(r"[^a-z0-9]+", "-", "-".join(parts).lower()).strip("-")
