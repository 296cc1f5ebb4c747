"""Upscaling side by side with references, interleaved in one process: read the ratios.

python benchmarks/upscale.py [fast] [quality] [memory] [start]     without names, all
"""

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import torch
from run import rounds, show

from superres import images
from superres.checkpoint import Model, load_model, save_model
from superres.images import Picture
from superres.inference.upscaler import Upscaler
from superres.models import Generator, build
from superres.release.export import export_onnx

LR = np.random.default_rng(0).integers(0, 256, (270, 480, 3), dtype=np.uint8)
SIZES = ((1500, 2000), (3000, 4000))


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
    network = drawn("fast", scale=4, channels=16, layers=9)
    model = exported(network, folder / "fast")
    body = network.body[:-1].to(memory_format=torch.channels_last)
    lr = torch.rand(1, 3, *LR.shape[:2]).to(memory_format=torch.channels_last)

    def convolutions() -> object:
        with torch.inference_mode():
            return body(lr)

    cases = {
        "eager, whole frame": eager(network),
        "engine": engine(model),
        "engine, onnx": engine(model, backend="onnx"),
        "its convolutions alone": convolutions,
        "OpenCV INTER_CUBIC": lambda: cv2.resize(LR, (1920, 1080), interpolation=cv2.INTER_CUBIC),
    }
    found = rounds(cases, 15)
    show("fast x4, 16 channels, 9 layers, 480x270", found, "eager, whole frame")
    print(f"\nengine: {1000 / found['engine']:.1f} frames/s, {torch.get_num_threads()} threads")
    theirs, ours = cases["eager, whole frame"](), cases["engine"]()
    difference = np.abs(np.asarray(theirs).astype(int) - np.asarray(ours))
    print(f"largest difference {difference.max()} levels, {(difference > 0).mean():.2e} of values")


def quality(folder: Path) -> None:
    """A network for quality: SRResNet with 16 blocks of 64 channels."""
    network = drawn("srresnet", scale=4)
    model = exported(network, folder / "srresnet")
    cases = {
        "eager, whole frame": eager(network),
        "engine": engine(model),
        "engine, whole frame": engine(model, tile=0),
        "engine, onnx": engine(model, backend="onnx"),
        "engine, onnx, whole frame": engine(model, backend="onnx", tile=0),
    }
    show("SRResNet x4, 16 blocks, 480x270", rounds(cases, 2), "eager, whole frame")


def memory(folder: Path) -> None:
    """Peak memory of `superres upscale` of one PNG at x2, by area."""
    model = folder / "fast-x2"
    exported(drawn("fast", scale=2, channels=16, layers=6), model)
    print("\n### Peak memory, fast x2\n\n| input | backend | MiB | s |\n|---|---|--:|--:|")
    for height, width in SIZES:
        source = folder / f"{width}.png"
        pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
        images.write(source, Picture(pixels))
        for backend in ("torch", "onnx"):
            words = [str(source), "-o", str(folder / "sr.png"), "--model", str(model)]
            spent, peak = command([*words, "--backend", backend, "--overwrite"])
            print(f"| {width}x{height} | {backend} | {peak:.0f} | {spent:.1f} |")


def start(folder: Path) -> None:
    """What `superres upscale` takes for a picture of 80x60."""
    model = folder / "fast"
    exported(drawn("fast", scale=4, channels=16, layers=9), model)
    images.write(folder / "small.png", Picture(LR[:60, :80].copy()))
    print("\n### A picture of 80x60\n\n| backend | s, best of 3 |\n|---|--:|")
    for backend in ("auto", "onnx", "torch"):
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


GROUPS = {"fast": fast, "quality": quality, "memory": memory, "start": start}

if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        for name in sys.argv[1:] or GROUPS:
            GROUPS[name](Path(place))
