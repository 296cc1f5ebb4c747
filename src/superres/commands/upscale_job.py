"""What one call of `superres upscale` does: which model, which files, through which door."""

import math
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from superres.commands.upscale_report import report, summary, with_bars
from superres.errors import ConfigError, InputError

if TYPE_CHECKING:
    from superres.inference.library import Existing, Naming, Outcome, Task, Writing
    from superres.inference.sizing import Wanted
    from superres.inference.upscaler import Upscaler

PIPE = "-"

_PARTLY_FAILED = 3
_SMALL = 1 << 20  # LR pixels of a job whose time is mostly the start of the program
_FEW = 16
_USUAL = 4


@dataclass(frozen=True)
class Job:
    """What goes in, what with, and how the result is called, written and told of."""

    inputs: list[str]
    out: Path
    model: str
    wanted: "Wanted"
    name: str
    format: str | None
    quality: int
    existing: "Existing"
    as_json: bool

    @property
    def is_piped(self) -> bool:
        """Tell whether stdin or stdout takes the place of a file."""
        return self.inputs == [PIPE] or self._to_stdout

    @property
    def _to_stdout(self) -> bool:
        return str(self.out) == PIPE

    def opened(self, **options: Any) -> "Upscaler":
        """Open the model; without torch where something else computes."""
        from superres.inference.opening import computes_without_torch, open_model
        from superres.inference.upscaler import Upscaler

        device, precision = options["device"], options["precision"]
        plain = device in ("auto", "cpu") and precision == "auto"
        light = computes_without_torch(device, precision) or (plain and self._is_small())
        light = light and options["compile"] == "off"
        backend = options["backend"]
        model = open_model(self.model, scale=self._scale(), backend=backend, prefer_export=light)
        return Upscaler(model, wanted=self.wanted, **options)

    def run(self, upscaler: "Upscaler", film: dict[str, Any]) -> None:
        """Upscale files into files."""
        from superres.inference.library import collect

        tasks = collect(self.inputs, self.out, self._naming(upscaler))
        writing = self._writing(film if any(task.is_video for task in tasks) else None)
        outcomes = []
        for outcome in with_bars(upscaler, tasks, writing):
            outcomes.append(outcome)
            report(outcome, self.as_json)
        if len(outcomes) > 1 and not self.as_json:
            typer.echo(summary(outcomes))
        _leave(outcomes)

    def pipe(self, upscaler: "Upscaler") -> None:
        """Upscale one picture from stdin or a file to stdout or a file."""
        from superres.inference.pictures import upscale_bytes

        if len(self.inputs) != 1:
            raise ConfigError("- as output takes one picture, as input nothing beside it.")
        (source,) = self.inputs

        def make() -> tuple[int, int]:
            name = "stdin" if source == PIPE else source
            data = _content(source)
            made = upscale_bytes(upscaler, data, self._written_as, self.quality, name=name)
            self._put(made.content)
            return made.width, made.height

        self._one(upscaler, make)

    def preview(self, upscaler: "Upscaler", seconds: float) -> None:
        """Write one frame of a video as a picture."""
        from superres import images
        from superres.inference.footage import upscale_frame
        from superres.inference.pictures import text_of

        if len(self.inputs) != 1:
            raise ConfigError("--frame takes one video.")

        def make() -> tuple[int, int]:
            format_name = images.format_of_suffix(Path(f"{self.out}{self._written_as or '.png'}"))
            picture = images.Picture(upscale_frame(upscaler, Path(self.inputs[0]), seconds))
            text = text_of(upscaler)
            self._put(images.encode(picture, format_name, quality=self.quality, text=text))
            return picture.width, picture.height

        self._one(upscaler, make)

    def _one(self, upscaler: "Upscaler", make: Callable[[], tuple[int, int]]) -> None:
        """Do the one thing that there is to do, as one of many files is done."""
        from superres.inference.library import Task, attempt

        if not self._to_stdout:
            self._naming(upscaler).check(self.out)
        task = Task(Path(self.inputs[0]), self.out)
        outcome = attempt(upscaler, task, self._writing(), make)
        report(outcome, self.as_json, beside_bytes=self._to_stdout)
        _leave([outcome])

    def _put(self, content: bytes) -> None:
        from superres import atomic

        if not self._to_stdout:
            atomic.write_bytes(self.out, content)
            return
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()

    def _writing(self, film: dict[str, Any] | None = None) -> "Writing":
        from superres.inference.library import Writing

        if film is None:
            return Writing(self.existing, self.quality)
        from superres.video import VideoOptions

        return Writing(self.existing, self.quality, VideoOptions(**film))

    def _naming(self, upscaler: "Upscaler") -> "Naming":
        from superres.inference.factors import factor_of
        from superres.inference.library import Naming

        own = upscaler.info.scale
        known = {"scale": f"{self.wanted.scale or own:g}", "model": upscaler.name}
        if not self.wanted.is_size:
            return Naming(self.name, self._suffix, known)
        return Naming(
            self.name, self._suffix, known, lambda file: factor_of(file, self.wanted, own)
        )

    @property
    def _suffix(self) -> str | None:
        return None if self.format is None else "." + self.format.lower().removeprefix(".")

    @property
    def _written_as(self) -> str | None:
        """The suffix of the one output; None where neither option says it."""
        return self._suffix or (None if self._to_stdout else self.out.suffix.lower())

    def _scale(self) -> int:
        """Return the factor that a baseline has, and the model that stands in for a champion.

        For a size in pixels that is what comes nearest for the first file.
        """
        from superres.inference.factors import factor_of

        if not self.wanted.is_size:
            return max(1, math.ceil(self.wanted.scale or _USUAL))
        if self.inputs[0] == PIPE:
            return _USUAL
        factor = factor_of(self._tasks()[0].source, self.wanted, _USUAL)
        return max(1, min(_USUAL, math.ceil(factor)))

    def _tasks(self) -> list["Task"]:
        from superres.inference.library import collect

        return collect(self.inputs, Path() if self._to_stdout else self.out)

    def _is_small(self) -> bool:
        """Tell whether all of it is so few pixels that starting torch would take longest."""
        from superres.inference.pictures import pixels_of

        if self.inputs == [PIPE]:
            return True
        tasks = self._tasks()
        if any(task.is_video for task in tasks) or len(tasks) > _FEW:
            return False
        return sum(pixels_of(task.source) for task in tasks) <= _SMALL


def _content(source: str) -> bytes:
    """Return what stdin or a file holds; InputError for what cannot be read."""
    if source == PIPE:
        return sys.stdin.buffer.read()
    path = Path(source)
    if path.is_dir():
        raise InputError(f"{path}: is a folder; - as output takes one picture.", status=400)
    try:
        return path.read_bytes()
    except OSError as error:
        message = f"{path}: cannot be read: {error.strerror}"
        raise InputError(message, code="unreadable", status=400) from None


def _leave(outcomes: list["Outcome"]) -> None:
    """End with the exit code that says how it went."""
    failed = sum(outcome.status == "failed" for outcome in outcomes)
    if failed:
        raise typer.Exit(1 if failed == len(outcomes) else _PARTLY_FAILED)
