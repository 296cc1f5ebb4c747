"""Footage end to end against its slowest step alone, in one process: read the ratio.

python benchmarks/video.py [--rounds 3] [--frames 96] [--memory]
       [--backend openvino] [--precision bfloat16] [--model FOLDER]
480x270 to 1920x1080 with the fast network, H.264 at x264's veryfast. The three steps share the
cores, so beside the slowest step's rate stands what the cores would allow if nothing ever waited.
The loop that most people write stands beside them: OpenCV reads, FSRCNN in cv2.dnn, OpenCV writes
MPEG-4, which is cheaper than H.264; and the same with our H.264.
"""

import argparse
import os
import resource
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from opencv_dnn import opencv_network

from superres import video
from superres.checkpoint import Model, load_model, save_model
from superres.inference.upscaler import Upscaler
from superres.models import build
from superres.release.export import export_onnx
from superres.video import Frame

CLIPS = Path(os.environ.get("SUPERRES_SHARED_DATA", "../shared/data")) / "clips"
LR_SIZE = (480, 270)
KEPT = 12  # HR frames in memory, shown in turn

Spent = tuple[float, float]  # seconds of the clock, seconds of all cores


def timed(case: Callable[[], object]) -> Spent:
    """Return what a case took, in a thread of its own as the steps of a film are.

    OpenMP's threads wait actively only while there are no more of them than cores, which costs
    seven times the work on a busy machine; from the main thread the cases would not be alike.
    """
    clock, cores = time.perf_counter(), time.process_time()
    worker = threading.Thread(target=case)
    worker.start()
    worker.join()
    return time.perf_counter() - clock, time.process_time() - cores


def source(folder: Path, frames: int) -> Path:
    """Write a clip of 480x270 from a real one, its frames shown to and fro."""
    found = [cv2.resize(f.pixels, LR_SIZE, interpolation=cv2.INTER_AREA) for f in
             islice(video.read(CLIPS / "flower.mp4"), min(frames, 150))]  # fmt: skip
    path = folder / f"lr-{frames}.mp4"
    video.write(path, shown(found, frames))
    return path


def shown(pictures: list[NDArray[np.uint8]], count: int) -> Iterator[Frame]:
    """Yield pictures forwards and backwards until there are `count`."""
    turn = [*pictures, *pictures[-2:0:-1]]
    for n in range(count):
        yield Frame(turn[n % len(turn)], n, n / 30, n, Fraction(1, 30))


def steps(upscaler: Upscaler, path: Path, folder: Path) -> dict[str, Callable[[], object]]:
    """Return the cases: each step alone, and all of them at once."""
    lr = [frame.pixels for frame in video.read(path)]
    hr = [upscaler.pixels(pixels) for pixels in lr[:KEPT]]

    def encode() -> None:
        video.write(folder / "encoded.mp4", shown(hr, len(lr)))

    return {
        "decode": lambda: [None for _ in video.read(path)],
        "upscale": lambda: [None for pixels in lr if upscaler.pixels(pixels) is None],
        "encode": encode,
        "all, one after the other": lambda: sequential(upscaler, path, folder),
        "all, overlapped": lambda: upscaler.video(path, folder / "out.mp4"),
        **opencv(path, folder),
    }


def exported(folder: Path, source: Path | None) -> Model:
    """Return the fast network with its export: the trained one of `source`, or as it begins."""
    if source is None:
        network = build("fast", scale=4, channels=16, layers=9).eval()
    else:
        network = load_model(source).generator
    save_model(folder, network, {})
    export_onnx(load_model(folder), folder / "model.onnx")
    return load_model(folder)


