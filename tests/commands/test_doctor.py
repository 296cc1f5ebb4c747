"""`superres doctor` tells what is here and what to install."""

import json
from importlib.util import find_spec
from typing import Any

import pytest
import typer
from typer.testing import CliRunner, Result

from superres.commands import doctor as command

app = typer.Typer(pretty_exceptions_enable=False)
app.command()(command.doctor)


def run(*words: str) -> Result:
    return CliRunner().invoke(app, list(words))


def test_the_facts_as_json() -> None:
    result = run("--json")
    assert result.exit_code == 0
    found: dict[str, Any] = json.loads(result.stdout)
    assert found["devices"]["cpu"]["cores"] >= 1
    assert 0 < found["memory"]["free_bytes"] <= found["memory"]["total_bytes"]
    assert found["backends"] == {
        "torch": True,
        "onnx": True,
        "openvino": find_spec("openvino") is not None,
    }
    assert {"PNG", "JPEG", "WEBP", "TIFF", "BMP"} <= set(found["pictures"]["read and written"])
    assert "h264" in found["videos"]["codecs"]
    assert ".mp4" in found["videos"]["containers"]
    assert found["versions"]["torch"]


def test_the_same_for_people() -> None:
    result = run()
    assert result.exit_code == 0
    for word in ("devices:", "free_bytes:", "codecs: ", "onnxruntime: "):
        assert word in result.stdout


def test_what_is_missing_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    real = command._version
    lacking = {"onnxruntime"}
    monkeypatch.setattr(command, "_version", lambda name: None if name in lacking else real(name))
    result = run()
    assert result.exit_code == 0
    assert "onnxruntime is not installed; `pip install 'superres[serve]'`" in result.stderr
    lacking.add("torch")
    broken = run()
    assert broken.exit_code == 1
    assert "missing: torch" in broken.stderr
