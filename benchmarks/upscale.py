"""Upscaling side by side with references, interleaved in one process: read the ratios.

python benchmarks/upscale.py [fast] [memory] [start]     without names, all
Networks for quality: benchmarks/quality.py.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from opencv_dnn import opencv_network
from run import show

from superres import images, video
from superres.checkpoint import Model, load_model, save_model
from superres.images import Picture
from superres.inference.openvino_runtime import has_openvino
from superres.inference.upscaler import Upscaler
from superres.models import Generator, build
from superres.release.export import export_onnx

CLIP = Path(os.environ.get("SUPERRES_SHARED_DATA", "../shared/data")) / "clips/flower.mp4"
TRAINED = Path("models/pretrained/fast-x4")
NOISE = np.random.default_rng(0).integers(0, 256, (270, 480, 3), dtype=np.uint8)
FAST = {"scale": 4, "channels": 16, "layers": 9}
SIZES = ((1500, 2000), (3000, 4000))


def real_frame() -> NDArray[np.uint8]:
    """Return a frame of 480x270 of a real film; noise where there is none."""
    if not CLIP.is_file():
        return NOISE
    frame = next(iter(video.read(CLIP)))
    return np.ascontiguousarray(cv2.resize(frame.pixels, (480, 270), interpolation=cv2.INTER_AREA))


LR = real_frame()


def drawn(name: str, **options: object) -> Generator:
    """Return a network with random weights in the form that is deployed."""
    torch.manual_seed(0)
    network = build(name, **options).eval()
    for parameter in network.parameters():
        if not parameter.any():
            torch.nn.init.normal_(parameter, std=0.02)
    return network.deployed().eval()


def eager(network: Generator) -> Callable[[], object]:
    """Return what a plain script does: the whole frame, then clamp, scale, round, cast."""

    def run() -> object:
        with torch.inference_mode():
            lr = torch.from_numpy(LR).permute(2, 0, 1)[None].float().div(255)
            sr = network(lr)[0].clamp(0, 1).mul(255).add(0.5).floor()
            return sr.permute(1, 2, 0).contiguous().to(torch.uint8).numpy()

    return run


def engine(model: Model, **options: object) -> Callable[[], object]:
    """Return the engine, uint8 to uint8."""
    upscaler = Upscaler(model, **options)
    return lambda: upscaler.pixels(LR)


def exported(network: Generator, folder: Path) -> Model:
    """Return the network as a model folder with its export."""
    save_model(folder, network, {})
    export_onnx(load_model(folder), folder / "model.onnx")
    return load_model(folder)


def fast(folder: Path) -> None:
    """The real-time network at 480x270 to 1920x1080."""
    trained = TRAINED.is_dir()
    source = load_model(TRAINED).generator.deployed() if trained else drawn("fast", **FAST)
    network = source.eval()
    model = exported(network, folder / "fast")
    body = network.body[:-1].to(memory_format=torch.channels_last)
    lr = torch.rand(1, 3, *LR.shape[:2]).to(memory_format=torch.channels_last)

    def convolutions() -> object:
        with torch.inference_mode():
            return body(lr)

    cases = {
        "eager, whole frame": eager(network),
        "engine, torch": engine(model, backend="torch"),
        "engine, onnx": engine(model, backend="onnx"),
        "its convolutions alone, torch": convolutions,
        "OpenCV dnn, FSRCNN (56, 12, 4)": partial(opencv_network("fsrcnn", *LR.shape[:2]), LR),
        "OpenCV dnn, ESPCN": partial(opencv_network("espcn", *LR.shape[:2]), LR),
        "OpenCV INTER_CUBIC": lambda: cv2.resize(LR, (1920, 1080), interpolation=cv2.INTER_CUBIC),
    }
    if has_openvino():
        cases["engine, openvino"] = engine(model, backend="openvino")
        half = engine(model, backend="openvino", precision="bfloat16")
        cases["engine, openvino, bfloat16"] = half
    found = alone(cases)
    show("fast x4, 16 channels, 9 layers, 480x270", found, "OpenCV dnn, FSRCNN (56, 12, 4)")
    theirs = np.asarray(cases["eager, whole frame"]()).astype(int)
    for name in (name for name in cases if name.startswith("engine")):
        difference = np.abs(theirs - np.asarray(cases[name]()))
        print(
            f"{name}: {1000 / found[name]:.1f} frames/s, largest difference {difference.max()} "
            f"levels; {(difference > 0).mean():.1e} of values by one, "
            f"{(difference > 1).mean():.1e} by more"
        )


def alone(cases: dict[str, Callable[[], object]], turns: int = 12) -> dict[str, float]:
    """Return each case's median milliseconds over the turns in which others left the cores alone.

    On a machine that nobody else uses these are all turns; else the quietest half counts.
    """
    spent: dict[str, list[tuple[float, float]]] = {name: [] for name in cases}
    for turn in range(turns + 1):
        for name, case in cases.items():
            busy, own, begun = busy_seconds(), time.process_time(), time.perf_counter()
            for _ in range(3):
                case()
            clock = time.perf_counter() - begun
            others = busy_seconds() - busy - (time.process_time() - own)
            if turn:
                spent[name].append((max(0.0, others / clock), 1000 * clock / 3))
    quiet = {name: sorted(values)[: (turns + 1) // 2] for name, values in spent.items()}
    worst = max(max(share for share, _ in values) for values in quiet.values())
    print(f"\n{torch.get_num_threads()} threads; others had at most {worst:.2f} of a core")
    return {name: statistics.median(ms for _, ms in values) for name, values in quiet.items()}


def busy_seconds() -> float:
    """Return the seconds that all cores have been busy since the start; 0 where nobody tells."""
    try:
        fields = Path("/proc/stat").read_text().splitlines()[0].split()[1:]
    except OSError:
        return 0.0
    ticks = [int(field) for field in fields[:8]]
    return (sum(ticks) - ticks[3] - ticks[4]) / os.sysconf("SC_CLK_TCK")


def exports() -> tuple[str, ...]:
    """Return the backends that compute the export."""
    return ("onnx", "openvino") if has_openvino() else ("onnx",)


def memory(folder: Path) -> None:
    """Peak memory of `superres upscale` of one PNG with alpha at x2, by area."""
    model = folder / "fast-x2"
    exported(drawn("fast", scale=2, channels=16, layers=6), model)
    print("\n### Peak memory, fast x2\n\n| input | backend | MiB | s |\n|---|---|--:|--:|")
    for height, width in SIZES:
        source = folder / f"{width}.png"
        random = np.random.default_rng(0)
        pixels = random.integers(0, 256, (height, width, 3), dtype=np.uint8)
        images.write(source, Picture(pixels, alpha=pixels[..., 0].copy()))
        for backend in ("torch", *exports()):
            words = [str(source), "-o", str(folder / "sr.png"), "--model", str(model)]
            spent, peak = command([*words, "--backend", backend, "--overwrite"])
            print(f"| {width}x{height} | {backend} | {peak:.0f} | {spent:.1f} |")


def start(folder: Path) -> None:
    """What `superres upscale` takes for a picture of 80x60."""
    model = folder / "fast"
    exported(drawn("fast", scale=4, channels=16, layers=9), model)
    images.write(folder / "small.png", Picture(LR[:60, :80].copy()))
    print("\n### A picture of 80x60\n\n| backend | s, best of 3 |\n|---|--:|")
    for backend in ("auto", *exports(), "torch"):
        words = [str(folder / "small.png"), "-o", str(folder / "sr.png"), "--model", str(model)]
        spent = min(command([*words, "--backend", backend, "--overwrite"])[0] for _ in range(3))
        print(f"| {backend} | {spent:.2f} |")


def command(words: list[str]) -> tuple[float, float]:
    """Run `superres upscale` and return its seconds and the largest peak in MiB so far."""
    code = (
        "import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True, stdout=2);"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    )
    superres = [sys.executable, "-m", "superres", "upscale", *words]
    begun = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", code, *superres], check=True, capture_output=True, text=True
    )
    return time.perf_counter() - begun, int(done.stdout) / 1024


GROUPS = {"fast": fast, "memory": memory, "start": start}

if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        for name in sys.argv[1:] or GROUPS:
            GROUPS[name](Path(place))
