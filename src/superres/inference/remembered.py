"""A film through a network of video, in segments that a resumed run makes alike.

A resumed run knows nothing of the frames before, and a state cannot begin anew every few seconds
without being seen. So every segment starts with frames that were there already: they are seen
again, bring the state up to date, and are not given out. It ends with those that are looked ahead
for. A run that was never stopped does the same, so both make the same film.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from superres import video
from superres.data.scenes import CutFinder
from superres.errors import ConfigError
from superres.inference.temporal import VideoBackend, upscaled
from superres.inference.tiled import Question
from superres.video import Frame

if TYPE_CHECKING:
    from superres.inference.upscaler import Upscaler

WARM_UP = 12  # frames after which a state has caught up (docs/video-sr.md has what is left)
KNOWN = 6  # frames that the cut finder wants to have seen


def lead_of(upscaler: "Upscaler") -> int:
    """Return how many frames before a segment are seen again; 0 for a network of pictures."""
    network = upscaler.backend
    if not isinstance(network, VideoBackend):
        return 0
    return WARM_UP if network.keeps_state else max(network.behind, KNOWN)


def remembered(
    frames: Iterable[Frame],
    upscaler: "Upscaler",
    segment: int,
    cancelled: Question | None = None,
    first: int = 0,
) -> Iterator[Frame]:
    """Yield the frames from number `first` on upscaled, with the checksum of the source.

    `frames` begin with the `lead_of` frames before, as many of them as there are. A state, and
    what is seen of neighbours, ends at a scene cut. Raises ConfigError as `upscaled`.
    """
    network = upscaler.backend
    if not isinstance(network, VideoBackend):
        raise ConfigError(f"model '{upscaler.info.name}' is none of video")
    window = _Window(frames, lead_of(upscaler), network.ahead)
    begin = first - first % segment
    while True:
        end = begin + segment
        begins = partial(starts, CutFinder())
        seen = window.until(end)
        for frame, sr in upscaled(seen, lambda one: one.pixels, upscaler, begins, cancelled):
            if max(begin, first) <= frame.index < end:
                yield replace(frame, pixels=sr, checksum=video.checksum_of(frame.pixels))
        if not window.goes_on(end):
            return
        begin = end


def starts(finder: CutFinder, frame: Frame) -> bool:
    """Tell whether a scene starts at a frame; all frames must be asked about, in order."""
    pixels = frame.pixels
    return finder.is_cut(pixels if pixels.itemsize == 1 else (pixels >> 8).astype("uint8"))


class _Window:
    """Frames that are read once and seen in two segments: before its start and after its end."""

    def __init__(self, frames: Iterable[Frame], before: int, after: int) -> None:
        self._frames = iter(frames)
        self._before, self._after = before, after
        self._recent: deque[Frame] = deque(maxlen=before + after + 1)
        self._last = -1  # number of the last frame that was read

    def until(self, end: int) -> Iterator[Frame]:
        """Yield what is kept and then new frames, up to the last that `end` looks ahead for."""
        yield from list(self._recent)
        while self._last < end + self._after - 1:
            frame = next(self._frames, None)
            if frame is None:
                return
            self._last = frame.index
            self._recent.append(frame)
            yield frame

    def goes_on(self, end: int) -> bool:
        """Tell whether there is a frame number `end`; keep what the segment from there needs."""
        while self._last < end:
            frame = next(self._frames, None)
            if frame is None:
                return False
            self._last = frame.index
            self._recent.append(frame)
        kept = [one for one in self._recent if one.index >= end - self._before]
        self._recent.clear()
        self._recent.extend(kept)
        return True
