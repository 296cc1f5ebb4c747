"""What `superres upscale` leaves behind when it is told to end."""

import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from films import flat_frames

from superres import images, video
from superres.commands.upscale_ending import ended_cleanly
from superres.images import Picture

SECONDS = 60


def stopped(source: Path, target: Path, sign: str) -> int:
    """Upscale in a process of its own, end it once `sign` is there; return its exit code."""
    words = [source, "-o", target, "--model", "nearest", "--scale", "8", "--backend", "torch"]
    command = [sys.executable, "-m", "superres", "upscale", *map(str, words)]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        until = time.monotonic() + SECONDS
        while not list(target.parent.glob(sign)) and process.poll() is None:
            assert time.monotonic() < until
            time.sleep(0.01)
        process.send_signal(signal.SIGTERM)
        return process.wait(SECONDS)


def test_sigterm_leaves_no_half_written_picture(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (2000, 1500, 3), np.uint8)
    images.write(tmp_path / "in.png", Picture(noise))
    code = stopped(tmp_path / "in.png", tmp_path / "out" / "sr.png", ".sr.png.*.partial")
    assert code == 128 + signal.SIGTERM
    assert not list((tmp_path / "out").iterdir())


def test_sigterm_leaves_the_finished_segments_of_a_video(tmp_path: Path) -> None:
    video.write(tmp_path / "in.mkv", flat_frames(600, 64, 64))
    code = stopped(tmp_path / "in.mkv", tmp_path / "out" / "sr.mkv", ".sr.mkv.parts/ledger.json")
    assert code == 128 + signal.SIGTERM
    assert [path.name for path in (tmp_path / "out").iterdir()] == [".sr.mkv.parts"]
    left = {path.name for path in (tmp_path / "out" / ".sr.mkv.parts").iterdir()}
    assert {"ledger.json", "000000.mp4"} <= left


def test_another_program_keeps_its_own_handler() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit) as end, ended_cleanly():
        signal.raise_signal(signal.SIGTERM)
    assert end.value.code == 128 + signal.SIGTERM
    assert signal.getsignal(signal.SIGTERM) is before

    def in_a_thread() -> None:
        with ended_cleanly():
            assert signal.getsignal(signal.SIGTERM) is before

    thread = threading.Thread(target=in_a_thread)
    thread.start()
    thread.join()
