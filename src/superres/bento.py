"""Build the bento of the champion, and prove that it serves from any folder.

BentoML is driven as a command: its only importer stays superres.service.
"""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from superres.atomic import write_text
from superres.checkpoint import load_model
from superres.errors import ModelError

HOME = Path(".bentoml")
STARTUP_SECONDS = 120
QUIET = {"BENTOML_DO_NOT_TRACK": "True", "DO_NOT_TRACK": "true"}


def environment(home: Path) -> dict[str, str]:
    """Return the environment of BentoML commands: their own home, no telemetry."""
    return {**os.environ, **QUIET, "BENTOML_HOME": str(home.resolve())}


def build(champion: Path, bento: Path, report: Path, home: Path = HOME) -> str:
    """Build the bento from bentofile.yaml, export it to the file `bento` and return its tag.

    Writes <report>/package.json. Raises ModelError with BentoML's words when it fails.
    """
    model = load_model(champion)
    home.mkdir(parents=True, exist_ok=True)
    told = _bentoml(["build", "--output", "tag"], home)
    found = re.findall(r"__tag__:(\S+)", told)
    if not found:
        raise ModelError(f"bentoml build named no tag: {told.strip()[-500:]}")
    tag = str(found[-1])
    bento.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".bento-", dir=bento.parent) as folder:
        staging = Path(folder).resolve() / bento.name  # a relative path is taken from /
        _bentoml(["export", tag, str(staging)], home)
        staging.replace(bento)
    content = {"champion": model.version, "service": tag.partition(":")[0]}
    write_text(report / "package.json", json.dumps(content, indent=2) + "\n")
    return tag


def _bentoml(words: list[str], home: Path) -> str:
    told = subprocess.run(
        [sys.executable, "-m", "bentoml", *words],
        env=environment(home),
        capture_output=True,
        text=True,
        check=False,
    )
    if told.returncode:
        said = (told.stderr or told.stdout).strip()[-1500:]
        raise ModelError(f"bentoml {words[0]} failed:\n{said}")
    return told.stdout


@contextlib.contextmanager
def serving(tag: str, home: Path = HOME) -> Iterator[str]:
    """Serve a built bento from an empty folder, without this source tree; yield its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    words = [sys.executable, "-m", "bentoml", "serve", tag, "--host", "127.0.0.1"]
    with tempfile.TemporaryDirectory(prefix="serving-") as elsewhere:
        log = Path(elsewhere) / "serve.log"
        with log.open("wb") as stream:
            server = subprocess.Popen(
                [*words, "--port", str(port)],
                cwd=elsewhere,
                env=environment(home),
                stdout=stream,
                stderr=stream,
                start_new_session=True,
            )
        try:
            _wait(f"http://127.0.0.1:{port}/readyz", server, log)
            yield f"http://127.0.0.1:{port}"
        finally:
            _stop(server)


def _stop(server: "subprocess.Popen[bytes]") -> None:
    """End the server with all its processes, at the latest after 20 s."""
    for number, seconds in ((signal.SIGTERM, 20.0), (signal.SIGKILL, None)):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(server.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            server.wait(timeout=seconds)
            return


def _wait(address: str, server: "subprocess.Popen[bytes]", log: Path) -> None:
    until = time.monotonic() + STARTUP_SECONDS
    while time.monotonic() < until and server.poll() is None:
        try:
            with _open(address, 5) as answer:
                if answer.status == 200:
                    return
        except (urllib.error.URLError, OSError):
            time.sleep(0.5)
    said = log.read_text(encoding="utf-8", errors="replace")[-1500:]
    code = server.poll()
    how = f"did not become ready in {STARTUP_SECONDS} s" if code is None else f"ended with {code}"
    raise ModelError(f"the bento {how}:\n{said}")


def _open(request: str | urllib.request.Request, timeout: float) -> Any:
    """Ask this machine's server, whatever proxy the environment names."""
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    return direct.open(request, timeout=timeout)


def upscale(address: str, picture: Path) -> tuple[bytes, dict[str, str]]:
    """Send a picture to POST /upscale and return the answer's body and headers."""
    boundary = uuid.uuid4().hex
    head = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="image"; '
        f'filename="picture{picture.suffix}"\r\nContent-Type: application/octet-stream\r\n\r\n'
    )
    body = head.encode() + picture.read_bytes() + f"\r\n--{boundary}--\r\n".encode()
    request = urllib.request.Request(
        f"{address}/upscale",
        data=body,
        headers={"Content-Type": f"multipart/form-data; boundary={boundary}"},
        method="POST",
    )
    try:
        with _open(request, 120) as answer:
            headers = {name.lower(): value for name, value in answer.headers.items()}
            return answer.read(), headers
    except urllib.error.HTTPError as error:
        raise ModelError(f"POST /upscale: {error.code} {error.read()[:500]!r}") from None
    except OSError as error:  # no answer: refused, timed out, cut off
        raise ModelError(f"POST /upscale: no answer from {address} ({error}).") from None
