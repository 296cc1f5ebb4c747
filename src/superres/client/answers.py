"""What the service gives back: a picture, the state of a video, the report of a folder."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from numpy.typing import NDArray

from superres import images
from superres.atomic import write_bytes

OVER = ("completed", "failed", "canceled")


@dataclass(frozen=True)
class Upscaled:
    """A picture as the service made it; `seconds` is its own time, where it says so.

    `model` can be sent again, `network` is the kind of network that it is.
    """

    content: bytes
    media_type: str
    model: str
    version: str
    scale: str
    seconds: float | None
    request_id: str | None
    network: str = ""

    @classmethod
    def of(cls, answer: httpx.Response) -> "Upscaled":
        """Read it from an answer of POST /upscale."""
        told = answer.headers.get
        seconds = told("x-superres-seconds")
        return cls(
            answer.content,
            told("content-type", ""),
            told("x-superres-model", ""),
            told("x-superres-version", ""),
            told("x-superres-scale", ""),
            float(seconds) if seconds else None,
            told("x-request-id"),
            told("x-superres-network", ""),
        )

    @property
    def picture(self) -> images.Picture:
        """The picture, decoded."""
        return images.decode(self.content)

    @property
    def pixels(self) -> NDArray[Any]:
        """RGB (h, w, 3), uint8 or uint16."""
        return self.picture.pixels

    def save(self, path: Path | str) -> Path:
        """Write it as it came; the file appears whole or not at all."""
        write_bytes(Path(path), self.content)
        return Path(path)


@dataclass(frozen=True)
class Tensor:
    """What POST /predict made: `sr (N, 3, s*h, s*w)` float32 in [0, 1]."""

    sr: NDArray[np.float32]
    model: str
    version: str


@dataclass(frozen=True)
class Task:
    """The state of a video; `percent` and `seconds_left` are None while nobody can know."""

    task_id: str
    status: str
    percent: float | None
    frames_done: int
    frames: int | None
    seconds_left: float | None
    queue_position: int
    model: str
    error: dict[str, str] | None

    @classmethod
    def of(cls, content: dict[str, Any]) -> "Task":
        """Read it from an answer of the video addresses."""
        return cls(
            content["task_id"],
            content["status"],
            content.get("percent"),
            content.get("frames_done") or 0,
            content.get("frames"),
            content.get("eta_seconds"),
            content.get("queue_position") or 0,
            content.get("model") or "",
            content.get("error"),
        )

    @property
    def is_over(self) -> bool:
        """Tell whether nothing will happen any more."""
        return self.status in OVER


@dataclass(frozen=True)
class Batch:
    """What became of many pictures; `files` has one entry each, those that failed with an error."""

    done: int
    failed: int
    files: tuple[dict[str, Any], ...]

    @property
    def errors(self) -> dict[str, str]:
        """Name -> what the service says was wrong."""
        return {one["name"]: one["error"]["message"] for one in self.files if one.get("error")}
