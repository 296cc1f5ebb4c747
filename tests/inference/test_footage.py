"""Videos keep their frames and times; a stop or an error leaves no file and no thread."""

import threading
import time
import weakref
from collections.abc import Iterator
from contextlib import closing
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from torch import nn

from superres import video
from superres.checkpoint import Model
from superres.errors import InputError, ModelError
from superres.inference import CancelledError, Upscaler
from superres.inference.footage import ahead, upscale_frame
from superres.inference.sizing import Wanted
from superres.models import Generator, build
from superres.video import Frame, VideoOptions


def upscaler(generator: Generator, **options: Any) -> Upscaler:
    model = Model(generator.eval(), generator.info, {"version": "7"})
    return Upscaler(model, backend="torch", device="cpu", **options)


def clip(path: Path, frames: int = 6, size: tuple[int, int] = (18, 22)) -> list[float]:
    """Write a clip with uneven frame times and return them in seconds."""
    uneven = [0, 40, 100, 133, 166, 240, 280, 300, 400, 500]
    moments = [520 * (n // 10) + uneven[n % 10] for n in range(frames)]
    made = (
        Frame(
            np.full((*size, 3), 20 * index % 256, np.uint8), index, ms / 1000, ms, Fraction(1, 1000)
        )
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


def written(path: Path, pix_fmt: str = "yuv420p", **facts: Any) -> Path:
    """A clip of six frames in the stored form that is asked for."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options=facts.get("options", {}))
        stream.width, stream.height, stream.pix_fmt = 64, 48, pix_fmt
        stream.codec_context.color_trc = facts.get("transfer", 2)
        for level in range(6):
            pixels = np.full((48, 64, 3), 30 * level, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, "rgb24")))
        container.mux(stream.encode(None))
    return path


@pytest.mark.parametrize(("codec", "bits"), [("h264", 10), ("h265", 10), ("av1", 10), ("vp9", 8)])
def test_ten_bits_stay_ten_or_it_is_told(
    tmp_path: Path, codec: Any, bits: int, caplog: pytest.LogCaptureFixture
) -> None:
    source = written(tmp_path / "in.mkv", "yuv420p10le")
    scaler = upscaler(build("nearest", scale=2))
    scaler.video(source, tmp_path / "out.mkv", options=VideoOptions(codec=codec))
    assert video.probe(tmp_path / "out.mkv").bit_depth == bits
    assert ("10 bits become 8" in caplog.text) == (bits == 8)


def test_what_the_result_will_not_be_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    options = {"x264-params": "interlaced=1:tff=1"}
    source = written(tmp_path / "in.mkv", options=options, transfer=16)
    upscaler(build("nearest", scale=2)).video(source, tmp_path / "out.mkv")
    assert "interlaced" in caplog.text
    assert "HDR" in caplog.text


def test_the_total_is_estimated_where_it_is_not_stated(tmp_path: Path) -> None:
    source = written(tmp_path / "in.mkv")
    totals: list[int | None] = []
    upscaler(build("nearest", scale=2)).video(
        source, tmp_path / "out.webm", progress=lambda done, total: totals.append(total)
    )
    assert totals == [6] * 6
    totals.clear()
    upscaler(build("nearest", scale=2)).video(
        source,
        tmp_path / "part.mkv",
        options=VideoOptions(start=0.08, duration=0.12),
        progress=lambda done, total: totals.append(total),
    )
    assert totals == [3] * 3


@pytest.mark.parametrize("depth", ["yuv420p", "yuv420p10le"])
def test_a_preview_is_the_frame_of_the_result(tmp_path: Path, depth: str) -> None:
    source = written(tmp_path / "in.mkv", depth)
    scaler = upscaler(build("bicubic", scale=2))
    pixels = upscale_frame(scaler, source, 0.13)
    assert pixels.shape == (96, 128, 3)
    assert pixels.dtype == (np.uint8 if depth == "yuv420p" else np.uint16)
    assert round(float(pixels.mean()) * 255 / np.iinfo(pixels.dtype).max / 30) == 3


def test_a_silent_film_may_have_any_length_in_little_memory(tmp_path: Path) -> None:
    """No more frames are alive than the queues hold, however many there are."""
    given: list[weakref.ref[Any]] = []
    most = 0

    class Watched(Upscaler):
        def pixels(self, rgb: Any, *, cancelled: Any = None) -> Any:
            nonlocal most
            result = super().pixels(rgb, cancelled=cancelled)
            given.append(weakref.ref(result))
            most = max(most, sum(known() is not None for known in given))
            return result

    clip(tmp_path / "in.mp4", frames=100)
    generator = build("nearest", scale=2)
    watched = Watched(Model(generator.eval(), generator.info, {}), device="cpu")
    watched.video(tmp_path / "in.mp4", tmp_path / "out.mp4", options=VideoOptions(segment=30))
    assert most <= 6


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


def test_a_start_after_the_end_names_the_length(tmp_path: Path) -> None:
    clip(tmp_path / "in.mp4")
    with pytest.raises(InputError, match=r"no frame after 60 s, .*in\.mp4 is 0\.\d+ s long"):
        upscaler(build("nearest", scale=2)).video(
            tmp_path / "in.mp4", tmp_path / "out.mp4", options=VideoOptions(start=60)
        )
    assert [path.name for path in tmp_path.iterdir()] == ["in.mp4"]


def test_frames_that_no_codec_holds_are_refused_before_the_work(tmp_path: Path) -> None:
    clip(tmp_path / "in.mp4")
    begun: list[int] = []
    with pytest.raises(InputError, match=r"h264 takes at most 16384 .* has 300000x300000"):
        upscaler(build("nearest", scale=2), wanted=Wanted(width=300_000, height=300_000)).video(
            tmp_path / "in.mp4",
            tmp_path / "out.mp4",
            progress=lambda done, total: begun.append(done),
        )
    assert not begun
    assert [path.name for path in tmp_path.iterdir()] == ["in.mp4"]
