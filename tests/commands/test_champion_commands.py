"""`superres promote --why` and `superres rollback --history` tell, and change nothing."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from superres import registry
from superres.__main__ import app
from superres.errors import ModelError
from superres.registry import Entry
from superres.release.verdict import Check, Verdict, write_verdict

PARAMS = "experiments: [sharp]\ndata: {sources: [{name: photographs}]}\n"


def test_why_prints_the_last_verdict(tmp_path: Path) -> None:
    check = Check("parameters", False, "9", "<= 1")
    write_verdict(Verdict("sharp-12345678", "old", (check,)), "refused", tmp_path)
    done = CliRunner().invoke(app, ["promote", "--why", "sharp", "--report", str(tmp_path)])
    assert done.exit_code == 0
    assert done.stdout.splitlines() == [
        "sharp-12345678: refused",
        "champion before: old",
        "broken:",
        "  parameters: found 9, accepted <= 1",
    ]
    unknown = CliRunner().invoke(app, ["promote", "--why", "x", "--report", str(tmp_path)])
    assert isinstance(unknown.exception, ModelError)


@pytest.mark.parametrize("json_", [False, True])
def test_the_history_is_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, json_: bool
) -> None:
    (tmp_path / "params.yaml").write_text(PARAMS)
    changes = [Entry(1, "1", "promote", 0.0), Entry(3, "2", "promote", 60.0)]
    monkeypatch.setattr(registry, "history", lambda settings: changes)
    words = ["rollback", "--history", "--params", str(tmp_path / "params.yaml")]
    done = CliRunner().invoke(app, [*words, *["--json"] * json_])
    assert done.exit_code == 0
    if json_:
        assert [one["version"] for one in json.loads(done.stdout)] == ["1", "2"]
    else:
        assert done.stdout.splitlines() == [
            "1970-01-01 00:00:00+00:00  promote   version 1",
            "1970-01-01 00:01:00+00:00  promote   version 2",
        ]
