"""`superres import-run` and `superres rollback` parse, call one function and print."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from superres import registry, tracking
from superres.__main__ import app
from superres.config import TrackingParams

PARAMS = """
experiments: [srgan-mse]
data: {sources: [{name: photographs}]}
tracking: {uri: "http://tracking:5000", experiment: team}
"""


@pytest.fixture
def params(tmp_path: Path) -> str:
    path = tmp_path / "params.yaml"
    path.write_text(PARAMS)
    return str(path)


def test_runs_are_imported_where_params_say(params: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def replay(folder: Path, settings: TrackingParams) -> str:
        asked.append((folder.name, settings.uri, settings.experiment))
        return f"id-of-{folder.name}"

    monkeypatch.setattr(tracking, "import_run", replay)
    words = ["import-run", "runs/a", "runs/b", "--params", params, "--json"]
    result = CliRunner().invoke(app, words, catch_exceptions=False)
    assert asked == [("a", "http://tracking:5000", "team"), ("b", "http://tracking:5000", "team")]
    assert json.loads(result.stdout) == [
        {"folder": "runs/a", "run_id": "id-of-a"},
        {"folder": "runs/b", "run_id": "id-of-b"},
    ]
    assert "runs/a: MLflow run id-of-a" in result.stderr


@pytest.mark.parametrize("to", [None, "2"])
def test_a_rollback_names_version_and_folder(
    to: str | None, params: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def go_back(to: str | None, *, target: Path, settings: TrackingParams) -> str:
        asked.append((to, str(target), settings.uri))
        return "2"

    monkeypatch.setattr(registry, "rollback", go_back)
    words = ["rollback", *(["--to", to] if to else []), "--params", params, "--json"]
    result = CliRunner().invoke(app, words, catch_exceptions=False)
    assert asked == [(to, "models/champion", "http://tracking:5000")]
    assert json.loads(result.stdout) == {"version": "2", "folder": "models/champion"}
    assert "version 2 again, in models/champion" in result.stderr
