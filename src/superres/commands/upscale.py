"""`superres upscale`: pictures, folders and videos through a model."""

import math
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from superres.commands.upscale_report import report, summary, with_bars
from superres.errors import ConfigError

if TYPE_CHECKING:
    from superres.inference.library import Existing, Naming
    from superres.inference.sizing import Wanted
    from superres.inference.upscaler import Upscaler
    from superres.video import VideoOptions

_PARTLY_FAILED = 3
_SMALL = 1 << 20  # LR pixels of a job whose time is mostly the start of the program
_FEW = 16
_LARGEST = 64
_PIPE = "-"

Out = Annotated[Path, typer.Option("--out", "-o", help="File for one input, else a folder; or -.")]
Tile = Annotated[str, typer.Option(help="LR pixels, 0 for the whole, or auto.")]
Backend = Annotated[Literal["auto", "torch", "onnx", "openvino"], typer.Option()]
Precision = Annotated[
    Literal["auto", "float32", "bfloat16", "float16"],
    typer.Option(help="Half precision is torch's; bfloat16 also openvino's."),
]
Json = Annotated[bool, typer.Option("--json", help="One object per file.")]
Ensemble = Annotated[bool, typer.Option(help="Mean over 8 turns and mirrors, 8 times the work.")]
Name = Annotated[str, typer.Option(help='As "{stem}_x{scale}{suffix}"; also {model}.')]
Codec = Annotated[str | None, typer.Option(help="h264, h265, vp9 or av1.")]
Seconds = Annotated[
    float | None, typer.Option("--frame", min=0, help="Write the frame shown then, a picture.")
]


def upscale(
    inputs: Annotated[list[str], typer.Argument(help="Files, folders, patterns; - is stdin.")],
    *,
    out: Out,
    model: Annotated[str, typer.Option(help="champion, a model folder or a name.")] = "champion",
    scale: Annotated[float | None, typer.Option(help="Any factor, as 3 or 1.5.")] = None,
    size: Annotated[str | None, typer.Option(help="1920x1080, 1920x or x1080.")] = None,
    tile: Tile = "auto",
    backend: Backend = "auto",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1.")] = "auto",
    precision: Precision = "auto",
    ensemble: Ensemble = False,
    format_: Annotated[str | None, typer.Option("--format", help="png, jpg, webp ...")] = None,
    quality: Annotated[int, typer.Option(min=1, max=100, help="JPEG, WebP, AVIF.")] = 95,
    name: Name = "{stem}{suffix}",
    existing: Annotated[Literal["error", "skip", "replace"], typer.Option()] = "error",
    overwrite: Annotated[bool, typer.Option(help="The same as --existing replace.")] = False,
    as_json: Json = False,
    codec: Codec = None,
    crf: Annotated[float | None, typer.Option(help="Quality of a video, 0 is best.")] = None,
    preset: Annotated[str, typer.Option(help="Speed of the encoder.")] = "veryfast",
    start: Annotated[float, typer.Option(help="Seconds into the video.")] = 0.0,
    duration: Annotated[float | None, typer.Option(help="Seconds of the video.")] = None,
    on_interrupt: Annotated[str, typer.Option(help="discard or keep what is done.")] = "discard",
    resume: Annotated[bool, typer.Option(help="Go on where a killed run was.")] = False,
    preview: Seconds = None,
) -> None:
    """Upscale pictures, videos and folders (recursive, mirrored) with a model.

    Alpha, grey, 16 bits, colour profile and EXIF of pictures are kept, sound and timestamps of
    videos. A bad file is reported and skipped; exit code 3 then, 1 when every file failed.
    """
    options: dict[str, Any] = {"backend": backend, "device": device, "ensemble": ensemble}
    job = _Job(inputs, out, model, _wanted(scale, size), name, format_, quality)
    upscaler = job.opened(tile=_tile(tile), precision=precision, **options)
    if inputs == [_PIPE] or str(out) == _PIPE:
        return job.pipe(upscaler)
    if preview is not None:
        return job.preview(upscaler, preview)
    film: dict[str, Any] = {"codec": codec, "crf": crf, "preset": preset, "start": start}
    film |= {"duration": duration, "on_interrupt": on_interrupt, "resume": resume}
    return job.run(upscaler, "replace" if overwrite else existing, film, as_json)


