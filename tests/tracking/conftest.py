"""One SQLite store for all tracking tests, and what they record in it."""

import io
import itertools
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from superres.config import TrackingParams
from superres.tracking.store import Store, connect
from superres.training.journal import RunInfo


@pytest.fixture(scope="session")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project folder; creating its database takes MLflow some seconds, once."""
    return tmp_path_factory.mktemp("project")


@pytest.fixture(scope="session")
def _names() -> Iterator[str]:
    return (f"experiment-{number}" for number in itertools.count())


@pytest.fixture
def settings(_names: Iterator[str]) -> TrackingParams:
    """An MLflow experiment of the test's own, in SQLite."""
    return TrackingParams(experiment=next(_names))


@pytest.fixture
def store(settings: TrackingParams, root: Path) -> Store:
    """The open store, to look into."""
    return connect(settings, root)


@pytest.fixture
def run_info(tmp_path: Path) -> Callable[..., RunInfo]:
    """Makes the description of a run in a folder of the test's own."""

    usual = RunInfo(
        name="srgan-mse",
        params={"batch_size": "16"},
        tags={"experiment": "srgan-mse", "git_commit": "abc-dirty", "data_sha256": "d" * 64},
        folder=tmp_path / "runs" / "srgan-mse",
    )
    return partial(replace, usual)


@pytest.fixture(scope="session")
def png() -> bytes:
    """A small picture."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.new("RGB", (8, 6), (200, 30, 60)).save(buffer, "PNG")
    return buffer.getvalue()
