"""Which codecs the FFmpeg at hand can write."""

from pathlib import Path
from typing import get_args

import av

from superres.video.codecs import codec_for
from superres.video.options import CodecName, VideoOptions


def codecs_here() -> list[str]:
    """Return the names of `VideoOptions.codec` whose encoders are there."""
    any_container = Path("any.mkv")
    found = {
        name: codec_for(any_container, VideoOptions(codec=name)) for name in get_args(CodecName)
    }
    return [name for name, codec in found.items() if codec.encoder in av.codecs_available]
