"""What is wanted of a video: codec, quality, the part to take, what an interruption leaves."""

from dataclasses import dataclass
from typing import Literal, get_args

from superres.errors import ConfigError

CodecName = Literal["h264", "h265", "vp9", "av1"]
Preset = Literal[
    "ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow"
]
OnInterrupt = Literal["keep", "discard"]


@dataclass(frozen=True)
class VideoOptions:
    """How a video is read and written.

    `codec`: None is what suits the container. `crf`: constant quality, 0 the best, 51 (h264,
    h265) or 63 (vp9, av1) the worst; None is a good one of the codec. `preset`: one vocabulary,
    x264's, for all codecs. `start` and `duration`: the part to take, in seconds of the source.
    `on_interrupt`: "keep" leaves a playable file of what is done, and the parts to resume from;
    "discard" leaves nothing. `resume`: go on where an earlier run of the same job was killed, and
    keep the parts whatever happens.
    `segment`: frames between two places to resume from.

    Raises ConfigError for a value that is not accepted.
    """

    codec: CodecName | None = None
    crf: float | None = None
    preset: Preset = "veryfast"
    start: float = 0.0
    duration: float | None = None
    on_interrupt: OnInterrupt = "discard"
    resume: bool = False
    segment: int = 120

    def __post_init__(self) -> None:
        """Check the values that do not depend on the file."""
        _one_of("codec", self.codec, CodecName)
        _one_of("preset", self.preset, Preset)
        _one_of("on-interrupt", self.on_interrupt, OnInterrupt)
        if self.crf is not None and not 0 <= self.crf <= 63:
            raise ConfigError(f"crf {self.crf:g}: expected 0 (the best) to 51, or 63 (vp9, av1).")
        if not 0 <= self.start < float("inf"):
            raise ConfigError(f"start {self.start:g}: expected seconds from 0 on.")
        if self.duration is not None and not self.duration > 0:
            raise ConfigError(f"duration {self.duration:g}: expected more than 0 seconds.")
        if self.segment < 1:
            raise ConfigError(f"segment {self.segment}: expected at least 1 frame.")

    @property
    def is_whole(self) -> bool:
        """Tell whether all of the source is wanted."""
        return self.start == 0 and self.duration is None


def _one_of(name: str, value: str | None, accepted: object) -> None:
    words = get_args(accepted)
    if value is not None and value not in words:
        raise ConfigError(f"{name} '{value}': accepted: {', '.join(words)}.")
