"""A film that a service upscales while its clients send pictures."""

import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from numpy.typing import NDArray

from superres import video
from superres.video import Frame, VideoOptions

EVERY_SECONDS = 2.0
STALLED_SECONDS = 60.0  # a film that has no new frame for so long does not advance
FRAMES = 1500


class Film:
    """A task on the service; `frames` are those it had done at each look."""

    def __init__(self, address: str, content: bytes) -> None:
        self._client = httpx.Client(base_url=address, timeout=300)
        self._content = content
        self._task: dict[str, str] = {}
        self.frames: list[int] = []

    @contextmanager
    def running(self) -> Iterator["Film"]:
        """Hand it in, look at it until the block ends, and stop it."""
        stop = threading.Event()
        self._submit()
        watch = threading.Thread(target=self._watch, args=(stop,))
        watch.start()
        try:
            yield self
        finally:
            stop.set()
            watch.join()
            self._client.put("/upscale_video/cancel", params=self._task)
            self._client.close()

    def told(self) -> str:
        """Say it in one line."""
        seconds = EVERY_SECONDS * (len(self.frames) - 1)
        return f"the video had {self.frames[-1]} frames after {seconds:.0f} s"

    def require_advance(self) -> None:
        """End with an error for a film that stood still for STALLED_SECONDS, or failed."""
        looks = max(1, round(STALLED_SECONDS / EVERY_SECONDS))
        pairs = zip(self.frames, self.frames[looks:], strict=False)
        stalled = any(after <= before for before, after in pairs)
        if stalled or self.frames[-1] <= self.frames[0]:
            raise SystemExit(f"the video did not advance: {self.frames}")

    def _submit(self) -> None:
        answer = self._client.post("/upscale_video/submit", files={"video": self._content})
        answer.raise_for_status()
        self._task = {"task_id": answer.json()["task_id"]}

    def _watch(self, stop: threading.Event) -> None:
        before = 0  # frames of films that came to their end
        while True:
            job: dict[str, Any] = self._client.get(
                "/upscale_video/status", params=self._task
            ).json()
            self.frames.append(before + job["frames_done"])
            if job["status"] == "completed":
                before += job["frames_done"]
                self._submit()
            if stop.wait(EVERY_SECONDS):
                return


def film_of(pixels: NDArray[np.uint8]) -> bytes:
    """Return a video of a picture that moves sideways."""
    frames = (Frame(np.roll(pixels, n, 1), n, n / 25, n, Fraction(1, 25)) for n in range(FRAMES))
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "film.mp4"
        video.write(path, frames, options=VideoOptions(preset="ultrafast", crf=35))
        return path.read_bytes()
