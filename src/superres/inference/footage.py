"""A video through an upscaler: decode, compute and encode at the same time, in bounded memory."""

import hashlib
import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import replace
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
    of them in the middle of a frame. A model with a `reset()` is told of scene cuts.
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
    part = Part(options.start, options.duration, film.position, deep=True)
    with (
        closing(ahead(video.read(src, limits, part))) as decoded,
        closing(ahead(_upscaled(decoded, upscaler, options.segment, count.cancelled))) as done,
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


def _upscaled(
    frames: Iterable[Frame], upscaler: "Upscaler", segment: int, cancelled: Question | None
) -> Iterator[Frame]:
    """Yield the frames upscaled, with the checksum of the source, by which a run goes on.

    A model that remembers frames forgets them at a cut, and at the start of a segment, because
    a resumed run does not know those before.
    """
    if upscaler.info.kind == "video":
        yield from _remembered(frames, upscaler, segment, cancelled)
        return
    reset = getattr(upscaler, "reset", None)
    cuts = None
    for frame in frames:
        if reset is not None:
            if cuts is None or frame.index % segment == 0:
                cuts = _cut_finder()
                reset()
            if cuts(frame):
                reset()
        pixels = upscaler.pixels(frame.pixels, cancelled=cancelled)
        yield replace(frame, pixels=pixels, checksum=video.checksum_of(frame.pixels))


def _remembered(
    frames: Iterable[Frame], upscaler: "Upscaler", segment: int, cancelled: Question | None
) -> Iterator[Frame]:
    """Do the same with a network of video; `_upscaled` says where it begins anew."""
    from superres.inference.temporal import upscaled

    cuts = _cut_finder()

    def begins(frame: Frame) -> bool:
        nonlocal cuts
        if frame.index % segment == 0:
            cuts = _cut_finder()
            cuts(frame)
            return True
        return cuts(frame)

    for frame, sr in upscaled(frames, lambda one: one.pixels, upscaler, begins, cancelled):
        yield replace(frame, pixels=sr, checksum=video.checksum_of(frame.pixels))


def _cut_finder() -> Callable[[Frame], bool]:
    from superres.data.scenes import CutFinder

    finder = CutFinder()

    def is_cut(frame: Frame) -> bool:
        pixels = frame.pixels
        return finder.is_cut(pixels if pixels.itemsize == 1 else (pixels >> 8).astype("uint8"))

    return is_cut


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
    wanted = ("codec", "crf", "preset", "start", "duration", "segment")
    return {
        "source": f"{size} bytes, {digest.hexdigest()[:16]}",
        "model": _comment(upscaler),
        "rows and columns": str(upscaler.size(info.height, info.width)),
        "backend": f"{type(upscaler.backend).__name__} {upscaler.backend.name}",
        **{name: str(getattr(options, name)) for name in wanted},
    }
