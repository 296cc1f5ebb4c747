"""Files and folders of pictures and videos -> the same, upscaled, one outcome per file."""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from superres import __version__, images, video
from superres.errors import InputError, SuperresError
from superres.inference.upscaler import Upscaler

PICTURES = {*images.FORMATS, ".gif"}
VIDEOS = {".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".ts", ".mts", ".flv"}

Progress = Callable[[int, int | None], None]


@dataclass(frozen=True)
class Task:
    """One file to upscale and where the result goes."""

    source: Path
    target: Path

    @property
    def is_video(self) -> bool:
        """Tell from the suffix; any other file is taken for a picture."""
        return self.source.suffix.lower() in VIDEOS


@dataclass(frozen=True)
class Outcome:
    """What became of a task; `width` and `height` are those of the result."""

    task: Task
    model: str
    version: str
    seconds: float
    width: int | None = None
    height: int | None = None
    error: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return plain JSON values; "error" is there only when the status is "failed"."""
        content = {
            "input": str(self.task.source),
            "output": str(self.task.target),
            "model": self.model,
            "version": self.version,
            "seconds": round(self.seconds, 3),
            "width": self.width,
            "height": self.height,
            "status": "ok" if self.error is None else "failed",
        }
        return content if self.error is None else {**content, "error": self.error}


def collect(inputs: Iterable[Path], out: Path) -> list[Task]:
    """Return the tasks for files and folders (recursive, mirrored below `out`).

    For a single file `out` is the file to write if it has a suffix, else a folder. Results keep
    their name; what cannot be written as it came becomes .png or .mp4. Raises InputError when a
    folder holds nothing to upscale, or `out` is a file and must be a folder.
    """
    sources = list(inputs)
    if len(sources) == 1 and not sources[0].is_dir() and out.suffix and not out.is_dir():
        return [Task(sources[0], out)]
    if out.is_file():
        raise InputError(f"{out} is a file; for a folder or several inputs -o must be a folder.")
    return [
        Task(file, _target(out / relative)) for file, relative in _files(sources, out.resolve())
    ]


def upscale_all(
    upscaler: Upscaler,
    tasks: Iterable[Task],
    *,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> Iterator[Outcome]:
    """Work through the tasks; a file that fails is an outcome with its error, not an exception.

    An existing output is an error unless `overwrite`. `progress(done, total)` counts the frames
    of a video.
    """
    written: set[Path] = set()
    for task in tasks:
        start = time.perf_counter()
        size: tuple[int | None, int | None] = (None, None)
        error = None
        try:
            _check_target(task, written, overwrite)
            size = _upscale(upscaler, task, progress)
            written.add(task.target.resolve())
        except (SuperresError, OSError, MemoryError) as failure:
            error = str(failure) or type(failure).__name__
        seconds = time.perf_counter() - start
        yield Outcome(task, upscaler.info.name, upscaler.version, seconds, *size, error)


def _files(sources: list[Path], out: Path) -> Iterator[tuple[Path, Path]]:
    """Yield each file with its path relative to the folder given, `out` itself left out."""
    for source in sources:
        if not source.is_dir():
            yield source, Path(source.name)
            continue
        found = [
            file
            for file in sorted(source.rglob("*"))
            if file.suffix.lower() in PICTURES | VIDEOS
            and not file.name.startswith(".")
            and file.is_file()
            and (out == source.resolve() or not file.resolve().is_relative_to(out))
        ]
        if not found:
            raise InputError(f"{source}: no picture and no video in this folder.")
        for file in found:
            yield file, file.relative_to(source)


def _target(path: Path) -> Path:
    suffix = path.suffix.lower()
    if suffix in images.FORMATS or suffix in video.SUFFIXES:
        return path
    return path.with_suffix(".mp4" if suffix in VIDEOS else ".png")


def _check_target(task: Task, written: set[Path], overwrite: bool) -> None:
    target = task.target.resolve()
    if target == task.source.resolve():
        raise InputError(f"{task.target}: is the input itself; give another output with -o.")
    if target in written:
        raise InputError(f"{task.target}: another input was already written to this name.")
    if task.target.exists() and not overwrite:
        raise InputError(f"{task.target}: exists already; use --overwrite to replace it.")
    task.target.parent.mkdir(parents=True, exist_ok=True)


def _upscale(upscaler: Upscaler, task: Task, progress: Progress | None) -> tuple[int, int]:
    if task.is_video:
        info = upscaler.video(task.source, task.target, progress=progress)
        return info.width, info.height
    picture = upscaler.image(images.read(task.source))
    images.write(task.target, picture, text=text_of(upscaler))
    return picture.width, picture.height


def text_of(upscaler: Upscaler) -> dict[str, str]:
    """Return what a picture file says about its making, as PNG text keys."""
    lineage = {f"superres.{key}": value for key, value in upscaler.lineage.items()}
    return {"Software": f"superres {__version__}", **lineage}
