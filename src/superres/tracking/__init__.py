"""Runs recorded in MLflow: live, or later from a run's journal."""

from superres.tracking.replay import import_run
from superres.tracking.store import Settings
from superres.tracking.tracker import MlflowTracker

__all__ = ["MlflowTracker", "Settings", "import_run"]
