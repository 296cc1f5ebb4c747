"""A network of video behind the service: a film with memory, and a single picture."""

import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from video_specification import stirred

from superres import images, video
from superres.checkpoint import load_model, save_model
from superres.inference.upscaler import Upscaler
from superres.models import build

Serve = Any


def write(folder: Path) -> Path:
    torch.manual_seed(6)
    network = stirred(build("recurrent", scale=2, channels=4, layers=1)).eval()
    return save_model(folder, network, {"version": "memory-1"})


def test_a_film_is_what_the_engine_makes_of_it(serve: Serve, clip: bytes, tmp_path: Path) -> None:
    folder = write(tmp_path / "memory")
    client = serve(model=str(folder))
    sent = client.post("/upscale_video/submit", files={"video": ("a.mp4", clip)})
    task = sent.json()["task_id"]
    for _ in range(600):
        state = client.get("/upscale_video/status", params={"task_id": task}).json()["status"]
        if state not in ("waiting", "in_progress"):
            break
        time.sleep(0.1)
    assert state == "completed"
    (tmp_path / "served.mp4").write_bytes(client.get(f"/upscale_video/get?task_id={task}").content)
    (tmp_path / "in.mp4").write_bytes(clip)
    own, other = Upscaler(load_model(folder)), Upscaler(load_model("bicubic", scale=2))
    for name, upscaler in (("engine.mp4", own), ("bicubic.mp4", other)):
        upscaler.video(tmp_path / "in.mp4", tmp_path / name)
    served, engine, bicubic = (
        np.stack([one.pixels for one in video.read(tmp_path / name)]).astype(int)
        for name in ("served.mp4", "engine.mp4", "bicubic.mp4")
    )
    assert served.shape == (12, 32, 48, 3)
    # x264 encodes pictures this small in one of two ways: by 1.4 levels, as chance has it.
    assert np.abs(served - engine).mean() < 3
    assert np.abs(served - bicubic).mean() > 10


def test_a_picture_is_a_film_of_one_frame(
    serve: Serve, png: bytes, photo: NDArray[np.uint8], tmp_path: Path
) -> None:
    folder = write(tmp_path / "memory")
    answer = serve(model=str(folder)).post("/upscale", files={"image": ("a.png", png)})
    assert answer.status_code == 200, answer.text
    found = images.decode(answer.content).pixels
    assert np.array_equal(found, Upscaler(load_model(folder)).pixels(photo))
