"""A video through an upscaler: decode, compute and encode at the same time, in bounded memory."""

import hashlib
import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from superres import __version__, video
from superres.errors import InputError
from superres.images.picture import Pixels
from superres.inference.footage_threads import ahead
from superres.inference.tiled import CancelledError, Question
from superres.video import Film, Frame, Part, VideoInfo, VideoLimits, VideoOptions

if TYPE_CHECKING:
    from superres.inference.upscaler import Upscaler

__all__ = ["VideoOptions", "ahead", "upscale_frame", "upscale_video"]

_log = logging.getLogger(__name__)

_SAMPLED = 1 << 20  # bytes at either end of a file that tell it from another


def upscale_video(
    upscaler: "Upscaler",
    src: Path,
    dst: Path,
    *,
    options: VideoOptions | None = None,
    limits: VideoLimits | None = None,
    progress: Callable[[int, int | None], None] | None = None,
    cancelled: Question | None = None,
) -> VideoInfo:
    """Upscale the frames of `src` into `dst`; see `Upscaler.video`.

    Three threads decode, compute and encode; this one counts, so that Ctrl-C meets it and none
    of them in the middle of a frame.
    """
    options = options or VideoOptions()
    info = video.probe(src, limits)
    film = Film(
        dst,
        source=src,
        options=options,
        metadata={"comment": _comment(upscaler)},
        job=_job(upscaler, src, info, options),
    )
    with film:
        film.check_size(*upscaler.size(info.height, info.width))
        _warn(src, info, keeps_depth=film.keeps_depth)
        try:
            _run(film, upscaler, src, options, limits, _Count(info, options, progress, cancelled))
        except (KeyboardInterrupt, CancelledError):
            if kept := film.stop():
                _log.warning("%s: stopped, it has the first %d frames", dst, kept)
            raise
        except InputError:
            if options.resume:  # else it is the file's fault, and the next run would fail as well
                film.leave()
            raise
        except BaseException:
            film.leave()
            raise
    return video.probe(dst)


def upscale_frame(upscaler: "Upscaler", src: Path, seconds: float) -> Pixels:
    """Return the frame shown at `seconds`, upscaled: RGB (s*h, s*w, 3), uint8 or uint16.

    Raises InputError for what is no video, or a time after its end.
    """
    return upscaler.pixels(video.frame_at(src, seconds, deep=True).pixels)


class _Count:
    """Reports progress and asks whether to go on, after each frame."""

    def __init__(
        self,
        info: VideoInfo,
        options: VideoOptions,
        progress: Callable[[int, int | None], None] | None,
        cancelled: Question | None,
    ) -> None:
        self.cancelled = cancelled
        self._progress = progress
        self._total = _expected(info, options)

    def tell(self, done: int) -> None:
        if self._progress is not None:
            self._progress(done, None if self._total is None else max(self._total, done))

    def check(self, done: int) -> None:
        if self.cancelled is not None and self.cancelled():
            raise CancelledError(f"stopped after {done} frames")


def _run(
    film: Film,
    upscaler: "Upscaler",
    src: Path,
    options: VideoOptions,
    limits: VideoLimits | None,
    count: _Count,
) -> None:
    lead = _lead_of(upscaler)
    part = Part(options.start, options.duration, film.position, deep=True, lead=lead)
    first = film.position.index + 1 if film.position else 0
    made = partial(_upscaled, upscaler=upscaler, segment=options.segment, first=first)
    with (
        closing(ahead(video.read(src, limits, part))) as decoded,
        closing(ahead(made(decoded, cancelled=count.cancelled))) as done,
        closing(ahead(film.encode(done))) as encoded,
    ):
        frames = film.frames
        if frames:
            _log.info("%s: going on after %d frames", src, frames)
            count.tell(frames)
        count.check(frames)
        for frames in encoded:
            count.tell(frames)
            count.check(frames)
    film.finish()


def _lead_of(upscaler: "Upscaler") -> int:
    if upscaler.info.kind != "video":
        return 0
    from superres.inference.remembered import lead_of

    return lead_of(upscaler)


def _upscaled(
    frames: Iterable[Frame],
    upscaler: "Upscaler",
    segment: int,
    cancelled: Question | None = None,
    first: int = 0,
) -> Iterator[Frame]:
    """Yield the frames upscaled, with the checksum of the source, by which a run goes on."""
    if upscaler.info.kind == "video":
        from superres.inference.remembered import remembered

        yield from remembered(frames, upscaler, segment, cancelled, first)
        return
    for frame in frames:
        pixels = upscaler.pixels(frame.pixels, cancelled=cancelled)
        yield replace(frame, pixels=pixels, checksum=video.checksum_of(frame.pixels))


def _expected(info: VideoInfo, options: VideoOptions) -> int | None:
    """Return the number of frames to come out, by the length where it is not stated; or None."""
    if options.is_whole:
        return info.expected_frames
    seconds = None if info.seconds is None else max(0.0, info.seconds - options.start)
    known = [value for value in (seconds, options.duration) if value is not None]
    return max(1, round(min(known) * info.fps)) if known else None


def _warn(src: Path, info: VideoInfo, *, keeps_depth: bool) -> None:
    """Say what the result will not be."""
    if info.is_interlaced:
        _log.warning("%s: interlaced; its combed lines are upscaled as they are", src)
    if info.is_hdr:
        _log.warning("%s: HDR; its light is tagged, not its mastering display", src)
    if info.bit_depth > 8 and not keeps_depth:
        _log.warning("%s: %d bits become 8; h264, h265 and av1 keep 10", src, info.bit_depth)
    if info.streams > 1:
        _log.warning("%s: one of %d video streams is upscaled", src, info.streams)


def _comment(upscaler: "Upscaler") -> str:
    lineage = "; ".join(f"{key}={value}" for key, value in upscaler.lineage.items())
    return f"superres {__version__}: {lineage}"


def _job(upscaler: "Upscaler", src: Path, info: VideoInfo, options: VideoOptions) -> dict[str, str]:
    """Return what must be the same for a run to go on where another was killed."""
    with src.open("rb") as file:
        digest = hashlib.sha256(file.read(_SAMPLED))
        size = file.seek(0, 2)
        file.seek(max(0, size - _SAMPLED))
        digest.update(file.read())
    backend = upscaler.backend
    computes = getattr(backend, "inner", backend)  # of an ensemble
    wanted = ("codec", "crf", "preset", "start", "duration", "segment")
    return {
        "source": f"{size} bytes, {digest.hexdigest()[:16]}",
        "model": _comment(upscaler),
        "rows and columns": str(upscaler.size(info.height, info.width)),
        "backend": f"{type(backend).__name__} {backend.name}",
        "device": str(getattr(computes, "device", "cpu")),
        "precision": getattr(computes, "precision", "float32"),
        "compile": getattr(computes, "compile", "off"),
        **{name: str(getattr(options, name)) for name in wanted},
    }
