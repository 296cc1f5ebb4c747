"""The service under load, next to the bare engine: on loopback, bounded, with a server of its own.

python benchmarks/service.py overhead [--model FOLDER]   HTTP / engine for two pictures
python benchmarks/service.py load [SECONDS] [--video]    32 clients of mixed sizes; beside them a
                                                         video, whose frames must advance
python benchmarks/service.py video [SECONDS]             pictures alone / while a video runs
python benchmarks/service.py champion                    the champion moves under 8 clients
python benchmarks/service.py serve                       a server for `--address`

--address http://127.0.0.1:PORT asks a server that runs already (overhead only). Without --model a
network of the size of fast-x2 with random weights, which costs the same.
"""

import argparse
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import httpx
import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from served import Server, environment, started
from service_clients import Clients
from service_video import Film, film_of

from superres import images
from superres.checkpoint import load_model, save_model
from superres.images import Picture
from superres.inference import Upscaler
from superres.inference.pictures import text_of
from superres.models import build

PAUSE = 0.05  # after each turn: idle OpenMP threads spin for a while
SIZES = (64, 128, 256, 384, 512, 768)


def main() -> None:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=("overhead", "load", "video", "champion", "serve"))
    parser.add_argument("seconds", nargs="?", type=float, default=180.0)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--address")
    parser.add_argument("--video", action="store_true", help="load: a video runs meanwhile")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        folder = place / "models" / "champion"
        if asked.model is None:
            generator = build("fast", scale=2, channels=16, layers=9)
            save_model(folder, generator, {"version": "random"})
        else:
            shutil.copytree(asked.model, folder)
        if asked.what == "overhead" and asked.address:
            overhead(asked.address, folder, asked.seconds)
            return
        env = environment(place, SUPERRES_MODEL=str(folder), SUPERRES_LOG="text")
        del env["OMP_NUM_THREADS"]
        with started(place, env) as server:
            _measure(asked, server, folder)


def _measure(asked: argparse.Namespace, server: Server, folder: Path) -> None:
    if asked.what == "overhead":
        overhead(f"http://127.0.0.1:{server.port}", folder, asked.seconds)
    elif asked.what == "load":
        load(server, asked.seconds, with_video=asked.video)
    elif asked.what == "video":
        beside_video(server, asked.seconds)
    elif asked.what == "champion":
        champion(server, folder)
    else:
        print(f"http://127.0.0.1:{server.port}", flush=True)
        time.sleep(asked.seconds)


def scene(height: int, width: int) -> NDArray[np.uint8]:
    """Return a picture with detail of all sizes and some grain, as a photograph has."""
    chance = np.random.default_rng(3)
    made = np.zeros((height, width, 3), np.float32)
    for cells in (4, 16, 64):
        coarse = chance.random((cells, cells, 3), np.float32)
        made += (
            cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC) * 255 / cells**0.5
        )
    made += chance.normal(0, 2, made.shape)
    return np.clip(made, 0, 255).astype(np.uint8)


def overhead(address: str, folder: Path, seconds: float) -> None:
    """Print HTTP / engine for the same bytes, in turns, the best of each."""
    upscaler = Upscaler(load_model(folder))
    cases = {
        "256x256 PNG": images.encode(Picture(scene(256, 256))),
        "1920x1080 JPEG": images.encode(Picture(scene(1080, 1920)), "JPEG"),
    }

    def engine(data: bytes) -> bytes:
        picture = images.decode(data)
        return images.encode(upscaler.image(picture), str(picture.format), text=text_of(upscaler))

    inside: list[float] = []
    with httpx.Client(base_url=address, timeout=60) as client:

        def http(data: bytes) -> bytes:
            answer = client.post("/upscale", files={"image": ("a", data)})
            inside.append(float(answer.headers["x-superres-seconds"]))
            return answer.content

        for name, data in cases.items():
            if engine(data) != http(data):
                raise SystemExit(f"{name}: engine and service give different bytes")
            inside.clear()
            here, there = _in_turns(lambda d=data: engine(d), lambda d=data: http(d), seconds)
            own = inside[-len(there) :]
            around = statistics.median(map(float.__sub__, there, own))
            print(
                f"{name}: engine {1000 * min(here):.1f} ms, HTTP {1000 * min(there):.1f} ms, "
                f"ratio {min(there) / min(here):.3f} (medians "
                f"{statistics.median(there) / statistics.median(here):.3f}, {len(here)} turns); "
                f"around the engine {1000 * around:.1f} ms"
            )


