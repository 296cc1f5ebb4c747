"""The service as it is operated: killed, resumed, cancelled, promoted into, asked to end."""

import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import httpx
import pytest
from served import Server, environment, noise, png_of, started

from superres import video
from superres.checkpoint import load_model, save_model
from superres.inference import Upscaler
from superres.models import build
from superres.serving.videos import SEGMENTS
from superres.video import Frame, VideoOptions

pytestmark = pytest.mark.e2e

NETWORK: dict[str, Any] = {"scale": 2, "channels": 8, "layers": 3}
FRAMES = 400


def film(path: Path, height: int, width: int, frames: int = FRAMES) -> bytes:
    pixels = noise(height, width)
    made = (Frame(pixels, n, n / 25, n, Fraction(1, 25)) for n in range(frames))
    video.write(path, made, options=VideoOptions(crf=40))
    return path.read_bytes()


def submit(client: httpx.Client, content: bytes) -> dict[str, str]:
    answer = client.post("/upscale_video/submit", files={"video": ("a.mp4", content)})
    assert answer.status_code == 200, answer.text
    return {"task_id": answer.json()["task_id"]}


def status(client: httpx.Client, task: dict[str, str]) -> dict[str, Any]:
    return dict(client.get("/upscale_video/status", params=task).json())


def follow(client: httpx.Client, task: dict[str, str], frames: int | None = None) -> dict[str, Any]:
    """Wait until so many frames are done, or the task is."""
    for _ in range(6000):
        found = status(client, task)
        if found["status"] not in ("pending", "interrupted", "in_progress"):
            return found
        if frames is not None and found["frames_done"] >= frames:
            return found
        time.sleep(0.02)
    raise AssertionError(f"it did not come so far: {found}")


def made(folder: Path) -> tuple[Path, dict[str, str]]:
    """Return a model folder and the environment that serves it."""
    model = save_model(folder / "mine", build("compact", **NETWORK), {"version": "1"})
    jobs = str(folder / "jobs")
    return model, environment(folder, SUPERRES_MODEL=str(model), SUPERRES_JOBS=jobs)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("served")


@pytest.fixture(scope="module")
def server(place: Path) -> Iterator[Server]:
    """One server for all tests but the one that kills; the last test asks it to end."""
    with started(place, made(place)[1]) as found:
        yield found


def test_a_killed_service_goes_on_with_its_video_to_the_same_file(tmp_path: Path) -> None:
    model, env = made(tmp_path)
    env["SUPERRES_VIDEO_NICENESS"] = "0"  # nothing else is asked for, and other programs may run
    content = film(tmp_path / "in.mp4", 48, 64, frames=FRAMES)
    with started(tmp_path, env) as server:
        task = submit(server.client, content)
        found = follow(server.client, task, frames=40)
        assert 0 < found["percent"] < 100
        server.kill()
    jobs = tmp_path / "jobs"
    assert list(jobs.glob("*/.video.mp4.parts/*.mp4"))

    with started(tmp_path, env) as server:
        found = status(server.client, task)
        assert found["interruptions"] == 1
        found = follow(server.client, task)
        assert (found["status"], found["percent"]) == ("completed", 100)
        resumed = server.client.get("/upscale_video/get", params=task).content
    names = sorted(path.name for path in (jobs / task["task_id"]).iterdir())
    assert names == ["job.json", "video.mp4"]
    assert "going on after" in server.log

    options = VideoOptions(segment=SEGMENTS["image"])
    Upscaler(load_model(model)).video(tmp_path / "in.mp4", tmp_path / "sr.mp4", options=options)
    assert resumed == (tmp_path / "sr.mp4").read_bytes()


def test_a_cancelled_video_frees_the_processor(server: Server, place: Path) -> None:
    task = submit(server.client, film(place / "in.mp4", 480, 640, 60))
    follow(server.client, task, frames=3)
    begun = time.monotonic()
    answer = server.client.put("/upscale_video/cancel", params=task)
    assert answer.json()["status"] == "canceled"
    assert time.monotonic() - begun < 2
    time.sleep(0.2)
    before = server.cpu_seconds()
    time.sleep(1)
    assert server.cpu_seconds() - before < 0.2
    assert [path.name for path in (place / "jobs" / task["task_id"]).iterdir()] == ["job.json"]


def test_a_video_stands_back(server: Server, place: Path) -> None:
    task = submit(server.client, film(place / "in.mp4", 480, 640, 60))
    follow(server.client, task, frames=3)
    worker = Path(f"/proc/{server.pids()[-1]}/task")
    nice = [
        int(thread.joinpath("stat").read_text().split(") ")[1].split()[16])
        for thread in worker.iterdir()
    ]
    server.client.put("/upscale_video/cancel", params=task)
    assert nice.count(10) >= 4  # the job, its decoder, network and encoder
    own = os.getpriority(os.PRIO_PROCESS, 0)
    assert nice.count(own) >= 2  # the server, and the threads of pictures


def test_the_champion_moves_and_no_request_is_lost(server: Server, place: Path) -> None:
    model = place / "mine"
    picture = png_of(noise(64, 64))
    answers: list[tuple[float, int, str]] = []
    stop = threading.Event()

    def ask() -> None:
        with httpx.Client(base_url=server.client.base_url, timeout=60) as client:
            while not stop.is_set():
                answer = client.post("/upscale", files={"image": picture})
                version = answer.headers.get("x-superres-version", "")
                answers.append((time.monotonic(), answer.status_code, version))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    time.sleep(1)
    save_model(model, build("compact", **NETWORK), {"version": "2"})
    moved = time.monotonic()
    while time.monotonic() < moved + 10 and "2" not in {version for _, _, version in answers}:
        time.sleep(0.1)
    time.sleep(0.5)
    stop.set()
    for thread in threads:
        thread.join()
    assert Counter(code for _, code, _ in answers) == {200: len(answers)}
    assert min(when for when, _, version in answers if version == "2") - moved < 10
    old = server.client.post("/upscale?model=mine@1", files={"image": picture})
    assert old.headers["x-superres-version"] == "1"


def test_many_clients_of_all_sizes(server: Server) -> None:
    """A few seconds of what benchmarks/service.py measures for minutes."""
    pictures = [png_of(noise(side, side)) for side in (16, 64, 200, 400)]
    codes: Counter[int] = Counter()
    until = time.monotonic() + 8

    def ask(number: int) -> None:
        with httpx.Client(base_url=server.client.base_url, timeout=60) as client:
            while time.monotonic() < until:
                answer = client.post("/upscale", files={"image": pictures[number % 4]})
                codes[answer.status_code] += 1
                if answer.status_code == 503:
                    time.sleep(int(answer.headers["retry-after"]))

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(32)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(codes) <= {200, 503}
    assert codes[200] > 50


def test_asked_to_end_it_finishes_what_it_has_begun(server: Server) -> None:
    found: list[httpx.Response] = []
    picture = png_of(noise(1000, 1000))

    def ask() -> None:
        found.append(
            httpx.post(
                f"http://127.0.0.1:{server.port}/upscale", files={"image": picture}, timeout=60
            )
        )

    thread = threading.Thread(target=ask)
    thread.start()
    waiting = "superres_computing 1.0"
    while waiting not in server.client.get("/metrics").text and thread.is_alive():
        time.sleep(0.01)
    server.process.send_signal(signal.SIGTERM)
    thread.join()
    assert [answer.status_code for answer in found] == [200]
    assert server.process.wait(30) == 0
