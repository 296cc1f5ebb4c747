"""Memory follows the width of a picture, not its area."""

import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from superres import images
from superres.checkpoint import Model
from superres.images import Picture
from superres.inference import Upscaler, memory, pictures
from superres.inference.pictures import upscale_picture
from superres.models import build


def peak_of(source: Path, target: Path, scaler: Upscaler) -> int:
    tracemalloc.start()  # NumPy's arrays and Python's bytes; torch's own buffers are a tile's
    try:
        upscale_picture(scaler, source, target)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_a_picture_four_times_as_high_takes_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    monkeypatch.setattr(pictures, "STREAMED_PIXELS", 0)
    monkeypatch.setattr("superres.images.png_rows.STRIP_BYTES", 100_000)
    monkeypatch.setattr("superres.inference.tiled.STRIP_BYTES", 400_000)
    monkeypatch.setattr("superres.images.lossless._STRIP_ROWS", 32)
    generator = build("nearest", scale=2).eval()
    scaler = Upscaler(Model(generator, generator.info, {}), tile=64)
    peaks = []
    for height in (1000, 4000):
        pixels = np.random.default_rng(0).integers(0, 256, (height, 400, 3), np.uint8)
        images.write(tmp_path / "in.png", Picture(pixels))
        peaks.append(peak_of(tmp_path / "in.png", tmp_path / f"out{suffix}", scaler))
        size = pixels.nbytes
        del pixels
    assert peaks[1] < 1.3 * peaks[0]
    assert peaks[1] < 4 * size / 2  # the result alone has four times the pixels


@pytest.mark.parametrize(
    ("limit", "used", "free"), [("1000", "400", 600), ("max", "400", 2048), ("100", "400", 0)]
)
def test_free_memory_is_the_containers_where_that_is_less(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str, used: str, free: int
) -> None:
    (tmp_path / "meminfo").write_text("MemTotal: 9 kB\nMemAvailable:       2 kB\n")
    (tmp_path / "memory.max").write_text(limit)
    (tmp_path / "memory.current").write_text(used)
    monkeypatch.setattr(memory, "MEMINFO", tmp_path / "meminfo")
    monkeypatch.setattr(memory, "CGROUP", tmp_path)
    assert memory.free_bytes() == free


def test_without_such_files_some_gigabytes_are_assumed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "MEMINFO", tmp_path / "none")
    monkeypatch.setattr(memory, "CGROUP", tmp_path)
    assert memory.free_bytes() == memory.PLENTY
    found: Any = memory.side_for(10_000, 100)
    assert found == 10
