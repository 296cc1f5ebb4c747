"""A real Chromium, spoken to over a pipe in its own protocol: no library, no port, no network."""

import base64
import contextlib
import json
import os
import select
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--remote-debugging-pipe",
)
SECONDS = 60.0


class Browser:
    """One page; `events` are what it told, in order."""

    def __init__(self, read: int, write: int) -> None:
        self.events: list[dict[str, Any]] = []
        self._read, self._write = read, write
        self._rest = b""
        self._number = 0
        self._session: str | None = None
        target = self.do("Target.createTarget", url="about:blank")["targetId"]
        attached = self.do("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for part in ("Page", "Runtime", "Log", "Network"):
            self.do(f"{part}.enable")

    def do(self, method: str, **words: Any) -> dict[str, Any]:
        """Send a command and return its result; events that come meanwhile are kept."""
        self._number += 1
        command = {"id": self._number, "method": method, "params": words}
        if self._session:
            command["sessionId"] = self._session
        os.write(self._write, json.dumps(command).encode() + b"\0")
        while True:
            message = self._next()
            if message.get("id") == self._number:
                assert "error" not in message, (method, message["error"])
                return dict(message["result"])
            self.events.append(message)

    def open(self, page: Path, width: int, height: int = 900, scheme: str = "light") -> None:
        """Show a file in a window of this size and wait until it is loaded."""
        sizes = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        self.do("Emulation.setDeviceMetricsOverride", **sizes)
        feature = {"name": "prefers-color-scheme", "value": scheme}
        self.do("Emulation.setEmulatedMedia", features=[feature])
        self.events.clear()
        self.do("Page.navigate", url=page.resolve().as_uri())
        until = time.monotonic() + SECONDS
        while not self.told("Page.loadEventFired"):
            assert time.monotonic() < until, "the page does not load"
            self.events.append(self._next())

    def told(self, method: str) -> list[dict[str, Any]]:
        """Return the events of this name."""
        return [event["params"] for event in self.events if event.get("method") == method]

    def value(self, expression: str) -> Any:
        """Return what an expression is in the page."""
        found = self.do("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def press(self, key: str, text: str = "") -> None:
        """Press a key where the focus is."""
        self.do("Input.dispatchKeyEvent", type="keyDown", key=key, code=key, text=text)
        self.do("Input.dispatchKeyEvent", type="keyUp", key=key, code=key)

    def complaints(self) -> list[str]:
        """Return errors and warnings of the console, and exceptions."""
        found = [str(event) for event in self.told("Runtime.exceptionThrown")]
        found += [str(event) for event in self.told("Runtime.consoleAPICalled")]
        return found + [str(event) for event in self.told("Log.entryAdded")]

    def requests(self) -> list[str]:
        """Return the addresses asked for, without those of data in the page."""
        urls = [event["request"]["url"] for event in self.told("Network.requestWillBeSent")]
        return [url for url in urls if not url.startswith("data:")]

    def picture(self, path: Path) -> None:
        """Write a screenshot of the whole page as PNG."""
        taken = self.do("Page.captureScreenshot", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(taken["data"]))

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            ready, _, _ = select.select([self._read], [], [], SECONDS)
            assert ready, "the browser does not answer"
            more = os.read(self._read, 1 << 16)
            assert more, "the browser has gone"
            self._rest += more
        message, self._rest = self._rest.split(b"\0", 1)
        return dict(json.loads(message))


@contextlib.contextmanager
def chromium(profile: Path) -> Iterator[Browser]:
    """Start Chromium; the test is skipped by name where there is none."""
    program = shutil.which("chromium") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("chromium: not installed")
    (commands, send), (receive, answers) = os.pipe(), os.pipe()
    # The browser reads file 3 and writes file 4, whatever numbers the pipes have here.
    script = f'exec "$@" 3<&{commands} 4>&{answers}'
    words = ["bash", "-c", script, "bash", program, *FLAGS, f"--user-data-dir={profile}"]
    child = subprocess.Popen(
        words,
        pass_fds=(commands, answers),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        os.close(commands)
        os.close(answers)
        yield Browser(receive, send)
    finally:
        os.close(send)  # it ends when nobody speaks to it any more
        os.close(receive)
        child.terminate()
        child.wait(timeout=30)
