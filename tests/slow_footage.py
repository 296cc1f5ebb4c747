"""A job for a process of its own, which a test then kills."""

import sys
import time
from pathlib import Path
from typing import Any

from superres.checkpoint import Model
from superres.inference import Upscaler
from superres.models import build
from superres.video import VideoOptions

INTERRUPTED = 130


def doubled(src: Path, dst: Path, options: VideoOptions, frames: Any, pause: float) -> None:
    """Upscale `src`; `frames`, a shared list of numbers, gets how many were done after each."""
    generator = build("nearest", scale=2)
    upscaler = Upscaler(
        Model(generator.eval(), generator.info, {"version": "7"}), backend="torch", device="cpu"
    )

    def progress(done: int, total: int | None) -> None:
        if not frames[0]:
            frames[0] = done
        frames[1] = done
        time.sleep(pause)

    try:
        upscaler.video(src, dst, options=options, progress=progress)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
