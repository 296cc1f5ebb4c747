"""`superres upscale`: pictures, folders and videos through a model."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from superres.commands.upscale_ending import ended_cleanly
from superres.commands.upscale_job import Job

if TYPE_CHECKING:
    from superres.inference.sizing import Wanted

_LARGEST = 64

Out = Annotated[Path, typer.Option("--out", "-o", help="File for one input, else a folder; or -.")]
Tile = Annotated[str, typer.Option(help="LR pixels, 0 for the whole, or auto.")]
Backend = Annotated[Literal["auto", "torch", "onnx", "openvino"], typer.Option()]
Precision = Annotated[
    Literal["auto", "float32", "bfloat16", "float16"],
    typer.Option(help="Half precision is torch's; bfloat16 also openvino's."),
]
Json = Annotated[bool, typer.Option("--json", help="One object per file; with -o - on stderr.")]
Format = Annotated[str | None, typer.Option("--format", help="png, jpg, webp ... or mkv, webm ...")]
Compile = Annotated[
    Literal["off", "default", "graphs"],
    typer.Option("--compile", help="torch.compile; graphs are CUDA's."),
]
Ensemble = Annotated[
    bool, typer.Option(help="Mean over 8 turns and mirrors; of films, over both directions.")
]
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
    compile_: Compile = "off",
    ensemble: Ensemble = False,
    format_: Format = None,
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
    kept: Any = "replace" if overwrite else existing
    wanted = _wanted(scale, size)
    job = Job(inputs, out, model, wanted, name, format_, quality, kept, as_json)
    options: dict[str, Any] = {"backend": backend, "device": device, "ensemble": ensemble}
    with ended_cleanly():
        upscaler = job.opened(tile=_tile(tile), precision=precision, compile=compile_, **options)
        if preview is not None:
            return job.preview(upscaler, preview)
        if job.is_piped:
            return job.pipe(upscaler)
        film: dict[str, Any] = {"codec": codec, "crf": crf, "preset": preset, "start": start}
        film |= {"duration": duration, "on_interrupt": on_interrupt, "resume": resume}
        return job.run(upscaler, film)


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
