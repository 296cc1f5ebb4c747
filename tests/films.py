"""Small films made with PyAV alone, and what a test asks of a film."""

from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from superres.video import Frame

CLIPS = {
    # name: width, height, frames per second, frames, seconds, has audio
    "bigbuckbunny.mp4": (1280, 720, Fraction(25), 132, 5.28, True),
    "bikes.mp4": (640, 272, Fraction(25), 250, 10.0, False),
    "cockatoo.mp4": (1280, 720, Fraction(20), 280, 14.0, True),
    "flower.mp4": (960, 540, Fraction(30000, 1001), 150, 5.005, True),
    "friday.mp4": (640, 480, Fraction(30), 185, 6.166, True),
    "tears-of-steel-battle-clip-medium.webm": (800, 332, Fraction(24), None, 70.542, True),
}
# Milliseconds, as a phone would write them: no two gaps are alike.
UNEVEN = (0, 70, 103, 136, 300, 333, 401, 402)
TOPS = ((200, 30, 40), (30, 60, 200), (40, 180, 60), (128, 128, 128))


def frame(index: int, pixels: NDArray[np.uint8], milliseconds: int | None = None) -> Frame:
    pts = 40 * index if milliseconds is None else milliseconds
    return Frame(pixels, index, pts / 1000, pts, Fraction(1, 1000))


def flat(index: int, height: int = 48, width: int = 64) -> NDArray[np.uint8]:
    """The upper half a colour that changes with the frame, the lower half white."""
    pixels = np.full((height, width, 3), 235, np.uint8)
    pixels[: height // 2] = TOPS[index % len(TOPS)]
    return pixels


def flat_frames(count: int = 8, height: int = 48, width: int = 64) -> Iterator[Frame]:
    return (frame(i, flat(i, height, width)) for i in range(count))


def clip(path: Path, *, audio: str | None = None, rotation: int = 0, **facts: Any) -> Path:
    """A clip of eight uneven frames made with PyAV alone, with a tone if `audio` is a codec."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(facts.get("codec", "libx264"), rate=30)
        height, width = facts.get("height", 48), facts.get("width", 64)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.time_base = stream.codec_context.time_base = Fraction(1, 1000)
        if "shape" in facts:
            stream.codec_context.sample_aspect_ratio = facts["shape"]
        if rotation:
            stream.set_display_rotation(rotation)
        container.metadata.update(facts.get("metadata", {}))
        sound = container.add_stream(audio, rate=48_000, layout="mono") if audio else None
        start = facts.get("start", 0)  # seconds
        for index, milliseconds in enumerate(UNEVEN):
            picture = av.VideoFrame.from_ndarray(flat(index, height, width), "rgb24")
            picture.pts, picture.time_base = start * 1000 + milliseconds, Fraction(1, 1000)
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
        if sound is not None:
            tone = np.sin(np.arange(24_000) / 20).astype(np.float32)[None]
            samples = av.AudioFrame.from_ndarray(tone, "fltp", "mono")
            samples.sample_rate, samples.pts = 48_000, start * 48_000
            samples.time_base = Fraction(1, 48_000)
            container.mux(sound.encode(samples))
            container.mux(sound.encode(None))
    return path


def packets(path: Path, kind: str = "audio") -> list[tuple[bytes, float]]:
    """Content and time in seconds of every packet of the first stream of a kind."""
    with av.open(str(path)) as container:
        streams = getattr(container.streams, kind)
        if not streams:
            return []
        return [
            (bytes(packet), float(packet.pts * packet.time_base))
            for packet in container.demux(streams[0])
            if packet.dts is not None
        ]


def milliseconds(frames: Iterable[Frame]) -> list[int]:
    return [round(frame.seconds * 1000) for frame in frames]