@dataclass(frozen=True)
class _Job:
    """What goes in, what with, and how the result is called and written."""

    inputs: list[str]
    out: Path
    model: str
    wanted: "Wanted"
    name: str
    format: str | None
    quality: int

    def opened(self, **options: Any) -> "Upscaler":
        from superres.inference.opening import computes_without_torch, open_model
        from superres.inference.upscaler import Upscaler

        asked = self.wanted.scale
        scale = 4 if asked is None else max(1, math.ceil(asked))  # of a baseline
        device, precision = options["device"], options["precision"]
        plain = device in ("auto", "cpu") and precision == "auto"
        light = computes_without_torch(device, precision) or (plain and self._is_small())
        model = open_model(self.model, scale=scale, backend=options["backend"], prefer_export=light)
        return Upscaler(model, wanted=self.wanted, **options)

    def run(
        self, upscaler: "Upscaler", existing: "Existing", film: dict[str, Any], as_json: bool
    ) -> None:
        from superres.inference.library import Writing, collect

        tasks = collect(self.inputs, self.out, self._naming(upscaler))
        video = _video(film) if any(task.is_video for task in tasks) else None
        writing = Writing(existing, self.quality, video)
        outcomes = []
        for outcome in with_bars(upscaler, tasks, writing):
            outcomes.append(outcome)
            report(outcome, as_json)
        if len(outcomes) > 1 and not as_json:
            typer.echo(summary(outcomes))
        failed = sum(outcome.status == "failed" for outcome in outcomes)
        if failed:
            raise typer.Exit(1 if failed == len(tasks) else _PARTLY_FAILED)

    def pipe(self, upscaler: "Upscaler") -> None:
        """One picture from stdin or a file to stdout or a file."""
        from superres import atomic
        from superres.inference.pictures import upscale_bytes

        if len(self.inputs) != 1:
            raise ConfigError("- as output takes one picture, as input nothing beside it.")
        (source,) = self.inputs
        data = sys.stdin.buffer.read() if source == _PIPE else Path(source).read_bytes()
        suffix = self._suffix or (self.out.suffix.lower() if str(self.out) != _PIPE else None)
        made = upscale_bytes(upscaler, data, suffix, self.quality)
        if str(self.out) == _PIPE:
            sys.stdout.buffer.write(made)
        else:
            atomic.write_bytes(self.out, made)

    def preview(self, upscaler: "Upscaler", seconds: float) -> None:
        """One frame of a video into a picture file."""
        from superres import images
        from superres.inference.footage import upscale_frame
        from superres.inference.pictures import text_of

        if len(self.inputs) != 1:
            raise ConfigError("--frame takes one video.")
        pixels = upscale_frame(upscaler, Path(self.inputs[0]), seconds)
        images.write(self.out, images.Picture(pixels), text=text_of(upscaler))

    def _naming(self, upscaler: "Upscaler") -> "Naming":
        from superres.inference.library import Naming

        scale = self.wanted.scale or upscaler.info.scale
        model = Path(self.model).name
        return Naming(self.name, self._suffix, {"scale": f"{scale:g}", "model": model})

    @property
    def _suffix(self) -> str | None:
        return None if self.format is None else "." + self.format.lower().removeprefix(".")

    def _is_small(self) -> bool:
        """Tell whether all of it is so few pixels that starting torch would take longest."""
        from superres.inference.library import collect
        from superres.inference.pictures import pixels_of

        if self.inputs == [_PIPE]:
            return True
        tasks = collect(self.inputs, self.out if str(self.out) != _PIPE else Path())
        if any(task.is_video for task in tasks) or len(tasks) > _FEW:
            return False
        return sum(pixels_of(task.source) for task in tasks) <= _SMALL


def _wanted(scale: float | None, size: str | None) -> "Wanted":
    from superres.inference.sizing import Wanted, parse_size

    if scale is not None and size is not None:
        raise typer.BadParameter("give --scale or --size, not both", param_hint="--size")
    if scale is not None and not 0 < scale <= _LARGEST:
        message = f"{scale:g}: expected more than 0, at most {_LARGEST}"
        raise typer.BadParameter(message, param_hint="--scale")
    return Wanted(scale=scale) if size is None else parse_size(size)


def _tile(text: str) -> int | None:
    if text == "auto":
        return None
    if not text.isdecimal():
        raise typer.BadParameter(f"{text!r}: expected auto, 0 or LR pixels", param_hint="--tile")
    return int(text)


def _video(film: dict[str, Any]) -> "VideoOptions":
    from superres.video import VideoOptions

    return VideoOptions(**film)
