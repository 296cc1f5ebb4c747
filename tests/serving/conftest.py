"""The service's addresses over a small baseline, without a server."""

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from starlette.testclient import TestClient

from superres import images, pretrained, video
from superres.config import ServingParams
from superres.images import Picture
from superres.serving.job import Job
from superres.serving.models import Models
from superres.serving.routes import create_app
from superres.serving.runtime import Runtime
from superres.video import Frame

Serve = Callable[..., TestClient]


@pytest.fixture(autouse=True)
def _nothing_shipped(monkeypatch: pytest.MonkeyPatch) -> None:
    """Serve what a test makes, not what this checkout comes with."""
    monkeypatch.setattr(pretrained, "folders", dict)
    monkeypatch.setattr(pretrained, "default", lambda: None)


@pytest.fixture
def png(photo: NDArray[np.uint8]) -> bytes:
    return images.encode(Picture(photo))


@pytest.fixture
def clip(tmp_path: Path) -> bytes:
    """A video of 12 frames of 24 x 16 pixels, a second long."""
    path = tmp_path / "clip.mp4"
    frames = (
        Frame(np.full((16, 24, 3), 20 * n, np.uint8), n, n / 12, n, Fraction(1, 12))
        for n in range(12)
    )
    video.write(path, frames)
    return path.read_bytes()


@contextmanager
def served(runtime: Runtime) -> Iterator[TestClient]:
    app = create_app()
    app.state.runtime = runtime
    with TestClient(app) as client:
        yield client


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Return a function that starts the service with the limits given, ready or not."""
    with ExitStack() as stack:

        def start(
            *, warm: bool = True, model: str = "nearest", runtime: Any = None, **limits: Any
        ) -> TestClient:
            params = ServingParams(**limits)
            runtime = runtime or Runtime(params, Models(tmp_path, model, params))
            if warm:
                runtime.warm_up()
            return stack.enter_context(served(runtime))

        yield start


class Work:
    """Stands for upscaling: frame after frame until released, unless it is stopped."""

    def __init__(self) -> None:
        self.release = threading.Event()
        self.begun: list[str] = []

    def __call__(self, job: Job, progress: Callable[[int, int | None], None]) -> None:
        self.begun.append(job.task_id)
        done = 0
        while not self.release.wait(0.01):
            if job.stop.is_set():
                raise RuntimeError("stopped")
            done += 1
            progress(min(done, 5), 10)
        job.result.write_bytes(b"video")


@pytest.fixture
def work() -> Work:
    return Work()


async def told(
    app: Any, body: bytes, then: Callable[[], Any], *, path: str, is_whole: bool = True
) -> int:
    """Post a body to an address itself and return the status; `then()` is awaited after it."""
    headers = [(b"content-type", b"multipart/form-data; boundary=x")]
    scope = {"type": "http", "method": "POST", "path": path, "headers": headers}
    statuses: list[int] = []
    messages = [{"type": "http.request", "body": body, "more_body": not is_whole}] if body else []

    async def receive() -> Any:
        return messages.pop() if messages else await then()

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    await app({**scope, "query_string": b"", "root_path": ""}, receive, send)
    return statuses[0]
