"""Files and folders of pictures and videos -> the same, upscaled, one outcome per file."""

import time
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from superres.errors import InputError, SuperresError
from superres.inference.naming import PIPE, Naming, Task, collect
from superres.inference.pictures import text_of, upscale_picture
from superres.inference.rows import Progress
from superres.inference.upscaler import Upscaler

if TYPE_CHECKING:
    from superres.video import VideoOptions

__all__ = [
    "Naming",
    "Outcome",
    "Progress",
    "Task",
    "Writing",
    "attempt",
    "collect",
    "text_of",
    "upscale_all",
]

Existing = Literal["error", "skip", "replace"]


@dataclass(frozen=True)
class Writing:
    """How results are written: what becomes of outputs that exist, quality 1..100, videos."""

    existing: Existing = "error"
    quality: int = 95
    video: "VideoOptions | None" = None


@dataclass(frozen=True)
class Outcome:
    """What became of a task; `width` and `height` are those of the result."""

    task: Task
    model: str
    version: str
    network: str
    seconds: float
    width: int | None = None
    height: int | None = None
    error: str | None = None
    skipped: bool = False

    @property
    def status(self) -> str:
        """Return "ok", "failed" or "skipped"."""
        return "failed" if self.error is not None else "skipped" if self.skipped else "ok"

    def as_dict(self) -> dict[str, Any]:
        """Return plain JSON values; "error" is there only when the status is "failed"."""
        content = {
            "input": str(self.task.source),
            "output": str(self.task.target),
            "model": self.model,
            "version": self.version,
            "network": self.network,
            "seconds": round(self.seconds, 3),
            "width": self.width,
            "height": self.height,
            "status": self.status,
        }
        return content if self.error is None else {**content, "error": self.error}


def upscale_all(
    upscaler: Upscaler,
    tasks: Iterable[Task],
    *,
    writing: Writing | None = None,
    progress: Progress | None = None,
) -> Iterator[Outcome]:
    """Work through the tasks; a file that fails is an outcome with its error, not an exception.

    `progress(done, total)` counts the frames of a video, the rows of a picture's result.
    """
    writing = writing or Writing()
    written: set[Path] = set()
    for task in tasks:
        make = partial(_upscale, upscaler, task, writing, progress)
        outcome = attempt(upscaler, task, writing, make, written)
        if outcome.status == "ok":
            written.add(task.target.resolve())
        yield outcome


def attempt(
    upscaler: Upscaler,
    task: Task,
    writing: Writing,
    make: Callable[[], tuple[int, int]],
    written: Collection[Path] = (),
) -> Outcome:
    """Write one result with `make`, which returns its width and height, if it is wanted.

    `written`: what this run made already.
    """
    start = time.perf_counter()
    size: tuple[int | None, int | None] = (None, None)
    error, skipped = None, False
    try:
        skipped = not _is_wanted(task, written, writing)
        if not skipped:
            size = make()
    except (SuperresError, OSError, MemoryError) as failure:
        error = str(failure) or type(failure).__name__
    seconds = time.perf_counter() - start
    by = (upscaler.name, upscaler.version, upscaler.info.name)
    return Outcome(task, *by, seconds, *size, error, skipped)


def _is_wanted(task: Task, written: Collection[Path], writing: Writing) -> bool:
    if str(task.target) == PIPE:
        return True
    target = task.target.resolve()
    if target == task.source.resolve():
        raise InputError(f"{task.target}: is the input itself; give another output with -o.")
    if target in written:
        raise InputError(f"{task.target}: another input was already written to this name.")
    if task.target.exists() and not _goes_on(task, writing):
        if writing.existing == "skip":
            return False
        if writing.existing == "error":
            raise InputError(f"{task.target}: exists already; use --overwrite to replace it.")
    task.target.parent.mkdir(parents=True, exist_ok=True)
    return True


def _goes_on(task: Task, writing: Writing) -> bool:
    """Tell whether the output is the beginning of a video that this run goes on with."""
    if not task.is_video or writing.video is None or not writing.video.resume:
        return False
    from superres import video

    return video.parts_folder(task.target).is_dir()


def _upscale(
    upscaler: Upscaler, task: Task, writing: Writing, progress: Progress | None
) -> tuple[int, int]:
    if task.is_video:
        info = upscaler.video(task.source, task.target, options=writing.video, progress=progress)
        return info.width, info.height
    return upscale_picture(upscaler, task.source, task.target, writing.quality, progress=progress)