def _in_turns(
    first: Callable[[], Any], second: Callable[[], Any], seconds: float
) -> tuple[list[float], list[float]]:
    found: tuple[list[float], list[float]] = ([], [])
    until = time.monotonic() + seconds
    while time.monotonic() < until or len(found[0]) < 3:
        for times, call in zip(found, (first, second), strict=True):
            start = time.perf_counter()
            call()
            times.append(time.perf_counter() - start)
            time.sleep(PAUSE)
    return found


def pictures() -> dict[str, bytes]:
    """Return pictures of mixed sizes and formats."""
    made = {f"{side}x{side} PNG": images.encode(Picture(scene(side, side))) for side in SIZES}
    made["640x480 JPEG"] = images.encode(Picture(scene(480, 640)), "JPEG")
    return made


def bare(client: httpx.Client, files: dict[str, bytes]) -> dict[str, float]:
    """Return the engine's own seconds for each file, alone on the machine: the best of three."""
    found = {}
    for name, data in files.items():
        answers = [client.post("/upscale", files={"image": data}) for _ in range(3)]
        found[name] = min(float(answer.headers["x-superres-seconds"]) for answer in answers)
    return found


def load(server: Server, seconds: float, *, with_video: bool = False) -> None:
    """Print what 32 clients saw, and the memory of the service."""
    files = pictures()
    alone = bare(server.client, files)
    clients = Clients(server, files, 32)
    with ExitStack() as stack:
        film = stack.enter_context(_film(server).running()) if with_video else None
        seen = clients.run(seconds, watch=server.memory_mib)
    print(f"32 clients, {seconds:.0f} s: {seen.told()}")
    for name, times in seen.times.items():
        print(
            f"  {name}: p50 {_share(times, 50):.2f} s, p95 {_share(times, 95):.2f} s, "
            f"engine alone {alone[name]:.3f} s, {len(times)} answers"
        )
    early, late = seen.memory[: len(seen.memory) // 3], seen.memory[-len(seen.memory) // 3 :]
    print(f"memory: first third at most {max(early):.0f} MiB, last third {max(late):.0f} MiB")
    seen.require_none_lost()
    if film is not None:
        print(f"  {film.told()}")
        film.require_advance()


def beside_video(server: Server, seconds: float) -> None:
    """Print the p95 of four clients without and with a video task, in turns."""
    files = {name: data for name, data in pictures().items() if "256" in name or "512" in name}
    apart: list[float] = []
    beside: list[float] = []
    for _ in range(turns := max(1, round(seconds / 40))):
        for times, with_video in ((apart, False), (beside, True)):
            with ExitStack() as stack:
                film = stack.enter_context(_film(server).running()) if with_video else None
                seen = Clients(server, files, 4).run(20)
            seen.require_none_lost()
            times += [each for found in seen.times.values() for each in found]
            if film is not None:
                print(f"  {film.told()}")
    p95 = _share(apart, 95), _share(beside, 95)
    print(
        f"4 clients, {turns} turns of 20 s each: p95 {p95[0]:.3f} s without, {p95[1]:.3f} s with "
        f"a video, ratio {p95[1] / p95[0]:.2f} ({len(apart)} and {len(beside)} answers)"
    )


def _film(server: Server) -> Film:
    return Film(f"http://127.0.0.1:{server.port}", _content())


@cache
def _content() -> bytes:
    return film_of(scene(360, 640))


def champion(server: Server, folder: Path) -> None:
    """Print when 8 clients first had the new version, three times."""
    files = {"128x128 PNG": images.encode(Picture(scene(128, 128)))}
    for number in (1, 2, 3):
        clients = Clients(server, files, 8)
        with _moving(clients, folder, f"version-{number}") as moved:
            seen = clients.run(8)
        first = seen.versions[f"version-{number}"] - moved[0]
        print(f"move {number}: {seen.told()}; first answer of the new version after {first:.2f} s")
        seen.require_none_lost()


@contextmanager
def _moving(clients: Clients, folder: Path, version: str) -> Iterator[list[float]]:
    moved: list[float] = []

    def move() -> None:
        generator = build("fast", scale=2, channels=16, layers=9)
        save_model(folder, generator, {"version": version})
        moved.append(time.monotonic())

    clients.after(2.0, move)
    yield moved


def _share(times: list[float], percent: int) -> float:
    return float(np.percentile(times, percent))


if __name__ == "__main__":
    main()
