"""Frames -> a film in segments, which a killed run can take up again -> one file."""

import logging
import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from types import TracebackType

from superres.errors import InputError
from superres.video.assembling import assemble
from superres.video.carrying import Span
from superres.video.codecs import codec_for
from superres.video.facts import probe
from superres.video.options import VideoOptions
from superres.video.parts import Done, Parts
from superres.video.reading import Frame, Position
from superres.video.segments import Look, Segment, look_of

_log = logging.getLogger(__name__)


def write(
    dst: Path,
    frames: Iterable[Frame],
    *,
    source: Path | None = None,
    options: VideoOptions | None = None,
    metadata: Mapping[str, str] | None = None,
) -> int:
    """Encode `frames` as they come and return their number.

    Each frame keeps its timestamp, so variable rates survive. An odd side gets one more row or
    column, a copy of the last. From `source` come, packet by packet as they are, sound and
    subtitles as far as the container of `dst` (its suffix) holds them, else with a warning
    without; also its tags, chapters, colours and shape of pixels. `metadata` is added to the
    tags. `dst` appears whole at the end or not at all.

    Raises InputError for another suffix, no frame at all, or a frame of another size than the
    first, ConfigError for a codec or quality that does not suit.
    """
    options = replace(options or VideoOptions(), resume=False, on_interrupt="discard")
    folder = dst.with_name(f".{dst.name}.{uuid.uuid4().hex}.partial")
    with Film(dst, source=source, options=options, metadata=metadata, folder=folder) as film:
        for _ in film.encode(frames):
            pass
        return film.finish()


def parts_folder(dst: Path) -> Path:
    """Return where the segments of a film are kept until it is done."""
    return dst.with_name(f".{dst.name}.parts")


class Film:
    """A film on its way to `dst`.

    `job` says what makes this film different from others: it must be equal for a resumed one.
    Leaving the block with an error removes the segments, unless `leave` or `stop` was called.
    """

    def __init__(
        self,
        dst: Path,
        *,
        source: Path | None = None,
        options: VideoOptions | None = None,
        metadata: Mapping[str, str] | None = None,
        job: Mapping[str, str] | None = None,
        folder: Path | None = None,
    ) -> None:
        """Raise InputError or ConfigError as `write`, and as `Parts`."""
        self._dst = dst
        self._source = source
        self._options = options or VideoOptions()
        self._metadata = dict(metadata or {})
        self._codec = codec_for(dst, self._options)
        self._info = probe(source) if source is not None else None
        begin = self._info.start if self._info else Fraction(0)
        self._span = Span(begin + Fraction(self._options.start))
        if not self._options.is_whole:
            length = self._options.duration
            end = None if length is None else self._span.begin + Fraction(length)
            self._span = Span(self._span.begin, end, is_cut=True)
        self._parts = Parts(folder or parts_folder(dst), job or {}, resume=self._options.resume)
        self._partial: Done | None = None
        self._look: Look | None = None
        self._last_pts: int | None = None
        self._stays = False
        self._is_begun = False

    @property
    def position(self) -> Position | None:
        """The last frame of the source that an earlier run finished."""
        return self._parts.position

    @property
    def keeps_depth(self) -> bool:
        """Tell whether 16-bit frames are written with 10 bits, not 8."""
        return self._codec.deep

    @property
    def frames(self) -> int:
        """Frames in finished segments."""
        return self._parts.frames

    def check_size(self, height: int, width: int) -> None:
        """Raise InputError for frames of a size that the codec does not take."""
        self._codec.check_size(self._dst, height, width)

    def encode(self, frames: Iterable[Frame]) -> Iterator[int]:
        """Encode frames as they come; yield after each how many the film has.

        When it is closed or fails, what was encoded of the last segment is kept for `stop`.
        """
        segment: Segment | None = None
        count = self.frames
        last: Frame | None = None
        try:
            for frame in frames:
                self._check(frame)
                if segment is None:
                    segment = self._begun(frame)
                segment.add(frame, self._pts(frame))
                last, count = frame, count + 1
                if segment.frames == self._options.segment:
                    self._parts.add(self._closed(segment, frame))
                    segment = None
                yield count
            if segment is not None and last is not None:
                self._parts.add(self._closed(segment, last))
                segment = None
        finally:
            if segment is not None and last is not None and self._options.on_interrupt == "keep":
                self._partial = self._closed(segment, last)
            elif segment is not None:
                segment.abandon()

    def finish(self) -> int:
        """Put the film together and return its number of frames."""
        if not self._parts.done:
            raise InputError(f"{self._dst}: {self._nothing}", code="no_frames")
        self._assemble(self._parts.done, self._span)
        frames = self.frames
        self._parts.remove()
        return frames

    def stop(self) -> int:
        """End early, as the options ask for; return the number of frames in the playable file."""
        done = [*self._parts.done, *([self._partial] if self._partial else [])]
        keeps = self._options.on_interrupt == "keep"
        self._stays = keeps or self._options.resume
        if not keeps or not done:
            return 0
        self._assemble(done, replace(self._span, end=done[-1].end))
        self._is_begun = True
        return sum(segment.frames for segment in done)

    def leave(self) -> None:
        """End with an error; finished segments stay for a run that resumes."""
        if self._parts.done:
            _log.warning("%s: resume to go on after %d frames", self._dst, self.frames)
        self._stays = True

    def __enter__(self) -> "Film":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._stays:
            # Where a playable beginning lies at `dst`, the folder says that it is not the whole.
            self._parts.leave(also_empty=self._is_begun)
        else:
            self._parts.remove()

    @property
    def _nothing(self) -> str:
        """Say why there is no frame."""
        length = None if self._info is None else self._info.seconds
        if not self._options.start or length is None:
            return "there is no frame to write"
        start = self._options.start
        return f"there is no frame after {start:g} s, {self._source} is {length:.2f} s long"

    def _check(self, frame: Frame) -> None:
        if self._look is None:
            self._look = look_of(frame, self._codec, self._source, self._info)
            self.check_size(self._look.height, self._look.width)
        size = (self._look.height, self._look.width, 3)
        if frame.pixels.shape != size:
            message = (
                f"{self._dst}: frame {frame.index} is {frame.pixels.shape}, the first was {size}"
            )
            raise InputError(message, code="size_changes")

    def _begun(self, frame: Frame) -> Segment:
        assert self._look is not None
        return Segment(self._parts.next_path, self._look, self._codec, self._options)

    def _pts(self, frame: Frame) -> int:
        """Return the time in the film, later than that of the frame before."""
        assert self._look is not None
        seconds = frame.pts * frame.time_base - self._span.begin
        pts = round(seconds / self._look.time_base)
        if self._last_pts is not None:
            pts = max(pts, self._last_pts + 1)
        self._last_pts = pts
        return pts

    def _closed(self, segment: Segment, frame: Frame) -> Done:
        """End a segment whose last frame is `frame`."""
        assert self._look is not None
        segment.close()
        base = self._look.time_base
        last = None
        if frame.checksum is not None:
            last = Position(frame.index, frame.pts, frame.checksum)
        lasts = max(frame.duration * frame.time_base, base)
        return Done(
            name=segment.path.name,
            frames=segment.frames,
            first_pts=segment.first_pts,
            time_base=base,
            rate=self._look.rate,
            bytes=segment.path.stat().st_size,
            end=frame.pts * frame.time_base + lasts,
            last=last,
        )

    def _assemble(self, done: list[Done], span: Span) -> None:
        assemble(
            self._dst,
            self._parts.folder,
            done,
            self._codec,
            source=self._source,
            span=span,
            metadata=self._metadata,
        )