def opencv(path: Path, folder: Path) -> dict[str, Callable[[], object]]:
    """Return OpenCV's frame loop with FSRCNN, once all its own, once with our H.264."""
    upscale = opencv_network("fsrcnn", LR_SIZE[1], LR_SIZE[0])

    def made() -> Iterator[NDArray[Any]]:
        reader = cv2.VideoCapture(str(path))
        while (found := reader.read())[0]:
            yield upscale(found[1])

    def its_own() -> None:
        fourcc = cv2.VideoWriter.fourcc(*"mp4v")
        size = (4 * LR_SIZE[0], 4 * LR_SIZE[1])
        writer = cv2.VideoWriter(str(folder / "opencv.mp4"), fourcc, 30, size)
        if not writer.isOpened():
            raise RuntimeError("this OpenCV cannot write MPEG-4")
        for frame in made():
            writer.write(frame)
        writer.release()

    def ours() -> None:
        frames = (Frame(f, n, n / 30, n, Fraction(1, 30)) for n, f in enumerate(made()))
        video.write(folder / "h264.mp4", frames)

    return {"OpenCV, FSRCNN, MPEG-4": its_own, "OpenCV, FSRCNN, our H.264": ours}


def sequential(upscaler: Upscaler, path: Path, folder: Path) -> None:
    """Do as a simple loop does: a frame at a time."""
    frames = (
        Frame(upscaler.pixels(f.pixels), f.index, f.seconds, f.pts, f.time_base)
        for f in video.read(path)
    )
    video.write(folder / "loop.mp4", frames, source=path)


def peak_mib() -> float:
    """Return the largest memory this process ever had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--frames", type=int, default=96)
    parser.add_argument("--memory", action="store_true", help="the peak with growing length")
    parser.add_argument("--backend", default="auto")
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--model", type=Path, help="a model folder; default: random weights")
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        model = exported(folder / "model", wanted.model)
        upscaler = Upscaler(model, device="cpu", backend=wanted.backend, precision=wanted.precision)
        if wanted.memory:
            memory(upscaler, folder, wanted.frames)
        cases = steps(upscaler, source(folder, wanted.frames), folder)
        spent: dict[str, list[Spent]] = {name: [] for name in cases}
        for turn in range(wanted.rounds + 1):  # the first turn warms up
            for name, case in cases.items():
                found = timed(case)
                if turn:
                    spent[name].append(found)
    show(spent, wanted.frames)


def show(spent: dict[str, list[Spent]], frames: int) -> None:
    """Print frames per second, and the ratios to the slowest step and to what the cores allow."""
    count = len(os.sched_getaffinity(0))
    print(f"\n{count} cores, {frames} frames, medians\n")
    print("| case | fps | core-ms a frame | cores busy |\n|---|--:|--:|--:|")
    fps, work = {}, {}
    for name, found in spent.items():
        fps[name] = frames / statistics.median(clock for clock, _ in found)
        work[name] = statistics.median(cores for _, cores in found) / frames
        print(
            f"| {name} | {fps[name]:.1f} | {1000 * work[name]:.1f} | {fps[name] * work[name]:.2f} |"
        )
    alone = ("decode", "upscale", "encode")
    slowest = min(alone, key=lambda name: fps[name])
    allowed = count / sum(work[name] for name in alone)
    overlapped = fps["all, overlapped"]
    print(f"\noverlapped / slowest alone ({slowest}): {overlapped / fps[slowest]:.2f}")
    print(f"overlapped / what {count} cores allow ({allowed:.1f} fps): {overlapped / allowed:.2f}")
    print(f"overlapped / one after the other: {overlapped / fps['all, one after the other']:.2f}")
    for name in (name for name in spent if name.startswith("OpenCV")):
        print(f"overlapped / {name}: {overlapped / fps[name]:.2f}")


def memory(upscaler: Upscaler, folder: Path, frames: int) -> None:
    """Print the peak memory after clips of growing length."""
    for times in (1, 2, 4):
        upscaler.video(source(folder, times * frames), folder / "out.mp4")
        print(f"{times * frames} frames: peak {peak_mib():.0f} MiB")


if __name__ == "__main__":
    main()
