"""The MLflow store and the experiment runs are recorded in.

Importing this file does not import MLflow; `connect` does, which takes about 5 seconds.
"""

import logging
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar

from superres.errors import ConfigError
from superres.tracking.run import Run

if TYPE_CHECKING:
    from mlflow import MlflowClient

Found = TypeVar("Found")

# No telemetry, no chatter, and a dead server is noticed in seconds instead of minutes.
SWITCHES = {
    "DO_NOT_TRACK": "true",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
}

KIND = {"mlflow.experimentKind": "custom_model_development"}  # what the UI opens with

LONGEST_REASON = 160  # characters


class Settings(Protocol):
    """Where runs are recorded: the `tracking` section of params.yaml."""

    @property
    def uri(self) -> str | None:
        """An MLflow tracking URI; None: SQLite in the project folder."""

    @property
    def experiment(self) -> str:
        """The MLflow experiment, a heading over many runs."""


@dataclass(frozen=True)
class Store:
    """An open tracking store and the experiment new runs go to."""

    client: "MlflowClient"
    experiment_id: str
    uri: str

    def create(self, name: str, started: float, tags: dict[str, str]) -> Run:
        """Begin a run; `started` in seconds since the epoch."""
        created = self.client.create_run(
            self.experiment_id, start_time=round(started * 1000), run_name=name, tags=tags
        )
        run_id = created.info.run_id
        return Run(self.client, run_id, started=started, link=self.link(run_id))

    def reopen(self, run_id: str | None) -> Run | None:
        """Return a recorded run to go on with; None when this store does not have it."""
        found = existing(lambda: self.client.get_run(run_id)) if run_id else None
        if run_id is None or found is None or found.info.lifecycle_stage != "active":
            return None
        started = found.info.start_time / 1000
        return Run(self.client, run_id, started=started, link=self.link(run_id))

    def find(self, tag: str, value: str) -> Run | None:
        """Return the newest run of the experiment with this tag."""
        quoted = value.replace("'", "")
        found = self.client.search_runs(
            [self.experiment_id], f"tags.`{tag}` = '{quoted}'", max_results=1
        )
        return self.reopen(found[0].info.run_id) if found else None

    def link(self, run_id: str) -> str | None:
        """Return the run's page, when the store is a server with pages."""
        if not self.uri.startswith("http"):
            return None
        uri = without_password(self.uri).rstrip("/")
        return f"{uri}/#/experiments/{self.experiment_id}/runs/{run_id}"


def connect(settings: Settings, root: Path) -> Store:
    """Open the tracking store, creating the experiment when it is new.

    Raises ConfigError when MLflow is not installed or the store does not answer.
    """
    for name, value in SWITCHES.items():
        os.environ.setdefault(name, value)
    try:
        from mlflow import MlflowClient
    except ImportError as error:
        raise ConfigError(
            f"MLflow cannot be imported ({error}); pip install 'superres[pipeline]'."
        ) from None
    logging.getLogger("urllib3.connectionpool").setLevel(logging.ERROR)  # each retry is no news
    uri = tracking_uri(settings, root)
    try:
        client = MlflowClient(tracking_uri=uri, registry_uri=uri)
        return Store(client, _experiment(client, settings.experiment, uri, root), uri)
    except Exception as error:  # SQLAlchemy, requests and MLflow each raise their own
        raise ConfigError(
            f"the tracking store {without_password(uri)} does not answer ({brief(error)}). "
            "Accepted for tracking.uri in params.yaml: null (SQLite here), sqlite:///FILE, "
            "http://HOST:PORT of an MLflow server."
        ) from error


def existing(look_up: Callable[[], Found]) -> Found | None:
    """Return what a look-up in MLflow finds; None when there is no such thing."""
    from mlflow.exceptions import MlflowException

    try:
        return look_up()
    except MlflowException as error:
        if error.error_code == "RESOURCE_DOES_NOT_EXIST":
            return None
        raise


def tracking_uri(settings: Settings, root: Path) -> str:
    """Return the URI to use: the setting, else $MLFLOW_TRACKING_URI, else <root>/mlflow.db.

    A relative SQLite path counts from `root`: stages, workers and tests run in other folders.
    """
    uri = settings.uri or os.environ.get("MLFLOW_TRACKING_URI") or "sqlite:///mlflow.db"
    if uri.startswith("sqlite:///"):
        return f"sqlite:///{root.resolve() / uri.removeprefix('sqlite:///')}"
    return uri


def without_password(text: str) -> str:
    """Return a URI, or a text with URIs, as it may be shown."""
    return re.sub(r"//[^/@\s]*@", "//", text)


def brief(error: BaseException) -> str:
    """Return an error in one short line; those of HTTP clients repeat themselves at length."""
    text = without_password(" ".join(str(error).split()))
    shown = text if len(text) <= LONGEST_REASON else text[:LONGEST_REASON] + "..."
    return shown or type(error).__name__


def _experiment(client: "MlflowClient", name: str, uri: str, root: Path) -> str:
    found = client.get_experiment_by_name(name)
    if found is None:
        # Without a server artifacts would go under the current folder of whoever comes first.
        artifacts = None if uri.startswith("http") else (root.resolve() / "mlartifacts").as_uri()
        try:
            return str(client.create_experiment(name, artifacts, tags=KIND))
        except Exception:  # another process may have been faster
            found = client.get_experiment_by_name(name)
            if found is None:
                raise
    return str(found.experiment_id)
