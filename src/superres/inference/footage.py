"""A video through an upscaler: decode, compute and encode at the same time, in bounded memory."""

import queue
import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from superres import __version__, video
from superres.inference.tiled import CancelledError, Question
from superres.video import Frame, VideoInfo, VideoLimits

if TYPE_CHECKING:
    from superres.inference.upscaler import Upscaler

Item = TypeVar("Item")

AHEAD = 2  # frames that wait between two of the three steps


def upscale_video(
    upscaler: "Upscaler",
    src: Path,
    dst: Path,
    *,
    limits: VideoLimits | None = None,
    progress: Callable[[int, int | None], None] | None = None,
    cancelled: Question | None = None,
) -> VideoInfo:
    """Upscale every frame of `src` into `dst`; see `Upscaler.video`."""
    total = video.probe(src, limits).frames

    def upscaled(frames: Iterable[Frame]) -> Iterator[Frame]:
        for frame in frames:
            pixels = upscaler.pixels(frame.pixels, cancelled=cancelled)
            yield replace(frame, pixels=pixels.astype(np.uint8, copy=False))

    def counted(frames: Iterable[Frame]) -> Iterator[Frame]:
        for count, frame in enumerate(frames, start=1):
            if cancelled is not None and cancelled():
                raise CancelledError(f"stopped after {count - 1} frames")
            yield frame
            if progress is not None:
                progress(count, total)

    lineage = "; ".join(f"{key}={value}" for key, value in upscaler.lineage.items())
    comment = {"comment": f"superres {__version__}: {lineage}"}
    with (
        closing(ahead(video.read(src, limits))) as decoded,
        closing(ahead(upscaled(decoded))) as done,
    ):
        video.write(dst, counted(done), source=src, metadata=comment)
    return video.probe(dst)


def ahead(items: Iterable[Item], depth: int = AHEAD) -> Generator[Item]:
    """Yield `items`, which a thread of its own computes up to `depth` ahead.

    An error there is raised here. When this iterator is closed the thread ends, and with it
    `items`, if that is a generator.
    """
    line = _Line(depth)
    worker = threading.Thread(target=line.fill, args=(items,), name="superres-ahead", daemon=True)
    worker.start()
    try:
        while (entry := line.ready.get()) is not None:
            item, error = entry
            if error is not None:
                raise error
            yield item
    finally:
        line.stop.set()
        worker.join()


class _Line:
    """A bounded queue of (item, error); None ends it. Filling gives up once `stop` is set."""

    def __init__(self, depth: int) -> None:
        self.ready: queue.Queue[tuple[Any, BaseException | None] | None] = queue.Queue(depth)
        self.stop = threading.Event()

    def fill(self, items: Iterable[Any]) -> None:
        iterator = iter(items)
        try:
            for item in iterator:
                if not self._put((item, None)):
                    break
            self._put(None)
        except BaseException as error:
            self._put((None, error))
        finally:
            if isinstance(iterator, Generator):
                iterator.close()

    def _put(self, entry: tuple[Any, BaseException | None] | None) -> bool:
        while not self.stop.is_set():
            try:
                self.ready.put(entry, timeout=0.1)
                return True
            except queue.Full:
                continue
        return False
