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
        for part in ("Page", "DOM", "Runtime", "Log", "Network"):
            self.do(f"{part}.enable")
        self.do("Emulation.setFocusEmulationEnabled", enabled=True)  # keys go to the page

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

    def open(self, page: Path | str, width: int, height: int = 900, scheme: str = "light") -> None:
        """Show a file or address in a window of this size and wait until it is loaded."""
        sizes = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        self.do("Emulation.setDeviceMetricsOverride", **sizes)
        feature = {"name": "prefers-color-scheme", "value": scheme}
        self.do("Emulation.setEmulatedMedia", features=[feature])
        self.events.clear()
        self.do("Page.navigate", url=page if isinstance(page, str) else page.resolve().as_uri())
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

    def wait(self, expression: str, seconds: float = SECONDS) -> None:
        """Wait until an expression is true in the page."""
        until = time.monotonic() + seconds
        while not self.value(f"!!({expression})"):
            assert time.monotonic() < until, f"it does not become true: {expression}"
            time.sleep(0.05)

    def choose(self, selector: str, *files: Path) -> None:
        """Put files into a file input, as its dialog would."""
        root = self.do("DOM.getDocument")["root"]["nodeId"]
        node = self.do("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]
        paths = [str(path.resolve()) for path in files]
        self.do("DOM.setFileInputFiles", nodeId=node, files=paths)

    def middle(self, selector: str) -> tuple[float, float]:
        """Return the place of an element's middle in the window, scrolled into it."""
        find = f"document.querySelector({json.dumps(selector)})"
        self.value(f"{find}.scrollIntoView({{block: 'nearest', behavior: 'instant'}})")
        box = self.value(
            f"(({{x, y, width, height}}) => [x, y, width, height])({find}.getBoundingClientRect())"
        )
        return box[0] + box[2] / 2, box[1] + box[3] / 2

    def drag(self, selector: str, right: float, down: float = 0) -> None:
        """Take an element's middle with the mouse and let it go elsewhere."""
        x, y = self.middle(selector)
        for kind, share in (
            ("mousePressed", 0.0),
            ("mouseMoved", 0.5),
            ("mouseMoved", 1.0),
            ("mouseReleased", 1.0),
        ):
            place = {"x": x + share * right, "y": y + share * down}
            more = {"button": "left", "buttons": 1, "clickCount": 1}
            self.do("Input.dispatchMouseEvent", type=kind, **place, **more)

    def click(self, selector: str) -> None:
        """Click an element with the mouse."""
        self.drag(selector, 0)

    def swipe(self, selector: str, right: float) -> None:
        """Move a finger from an element's middle to the right."""
        x, y = self.middle(selector)
        for kind, share in (("touchStart", 0.0), ("touchMove", 0.5), ("touchMove", 1.0)):
            points = [{"x": x + share * right, "y": y}]
            self.do("Input.dispatchTouchEvent", type=kind, touchPoints=points)
        self.do("Input.dispatchTouchEvent", type="touchEnd", touchPoints=[])

    def keep_downloads(self, folder: Path) -> None:
        """Let downloads go into a folder, without a dialog."""
        words = {"behavior": "allow", "downloadPath": str(folder)}
        self.do("Browser.setDownloadBehavior", **words)

    def press(self, key: str, text: str = "") -> None:
        """Press a key where the focus is."""
        number = {"Tab": 9, "Enter": 13, " ": 32}.get(key, 0)  # these act by number alone
        words = {"key": key, "code": key, "windowsVirtualKeyCode": number}
        kind = "keyDown" if text else "rawKeyDown"
        self.do("Input.dispatchKeyEvent", type=kind, text=text, **words)
        self.do("Input.dispatchKeyEvent", type="keyUp", **words)

    def complaints(self) -> list[str]:
        """Return errors and warnings of the console, and exceptions."""
        found = [str(event) for event in self.told("Runtime.exceptionThrown")]
        found += [str(event) for event in self.told("Runtime.consoleAPICalled")]
        return found + [str(event) for event in self.told("Log.entryAdded")]

    def requests(self) -> list[str]:
        """Return the addresses asked for, without those of data in the page."""
        urls = [event["request"]["url"] for event in self.told("Network.requestWillBeSent")]
        return [url for url in urls if not url.startswith(("data:", "blob:"))]

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
