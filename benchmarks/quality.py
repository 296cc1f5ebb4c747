"""Networks for quality on every backend, beside eager PyTorch: read the ratios.

python benchmarks/quality.py prepare FOLDER          export and quantise the networks, once
python benchmarks/quality.py measure FOLDER NAME [WIDTHxHEIGHT] [ROUNDS] [CASE;CASE]
"""

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from superres import images
from superres.checkpoint import load_model, save_model
from superres.images import Picture
from superres.inference.openvino_runtime import has_openvino
from superres.inference.upscaler import Upscaler
from superres.models import Generator, build
from superres.release.export import export_onnx
from superres.release.quantisation import quantise

TRAINED = Path("models/pretrained/quality-x4")
NETWORKS: dict[str, tuple[str, dict[str, Any]]] = {
    "quality": ("fast", {"scale": 4, "channels": 48, "layers": 12, "colour": "rgb"}),
    "span": ("span", {"scale": 4, "channels": 48}),
    "srresnet": ("srresnet", {"scale": 2}),
}
CALIBRATION = 4  # pictures


def scene(height: int, width: int, seed: int = 0) -> NDArray[np.uint8]:
    """Return a picture with the smoothness of a photograph: noise of several sizes."""
    random = np.random.default_rng(seed)
    total = np.full((height, width, 3), 128.0)
    for step in (64, 16, 4):
        coarse = random.normal(0, 30, (-(-height // step) + 1, -(-width // step) + 1, 3))
        total += cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.clip(total, 0, 255).round().astype(np.uint8)


def drawn(name: str, options: dict[str, Any]) -> Generator:
    """Return a network with random weights in the form that is deployed."""
    torch.manual_seed(0)
    network = build(name, **options).eval()
    for parameter in network.parameters():
        if not parameter.any():
            torch.nn.init.normal_(parameter, std=0.02)
    return network.deployed().eval()


def prepare(folder: Path) -> None:
    """Write every network as a model folder with its export, and as an int8 one."""
    (folder / "pictures").mkdir(parents=True, exist_ok=True)
    for seed in range(CALIBRATION):
        images.write(folder / "pictures" / f"{seed}.png", Picture(scene(320, 480, seed)))
    for name, (kind, options) in NETWORKS.items():
        trained = name == "quality" and TRAINED.is_dir()
        network = load_model(TRAINED).generator.deployed() if trained else drawn(kind, options)
        save_model(folder / name, network, {"version": name})
        model = load_model(folder / name)
        export_onnx(model, folder / name / "model.onnx")
        # Random weights may lose anything; here only the time counts.
        quantise(model, folder / f"{name}-int8", folder / "pictures", max_loss=100.0)


def eager(network: Generator, lr: NDArray[np.uint8]) -> Callable[[], NDArray[np.uint8]]:
    """Return what a plain script does: the whole frame, then clamp, scale, round, cast."""

    def run() -> NDArray[np.uint8]:
        with torch.inference_mode():
            batch = torch.from_numpy(lr).permute(2, 0, 1)[None].float().div(255)
            sr = network(batch)[0].clamp(0, 1).mul(255).add(0.5).floor()
            made: NDArray[np.uint8] = sr.permute(1, 2, 0).contiguous().to(torch.uint8).numpy()
            return made

    return run


def measure(folder: Path, name: str, size: str, rounds: int, only: list[str]) -> None:
    """Print the fastest time of each case, wall and CPU, and how far from eager each one is."""
    width, height = (int(side) for side in size.split("x"))
    lr = scene(height, width)
    model = load_model(folder / name)
    engine: dict[str, tuple[str, dict[str, Any]]] = {
        "torch": (name, {"backend": "torch"}),
        "torch, whole": (name, {"backend": "torch", "tile": 0}),
        "onnx": (name, {"backend": "onnx"}),
        "onnx, whole": (name, {"backend": "onnx", "tile": 0}),
    }
    if has_openvino():
        engine["openvino"] = (name, {"backend": "openvino"})
        half = {"backend": "openvino", "precision": "bfloat16"}
        engine["openvino, bfloat16"] = (name, half)
        engine["openvino, int8"] = (f"{name}-int8", {"backend": "openvino"})
    cases: dict[str, Callable[[], Any]] = {"eager": eager(model.generator, lr)}
    for case, (which, options) in engine.items():
        if not only or case in only:
            upscaler = Upscaler(load_model(folder / which), **options)
            cases[case] = lambda upscaler=upscaler: upscaler.pixels(lr)
    wall: dict[str, float] = {}
    cpu: dict[str, float] = {}
    made: dict[str, NDArray[np.uint8]] = {}
    for _ in range(rounds):
        for case, work in cases.items():
            begun, busy = time.perf_counter(), time.process_time()
            made[case] = work()
            cpu[case] = min(cpu.get(case, np.inf), time.process_time() - busy)
            wall[case] = min(wall.get(case, np.inf), time.perf_counter() - begun)
    print(f"\n### {name} x{model.info.scale}, {size}, {torch.get_num_threads()} threads\n")
    print("| case | ms | speed / eager | CPU ms | off by 1 | by more |\n|---|--:|--:|--:|--:|--:|")
    for case in cases:
        off = np.abs(made[case].astype(int) - made["eager"])
        print(
            f"| {case} | {1000 * wall[case]:.0f} | {wall['eager'] / wall[case]:.2f} "
            f"| {1000 * cpu[case]:.0f} | {(off == 1).mean():.1e} | {(off > 1).mean():.1e} |"
        )


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["prepare", place]:
            prepare(Path(place))
        case ["measure", place, name, *rest]:
            size, rounds, only = [*rest, *["480x270", "3", ""][len(rest) :]]
            measure(Path(place), name, size, int(rounds), [one for one in only.split(";") if one])
        case _:
            sys.exit(str(__doc__))
