"""Real clips from end to end: nothing of them is lost, also when the run is killed half way."""

import multiprocessing
import os
import signal
import time
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
import slow_footage
from films import CLIPS, packets

from superres import video
from superres.checkpoint import Model
from superres.inference import Upscaler
from superres.inference.levels import Crop
from superres.models import build
from superres.video import VideoOptions

pytestmark = pytest.mark.e2e

# The network repeats pixels and the encoder hurries: what is tested is all that is around them.
FAST: dict[str, Any] = {"preset": "ultrafast", "crf": 35}
LONG = "tears-of-steel-battle-clip-medium.webm"
TAKEN = 10  # seconds of the long one
KILLED, SEGMENT = "friday.mp4", 40
FORK = multiprocessing.get_context("forkserver")


@pytest.fixture(scope="module")
def scaler() -> Upscaler:
    """The network of `slow_footage`, in integers: a third of the time that its floats take."""
    generator = build("nearest", scale=2)
    model = Model(generator.eval(), generator.info, {"version": "7"})
    made = Upscaler(model, tile=0, backend="torch", device="cpu")

    def levels(lr: Any, crop: Crop) -> Any:
        sr = cv2.resize(lr, None, fx=2, fy=2, interpolation=cv2.INTER_NEAREST)
        return sr[crop.top :, crop.left :][: crop.height, : crop.width]

    made.backend.levels = levels
    return made


def shown_at(path: Path) -> list[float]:
    """Seconds at which each frame is shown, as the file says; nothing is decoded."""
    return sorted(seconds for _, seconds in packets(path, "video"))


def frames_of(path: Path, until: float) -> list[float]:
    """Seconds of each frame that a decoder gives, up to a time."""
    with av.open(str(path)) as container:
        moments = (float(frame.time or 0) for frame in container.decode(video=0))
        return [moment for moment in moments if moment < until]


@pytest.mark.parametrize("name", CLIPS)
def test_a_clip_keeps_frames_times_sound_and_length(
    shared_data: Path, scaler: Upscaler, tmp_path: Path, name: str
) -> None:
    source = shared_data / "clips" / name
    until = TAKEN if name == LONG else float("inf")
    target = tmp_path / f"out{'.mkv' if name == LONG else '.mp4'}"
    duration = TAKEN if name == LONG else None
    info = scaler.video(source, target, options=VideoOptions(**FAST, duration=duration))
    width, height, fps, count, seconds, has_audio = CLIPS[name]
    assert (info.width, info.height) == (2 * width, 2 * height)
    expected, found = frames_of(source, until), shown_at(target)
    assert len(found) == len(expected) == (count or TAKEN * fps)
    assert found == pytest.approx(expected, abs=0.0006)  # Matroska counts milliseconds
    sound = [packet for packet in packets(source) if packet[1] < until]
    again = packets(target)
    assert [content for content, _ in again] == [content for content, _ in sound]
    assert [at for _, at in again] == pytest.approx([at for _, at in sound], abs=0.0006)
    assert bool(again) == has_audio
    assert info.seconds == pytest.approx(min(seconds, until), abs=1 / float(fps))


def test_a_clip_that_is_killed_half_way_becomes_the_same_film(
    shared_data: Path, scaler: Upscaler, tmp_path: Path
) -> None:
    source = shared_data / "clips" / KILLED
    options = VideoOptions(**FAST, segment=SEGMENT)
    again = VideoOptions(**FAST, segment=SEGMENT, resume=True)
    whole, target = tmp_path / "whole.mp4", tmp_path / "out.mp4"
    scaler.video(source, whole, options=options)
    frames = FORK.Array("i", 2)
    child = FORK.Process(target=slow_footage.doubled, args=(source, target, again, frames, 0.01))
    child.start()
    while frames[1] < CLIPS[KILLED][3] // 2 and child.is_alive():
        time.sleep(0.005)
    assert child.pid is not None
    os.kill(child.pid, signal.SIGKILL)
    child.join()
    assert child.exitcode == -signal.SIGKILL
    assert not target.exists()
    seen: list[int] = []
    scaler.video(source, target, options=again, progress=lambda done, total: seen.append(done))
    assert seen[0] in (2 * SEGMENT, 3 * SEGMENT)  # what was done is not done again
    for one, other in zip(video.read(whole), video.read(target), strict=True):
        assert one.pts == other.pts
        assert np.array_equal(one.pixels, other.pixels)
    assert packets(whole) == packets(target) == packets(source)
