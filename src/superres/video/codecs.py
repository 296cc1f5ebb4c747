"""The codecs that can be written: their encoders, containers and options."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from superres.errors import ConfigError, InputError
from superres.video.options import CodecName, Preset, VideoOptions

# Suffix -> FFmpeg's name of the container.
SUFFIXES: Mapping[str, str] = {
    ".mp4": "mp4",
    ".m4v": "mp4",
    ".mov": "mov",
    ".mkv": "matroska",
    ".webm": "webm",
}
# What each container holds, the default first.
_HELD: Mapping[str, tuple[CodecName, ...]] = {
    "mp4": ("h264", "h265", "av1", "vp9"),
    "mov": ("h264", "h265"),
    "matroska": ("h264", "h265", "av1", "vp9"),
    "webm": ("vp9", "av1"),
}
_PRESETS: tuple[str, ...] = get_args(Preset)  # the fastest first; libvpx counts them down to 0
_SVT_PRESETS = (10, 10, 9, 8, 7, 6, 5, 4, 2)


@dataclass(frozen=True)
class Codec:
    """An encoder: `crf` its good and `worst` quality, `deep` whether it takes 10 bits.

    `smallest` and `largest`: a picture needs and may have as many pixels in each direction; `tag`
    is the name that Apple's players want in MP4.
    """

    name: CodecName
    encoder: str
    crf: float
    worst: float
    deep: bool
    smallest: int = 2
    largest: int = 16_384
    tag: str | None = None

    def check_size(self, path: Path, height: int, width: int) -> None:
        """Raise InputError for pictures that the codec cannot hold."""
        if min(width, height) + 1 < self.smallest:
            takes, cure = f"needs {self.smallest}", "; use h264"
        elif max(width, height) > self.largest:
            takes, cure = f"takes at most {self.largest}", ""
        else:
            return
        told = f"{self.name} {takes} pixels in each direction, the video has {width}x{height}"
        raise InputError(f"{path}: {told}{cure}", code="cannot_encode")

    def options(self, wanted: VideoOptions) -> dict[str, str]:
        """Return the encoder's own options."""
        crf = {"crf": f"{self.crf if wanted.crf is None else wanted.crf:g}"}
        place = _PRESETS.index(wanted.preset)
        if self.name == "vp9":
            mode = "realtime" if place < 3 else "good"
            speed = str(len(_PRESETS) - 1 - place)
            return {**crf, "deadline": mode, "cpu-used": speed, "row-mt": "1"}
        if self.name == "av1":
            os.environ.setdefault("SVT_LOG", "1")  # else it writes a page to stderr
            return {**crf, "preset": str(_SVT_PRESETS[place])}
        quiet = {"x265-params": "log-level=none"} if self.name == "h265" else {}
        return {**crf, "preset": wanted.preset, **quiet}


_CODECS: Mapping[CodecName, Codec] = {
    "h264": Codec("h264", "libx264", 18, 51, deep=True),
    # Below 64 pixels libx265 4.1 writes past its buffers and ends the process.
    "h265": Codec("h265", "libx265", 20, 51, deep=True, smallest=64, tag="hvc1"),
    "vp9": Codec("vp9", "libvpx-vp9", 24, 63, deep=False, largest=65_535),
    "av1": Codec("av1", "libsvtav1", 24, 63, deep=True, smallest=16),
}


def container_of(path: Path) -> str:
    """Return FFmpeg's name of the container for a suffix; InputError 415 for another one."""
    try:
        return SUFFIXES[path.suffix.lower()]
    except KeyError:
        known = ", ".join(SUFFIXES)
        message = f"{path}: suffix {path.suffix!r} is no container to write; accepted: {known}"
        raise InputError(message, code="unsupported_type", status=415) from None


def codec_for(path: Path, wanted: VideoOptions) -> Codec:
    """Return the codec for a file to write.

    Raises InputError for a suffix that is no container, ConfigError for a codec that it does not
    hold or a quality that the codec does not have.
    """
    held = _HELD[container_of(path)]
    codec = _CODECS[wanted.codec or held[0]]
    if codec.name not in held:
        raise ConfigError(
            f"{path}: codec {codec.name} does not go into {path.suffix}; accepted: "
            f"{', '.join(held)}. Any goes into .mkv."
        )
    if wanted.crf is not None and wanted.crf > codec.worst:
        raise ConfigError(f"crf {wanted.crf:g}: {codec.name} takes 0 to {codec.worst:g}.")
    return codec
