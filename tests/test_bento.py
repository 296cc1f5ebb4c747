"""Building and serving a bento, with a stand-in for BentoML's command line."""

import json
import os
import subprocess
import time
from pathlib import Path

import pytest
from small import write_model

from superres import bento
from superres.errors import ModelError

STAND_IN = """
import http.server, os, pathlib, sys

def note(text):
    with open(pathlib.Path(os.environ["BENTOML_HOME"]) / "calls.txt", "a") as stream:
        stream.write(text + "\\n")

class Service(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/readyz" else 404)
        self.end_headers()

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        boundary = self.headers["Content-Type"].partition("boundary=")[2].encode()
        head, _, picture = body.partition(b"\\r\\n\\r\\n")
        picture, _, rest = picture.rpartition(b"\\r\\n--" + boundary + b"--")
        good = self.path == "/upscale" and b'name="image"' in head and rest == b"\\r\\n"
        self.send_response(200 if good and picture else 415)
        self.send_header("X-SuperRes-Version", "sharp-v")
        self.end_headers()
        self.wfile.write(picture[::-1] if picture else b'{"code": "empty"}')

    def log_message(self, *words):
        pass

words = sys.argv[1:]
note(" ".join(words))
if os.environ.get("STAND_IN_FAILS") == words[0]:
    sys.exit("no such service")
if words[0] == "build":
    print("__tag__:superres:abc123" if "STAND_IN_MUTE" not in os.environ else "built")
elif words[0] == "export":
    pathlib.Path(words[2]).write_bytes(b"bento of " + words[1].encode())
else:
    note(f"pid {os.getpid()} in {pathlib.Path.cwd()}")
    port = int(words[words.index("--port") + 1])
    http.server.HTTPServer(("127.0.0.1", port), Service).serve_forever()
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """BentoML's home; the stand-in is found before the real package."""
    package = tmp_path / "stand_in" / "bentoml"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "__main__.py").write_text(STAND_IN)
    monkeypatch.setenv("PYTHONPATH", str(package.parent))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "home").mkdir()
    return Path("home")  # relative, as the default


def calls(home: Path) -> list[str]:
    return (home / "calls.txt").read_text().splitlines()


def test_a_bento_is_built_exported_and_reported(home: Path, tmp_path: Path) -> None:
    champion = write_model(tmp_path / "models" / "sharp", 0.05)
    file, report = tmp_path / "models" / "superres.bento", tmp_path / "reports"
    assert bento.build(champion, file, report, home) == "superres:abc123"
    assert file.read_bytes() == b"bento of superres:abc123"
    assert json.loads((report / "package.json").read_text()) == {
        "champion": "sharp-v",
        "service": "superres",
    }
    assert [call.split()[0] for call in calls(home)] == ["build", "export"]
    assert sorted(path.name for path in file.parent.iterdir()) == ["sharp", "superres.bento"]


def test_without_a_champion_nothing_is_built(home: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"champion.*superres promote"):
        bento.build(tmp_path / "champion", tmp_path / "x.bento", tmp_path, home)
    assert not (home / "calls.txt").exists()


@pytest.mark.parametrize("step", ["build", "export"])
def test_a_failed_command_is_told_in_its_own_words(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    monkeypatch.setenv("STAND_IN_FAILS", step)
    champion = write_model(tmp_path / "models" / "sharp", 0.05)
    file = tmp_path / "models" / "superres.bento"
    file.write_bytes(b"the one before")
    with pytest.raises(ModelError, match=rf"bentoml {step} failed:\nno such service"):
        bento.build(champion, file, tmp_path / "reports", home)
    assert file.read_bytes() == b"the one before"
    assert sorted(path.name for path in file.parent.iterdir()) == ["sharp", "superres.bento"]
    assert not (tmp_path / "reports").exists()


def test_a_build_without_a_tag_is_an_error(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STAND_IN_MUTE", "1")
    champion = write_model(tmp_path / "models" / "sharp", 0.05)
    with pytest.raises(ModelError, match="named no tag: built"):
        bento.build(champion, tmp_path / "superres.bento", tmp_path, home)


def test_commands_have_their_own_home_and_no_telemetry(home: Path) -> None:
    found = bento.environment(home)
    assert Path(found["BENTOML_HOME"]) == home.resolve()
    assert Path(found["BENTOML_HOME"]).is_absolute()
    assert found["BENTOML_DO_NOT_TRACK"] == "True"
    assert found["PATH"] == os.environ["PATH"]


def test_a_served_bento_answers_and_ends(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")  # nobody; must not be asked
    (tmp_path / "picture.png").write_bytes(b"\r\n--pixels--\r\n")
    (tmp_path / "empty.png").write_bytes(b"")
    with bento.serving("superres:abc123", home) as address:
        body, headers = bento.upscale(address, tmp_path / "picture.png")
        assert body == b"\r\n--pixels--\r\n"[::-1]
        assert headers["x-superres-version"] == "sharp-v"
        with pytest.raises(ModelError, match=r"POST /upscale: 415 .*empty"):
            bento.upscale(address, tmp_path / "empty.png")
    served, started = calls(home)
    assert served.startswith("serve superres:abc123 --host 127.0.0.1 --port ")
    _, pid, _, folder = started.split()
    assert not Path(folder).exists()
    assert tmp_path not in Path(folder).parents
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid), 0)
    with pytest.raises(ModelError, match="no answer from"):
        bento.upscale(address, tmp_path / "picture.png")


def test_a_server_that_ends_early_is_not_waited_for(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STAND_IN_FAILS", "serve")
    begun = time.monotonic()
    with (
        pytest.raises(ModelError, match=r"the bento ended with 1:\nno such service"),
        bento.serving("superres:abc123", home),
    ):
        pass
    assert time.monotonic() - begun < 30


def test_a_server_that_is_never_ready_is_given_up_and_stopped(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopped: list[subprocess.Popen[bytes]] = []
    stop = bento._stop

    def remember(server: "subprocess.Popen[bytes]") -> None:
        stop(server)
        stopped.append(server)

    monkeypatch.setattr(bento, "_stop", remember)
    monkeypatch.setattr(bento, "STARTUP_SECONDS", 0)
    with (
        pytest.raises(ModelError, match="did not become ready in 0 s"),
        bento.serving("superres:abc123", home),
    ):
        pass
    assert stopped[0].returncode is not None
