"""Videos keep their frames and times; a stop or an error leaves no file and no thread."""

import threading
import time
from collections.abc import Iterator
from contextlib import closing
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from torch import nn

from superres import video
from superres.checkpoint import Model
from superres.errors import InputError, ModelError
from superres.inference import CancelledError, Upscaler
from superres.inference.footage import ahead
from superres.models import Generator, build
from superres.video import Frame


def upscaler(generator: Generator, **options: Any) -> Upscaler:
    model = Model(generator.eval(), generator.info, {"version": "7"})
    return Upscaler(model, backend="torch", device="cpu", **options)


def clip(path: Path, frames: int = 6, size: tuple[int, int] = (18, 22)) -> list[float]:
    """Write a clip with uneven frame times and return them in seconds."""
    moments = [0, 40, 100, 133, 166, 240, 280, 300, 400, 500][:frames]
    made = (
        Frame(np.full((*size, 3), 20 * index, np.uint8), index, ms / 1000, ms, Fraction(1, 1000))
        for index, ms in enumerate(moments)
    )
    video.write(path, made)
    return [ms / 1000 for ms in moments]


def test_a_video_keeps_its_frames_and_their_times(tmp_path: Path) -> None:
    moments = clip(tmp_path / "in.mp4")
    seen: list[tuple[int, int | None]] = []
    scaler = upscaler(build("nearest", scale=2))
    info = scaler.video(
        tmp_path / "in.mp4",
        tmp_path / "out.mp4",
        progress=lambda done, total: seen.append((done, total)),
    )
    assert (info.width, info.height) == (44, 36)
    assert seen == [(count, 6) for count in range(1, 7)]
    frames = list(video.read(tmp_path / "out.mp4"))
    assert [frame.seconds for frame in frames] == pytest.approx(moments, abs=0.002)
    assert [round(float(frame.pixels.mean()) / 20) for frame in frames] == list(range(6))


def test_a_cancelled_video_leaves_nothing_and_ends_its_threads(tmp_path: Path) -> None:
    clip(tmp_path / "in.mp4")
    done: list[int] = []
    with pytest.raises(CancelledError):
        upscaler(build("nearest", scale=2)).video(
            tmp_path / "in.mp4",
            tmp_path / "out.mp4",
            progress=lambda count, total: done.append(count),
            cancelled=lambda: len(done) >= 2,
        )
    assert [path.name for path in tmp_path.iterdir()] == ["in.mp4"]
    assert not [t for t in threading.enumerate() if t.name == "superres-ahead"]


def test_an_error_within_a_video_surfaces_and_leaves_nothing(tmp_path: Path) -> None:
    clip(tmp_path / "in.mp4")
    generator = build("compact", scale=2, channels=8, layers=2)
    nn.init.constant_(generator.body[-2].bias, float("nan"))
    with pytest.raises(ModelError, match="NaN"):
        upscaler(generator).video(tmp_path / "in.mp4", tmp_path / "out.mp4")
    assert [path.name for path in tmp_path.iterdir()] == ["in.mp4"]
    with pytest.raises(InputError):
        upscaler(build("nearest", scale=2)).video(tmp_path / "missing.mp4", tmp_path / "out.mp4")


def test_work_runs_only_a_few_items_ahead() -> None:
    made: list[int] = []

    def items() -> Iterator[int]:
        for number in range(100):
            made.append(number)
            yield number

    with closing(ahead(items(), depth=2)) as ready:
        assert next(ready) == 0
        time.sleep(0.3)
        assert len(made) <= 4
        assert next(ready) == 1
    assert len(made) <= 5
