"""What the bars of `superres upscale` count."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tqdm
from films import flat_frames

from superres import images, video
from superres.checkpoint import load_model
from superres.commands.upscale_report import with_bars
from superres.images import Picture
from superres.inference import Upscaler
from superres.inference.library import Task, Writing


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, float, float | None]]:
    """Unit, count and total of every bar after each of its steps, as on a terminal."""
    found: list[tuple[str, float, float | None]] = []

    class Bar(tqdm.tqdm):
        def __init__(self, *given: Any, **options: Any) -> None:
            super().__init__(*given, **{**options, "disable": False, "file": io.StringIO()})

        def update(self, n: float | None = 1) -> bool | None:
            shown = super().update(n)
            found.append((self.unit, self.n, self.total))
            return shown

    monkeypatch.setattr(tqdm, "tqdm", Bar)
    return found


def test_rows_of_each_picture_and_frames_of_each_video(
    tmp_path: Path, told: list[tuple[str, float, float | None]]
) -> None:
    for name, height in (("a.png", 10), ("b.png", 300), ("c.png", 20)):
        images.write(tmp_path / name, Picture(np.zeros((height, 8, 3), np.uint8)))
    video.write(tmp_path / "d.mkv", flat_frames(3, 16, 16))
    sources = sorted(tmp_path.iterdir())
    tasks = [Task(source, tmp_path / "out" / source.name) for source in sources]
    scaler = Upscaler(load_model("nearest", scale=2), tile=64, device="cpu")
    outcomes = list(with_bars(scaler, tasks, Writing(video=video.VideoOptions())))
    assert [outcome.status for outcome in outcomes] == ["ok"] * 4
    # The bar of files is drawn when it is time to, not with every file.
    ends = [step for step in told if step[1] == step[2] and step[0] != "file"]
    assert ends == [("row", 20, 20), ("row", 600, 600), ("row", 40, 40), ("frame", 3, 3)]
