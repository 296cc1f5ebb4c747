"""A job that dies goes on where it was, and the result is the same."""

import multiprocessing
import os
import random
import signal
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import slow_footage
from films import packets
from nearest_export import write_nearest

from superres import video
from superres.checkpoint import Model, load_model, save_model
from superres.errors import ConfigError, InputError
from superres.inference import CancelledError, Upscaler
from superres.inference.openvino_runtime import has_openvino
from superres.inference.precision import Precision
from superres.models import build
from superres.video import Film, VideoOptions, parts_folder

FRAMES = 75
OPTIONS = VideoOptions(segment=8, preset="ultrafast")
AGAIN = VideoOptions(segment=8, preset="ultrafast", resume=True)
FORK = multiprocessing.get_context("forkserver")


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clip that moves, at uneven times, with sound and B-frames."""
    path = tmp_path_factory.mktemp("film") / "in.mp4"
    generator = np.random.default_rng(3)
    wide = generator.integers(0, 255, (40, 48 + 2 * FRAMES, 3), np.uint8).repeat(2, 0).repeat(2, 1)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=30, options={"g": "20", "crf": "30"})
        stream.width, stream.height, stream.pix_fmt = 96, 80, "yuv420p"
        stream.time_base = stream.codec_context.time_base = Fraction(1, 1000)
        sound = container.add_stream("aac", rate=48_000, layout="mono")
        for index in range(FRAMES):
            pixels = np.ascontiguousarray(wide[:, 3 * index : 3 * index + 96])
            picture = av.VideoFrame.from_ndarray(pixels, "rgb24")
            picture.pts = 33 * index + 7 * (index % 4)
            picture.time_base = Fraction(1, 1000)
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
        tone = np.sin(np.arange(48_000 * 5 // 2) / 20).astype(np.float32)[None]
        samples = av.AudioFrame.from_ndarray(tone, "fltp", "mono")
        samples.sample_rate, samples.pts, samples.time_base = 48_000, 0, Fraction(1, 48_000)
        container.mux([*sound.encode(samples), *sound.encode(None)])
    return path


@pytest.fixture(scope="module")
def scaler() -> Upscaler:
    generator = build("nearest", scale=2)
    model = Model(generator.eval(), generator.info, {"version": "7"})
    return Upscaler(model, backend="torch", device="cpu")


@pytest.fixture(scope="module")
def whole(film: Path, scaler: Upscaler) -> Path:
    """The result of a run that nothing stopped."""
    scaler.video(film, film.with_name("whole.mp4"), options=OPTIONS)
    return film.with_name("whole.mp4")


class StopError(Exception):
    """Ends a run as a power cut would, but for the process, which goes on."""


def stopped_at(scaler: Upscaler, film: Path, dst: Path, options: VideoOptions, at: int) -> int:
    """Let a run fail after `at` frames; return the number it began with."""
    seen: list[int] = []

    def progress(done: int, total: int | None) -> None:
        seen.append(done)
        if done >= at:
            raise StopError

    with pytest.raises(StopError):
        scaler.video(film, dst, options=options, progress=progress)
    return seen[0]


def assert_same_film(one: Path, other: Path) -> None:
    frames = zip(video.read(one), video.read(other), strict=True)
    for number, (a, b) in enumerate(frames):
        assert a.pts == b.pts, number
        assert np.array_equal(a.pixels, b.pixels), number
    assert packets(one) == packets(other) != []
    assert packets(one, "video") == packets(other, "video")


def left_behind(dst: Path) -> list[str]:
    return sorted(path.name for path in dst.parent.iterdir())


@pytest.fixture(scope="module")
def ready_server() -> Iterator[None]:
    """Import torch once for all children."""
    FORK.set_forkserver_preload(["superres.inference", "superres.models", "superres.video"])
    child = FORK.Process(target=time.sleep, args=(0,))
    child.start()
    child.join()
    yield


def test_killed_three_times_at_random_the_result_is_the_same(
    film: Path, whole: Path, tmp_path: Path, ready_server: None
) -> None:
    dst = tmp_path / "out.mp4"
    chance = random.Random()
    began = []
    for number in range(3):
        frames = FORK.Array("i", 2)
        arguments = (film, dst, AGAIN, frames, 0.01)
        child = FORK.Process(target=slow_footage.doubled, args=arguments)
        child.start()
        moment = chance.randint(1 + 20 * number, 20 + 20 * number)
        while frames[1] < moment and child.is_alive():
            time.sleep(0.002)
        time.sleep(chance.uniform(0, 0.03))
        assert child.pid is not None
        os.kill(child.pid, signal.SIGKILL)
        child.join()
        assert child.exitcode == -signal.SIGKILL
        assert not dst.exists()
        began.append(frames[0])
    frames = FORK.Array("i", 2)
    child = FORK.Process(target=slow_footage.doubled, args=(film, dst, AGAIN, frames, 0))
    child.start()
    child.join()
    assert child.exitcode == 0
    assert_same_film(dst, whole)
    assert left_behind(dst) == ["out.mp4"]
    assert began[0] == 1
    assert frames[0] >= 40  # what was done by the third run was not done again
    assert all(start % 8 == 0 for start in [*began[1:], frames[0]] if start > 1)


@pytest.mark.parametrize("on_interrupt", ["keep", "discard"])
def test_ctrl_c_leaves_a_playable_file_or_nothing(
    film: Path, whole: Path, tmp_path: Path, ready_server: None, on_interrupt: Any
) -> None:
    dst = tmp_path / "out.mp4"
    options = VideoOptions(segment=8, preset="ultrafast", on_interrupt=on_interrupt)
    frames = FORK.Array("i", 2)
    child = FORK.Process(target=slow_footage.doubled, args=(film, dst, options, frames, 0.02))
    child.start()
    while frames[1] < 20 and child.is_alive():
        time.sleep(0.005)
    assert child.pid is not None
    os.kill(child.pid, signal.SIGINT)
    child.join()
    assert child.exitcode == slow_footage.INTERRUPTED
    if on_interrupt == "discard":
        assert left_behind(dst) == []
        return
    assert left_behind(dst) == [".out.mp4.parts", "out.mp4"]
    kept = list(video.read(dst))
    assert 20 <= len(kept) < FRAMES
    assert [frame.pts for frame in kept] == [f.pts for f in video.read(whole)][: len(kept)]


@pytest.mark.parametrize("codec", ["h264", "h265", "vp9", "av1"])
def test_every_codec_goes_on_with_the_same_result(
    film: Path, scaler: Upscaler, tmp_path: Path, codec: Any
) -> None:
    options = VideoOptions(segment=8, preset="ultrafast", codec=codec)
    scaler.video(film, tmp_path / "whole.mp4", options=options)
    dst = tmp_path / "out.mp4"
    stopped_at(scaler, film, dst, options, 45)
    again = VideoOptions(segment=8, preset="ultrafast", codec=codec, resume=True)
    seen: list[int] = []
    scaler.video(film, dst, options=again, progress=lambda done, total: seen.append(done))
    assert seen[0] == 40
    assert seen[-1] == FRAMES
    assert_same_film(dst, tmp_path / "whole.mp4")


@pytest.mark.parametrize("at", [8, 16, 74, 75])
def test_stopped_at_the_border_of_a_segment(
    film: Path, whole: Path, scaler: Upscaler, tmp_path: Path, at: int
) -> None:
    dst = tmp_path / "out.mp4"
    stopped_at(scaler, film, dst, OPTIONS, at)
    scaler.video(film, dst, options=AGAIN)
    assert_same_film(dst, whole)


def test_a_part_of_a_video_goes_on_too(film: Path, scaler: Upscaler, tmp_path: Path) -> None:
    options = {"segment": 8, "start": 0.7, "duration": 1.2}
    scaler.video(film, tmp_path / "whole.mp4", options=VideoOptions(**options))
    stopped_at(scaler, film, tmp_path / "out.mp4", VideoOptions(**options), 20)
    again = VideoOptions(**options, resume=True)
    scaler.video(film, tmp_path / "out.mp4", options=again)
    assert_same_film(tmp_path / "out.mp4", tmp_path / "whole.mp4")


def test_without_resume_a_run_starts_anew(film: Path, scaler: Upscaler, tmp_path: Path) -> None:
    stopped_at(scaler, film, tmp_path / "out.mp4", OPTIONS, 45)
    assert stopped_at(scaler, film, tmp_path / "out.mp4", OPTIONS, 3) == 1


@pytest.mark.parametrize(
    ("changes", "told"), [({"crf": 30}, "crf was None, is 30"), ({"start": 0.5}, "start was 0.0")]
)
def test_parts_of_another_job_are_not_taken(
    film: Path, scaler: Upscaler, tmp_path: Path, changes: dict[str, Any], told: str
) -> None:
    dst = tmp_path / "out.mp4"
    stopped_at(scaler, film, dst, OPTIONS, 20)
    options = VideoOptions(segment=8, preset="ultrafast", resume=True, **changes)
    with pytest.raises(ConfigError, match=told):
        scaler.video(film, dst, options=options)
    other = build("bicubic", scale=2)
    bicubic = Upscaler(Model(other.eval(), other.info, {"version": "1"}), device="cpu")
    with pytest.raises(ConfigError, match="model was superres"):
        bicubic.video(film, dst, options=AGAIN)
    assert stopped_at(scaler, film, dst, AGAIN, 20) == 16  # they are still there


@pytest.mark.skipif(not has_openvino(), reason="openvino is not installed")
def test_floats_of_another_width_are_another_job(film: Path, tmp_path: Path) -> None:
    folder = save_model(tmp_path / "model", build("nearest", scale=2), {"version": "7"})
    write_nearest(folder / "model.onnx")
    dst = tmp_path / "out.mp4"

    def opened(precision: Precision) -> Upscaler:
        return Upscaler(load_model(folder), backend="openvino", precision=precision)

    stopped_at(opened("auto"), film, dst, OPTIONS, 20)
    with pytest.raises(ConfigError, match="precision was float32, is bfloat16"):
        opened("bfloat16").video(film, dst, options=AGAIN)
    assert stopped_at(opened("float32"), film, dst, AGAIN, 20) == 16  # what "auto" meant


def test_another_device_is_another_job(film: Path, scaler: Upscaler, tmp_path: Path) -> None:
    dst = tmp_path / "out.mp4"
    stopped_at(scaler, film, dst, OPTIONS, 20)
    ledger = parts_folder(dst) / "ledger.json"
    ledger.write_text(ledger.read_text().replace('"device": "cpu"', '"device": "cuda"'))
    with pytest.raises(ConfigError, match="device was cuda, is cpu"):
        scaler.video(film, dst, options=AGAIN)


def test_a_segment_that_was_lost_is_made_again(
    film: Path, whole: Path, scaler: Upscaler, tmp_path: Path
) -> None:
    dst = tmp_path / "out.mp4"
    stopped_at(scaler, film, dst, OPTIONS, 45)
    segment = parts_folder(dst) / "000002.mp4"
    segment.write_bytes(segment.read_bytes()[:-1])
    seen: list[int] = []
    scaler.video(film, dst, options=AGAIN, progress=lambda done, total: seen.append(done))
    assert seen[0] == 16
    assert_same_film(dst, whole)


def test_two_runs_never_write_the_same_video(film: Path, tmp_path: Path) -> None:
    with (
        Film(tmp_path / "out.mp4", source=film),
        pytest.raises(InputError, match="another process is writing"),
    ):
        Film(tmp_path / "out.mp4", source=film)
    assert not list(tmp_path.iterdir())


def test_a_cancelled_job_that_keeps_is_playable_and_goes_on(
    film: Path, whole: Path, scaler: Upscaler, tmp_path: Path
) -> None:
    dst = tmp_path / "out.mp4"
    done: list[int] = []
    with pytest.raises(CancelledError):
        scaler.video(
            film,
            dst,
            options=VideoOptions(segment=8, preset="ultrafast", on_interrupt="keep"),
            progress=lambda count, total: done.append(count),
            cancelled=lambda: len(done) >= 20,
        )
    frames = list(video.read(dst))
    assert 20 <= len(frames) <= 26
    for frame, wanted in zip(frames[:16], video.read(whole), strict=False):
        assert frame.pts == wanted.pts
        assert np.array_equal(frame.pixels, wanted.pixels)
    sound, all_sound = packets(dst), packets(whole)
    assert sound == all_sound[: len(sound)]
    assert sound[-1][1] == pytest.approx(frames[-1].seconds, abs=0.06)
    seen: list[int] = []
    scaler.video(film, dst, options=AGAIN, progress=lambda count, total: seen.append(count))
    assert seen[0] >= 16
    assert_same_film(dst, whole)
    assert left_behind(dst) == ["out.mp4"]


def test_a_resumed_job_that_is_cancelled_can_be_resumed_again(
    film: Path, scaler: Upscaler, tmp_path: Path
) -> None:
    dst = tmp_path / "out.mp4"
    stopped_at(scaler, film, dst, OPTIONS, 30)
    done: list[int] = []
    with pytest.raises(CancelledError):
        scaler.video(
            film,
            dst,
            options=AGAIN,
            progress=lambda count, total: done.append(count),
            cancelled=lambda: len(done) >= 12,
        )
    assert not dst.exists()
    assert stopped_at(scaler, film, dst, AGAIN, 50) >= 32
