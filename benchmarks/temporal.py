"""Networks of video: time beside networks of pictures, steadiness, memory by length, a hard cut.

python benchmarks/temporal.py [NAME...] [--model FOLDER]
Names: speed, steady, segments, memory, cut, flow, held; without, all. `--model`: another than
the shipped video-x4.
"""

import argparse
import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from fractions import Fraction
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ladder import figures, pairs
from numpy.typing import NDArray
from run import rounds, show
from torch.nn import functional as F

from superres import video
from superres.checkpoint import Model, load_model
from superres.data.degrade import imresize
from superres.inference.remembered import WARM_UP, remembered
from superres.inference.temporal import VideoBackend, through
from superres.inference.upscaler import Upscaler
from superres.metrics import score
from superres.models import build
from superres.models.motion import METHODS, fetched, motion

CLIPS = Path(os.environ.get("SUPERRES_SHARED_DATA", "../shared/data")) / "clips"
SMALL = {"name": "recurrent", "scale": 4, "channels": 16, "layers": 9}
BOTH = {**SMALL, "ahead": 7}
SHIPPED = "video-x4"
FRAME_WISE = ("bicubic", "srgan-x4", "photo-x4", "fast-x4", "quality-x4")
LENGTHS = (100, 1000)
SEGMENT = 30  # frames, as the service once had

Pixels = NDArray[Any]


def made(**options: Any) -> Model:
    """Return an untrained network as a model."""
    network = build(**options).eval()
    return Model(network, network.info, {"version": options["name"]})


def real(name: str, count: int, height: int, width: int) -> list[Pixels]:
    """Return the first frames of a film, cut to a size."""
    shown = islice(video.read(CLIPS / name), count)
    return [np.ascontiguousarray(one.pixels[:height, :width]) for one in shown]


def never(_: Pixels) -> bool:
    """Say that no scene starts."""
    return False


def speed(model: Model) -> None:
    """One frame of 480x270 to 1920x1080, the networks taking turns."""
    frames = real("flower.mp4", 3, 270, 480)
    pictures = {name: Upscaler(load_model(name)) for name in ("fast-x4", "quality-x4")}
    pictures["quality-x4, torch"] = Upscaler(load_model("quality-x4"), backend="torch")
    networks = {
        SHIPPED: VideoBackend(model),
        "16 channels": VideoBackend(made(**SMALL)),
        "16 channels, both ways": VideoBackend(made(**BOTH)),
    }
    cases: dict[str, Any] = {
        name: (lambda one=one: one.pixels(frames[0])) for name, one in pictures.items()
    }
    networks[f"{SHIPPED}, both directions"] = networks[SHIPPED].both_directions()
    cases |= {
        name: (lambda one=one: list(through(one, frames, never))) for name, one in networks.items()
    }
    found = rounds(cases, 2)
    each = {name: ms / (len(frames) if name in networks else 1) for name, ms in found.items()}
    title = f"480x270 to 1920x1080, ms a frame, {torch.get_num_threads()} threads"
    show(title, each, "quality-x4")


def steady(model: Model) -> None:
    """Print the figures of Vid4's clips, and how ours compare with those frame by frame."""
    tests = pairs(4, 1000)
    told = {name: figures(name, name, tests, 4) for name in FRAME_WISE}
    folder = model.folder or SHIPPED
    told[SHIPPED] = figures(SHIPPED, folder, tests, 4)
    told["both directions"] = figures(SHIPPED, folder, tests, 4, ensemble=True)
    for clip in told[SHIPPED]:
        print(
            f"\n{clip}: PSNR-Y, SSIM-Y, flicker x 1e4, tOF, warping error x 1e4; ours over theirs"
        )
        ours = told[SHIPPED][clip]
        for name, clips in told.items():
            own = clips[clip]
            keys = ("flicker", "tof", "warping_error")
            row = (own["psnr_y"], own["ssim_y"], 1e4 * own[keys[0]], own["tof"], 1e4 * own[keys[2]])
            shares = [f"{ours[key] / own[key]:.2f}" for key in keys]
            print(name, *(f"{value:.4g}" for value in row), *shares)


def segments(model: Model) -> None:
    """Say how far a film in segments is from one without, in grey levels, frame by frame."""
    clip = real("bikes.mp4", 2 * SEGMENT, 128, 192)
    shown = [video.Frame(one, k, k / 25, k, Fraction(1, 25)) for k, one in enumerate(clip)]
    upscaler = Upscaler(model)
    whole, parts = (
        [one.pixels.astype(int) for one in remembered(shown, upscaler, length)]
        for length in (1000, SEGMENT)
    )
    off = [float(np.abs(a - b).mean()) for a, b in zip(whole, parts, strict=True)]
    print(f"segments of {SEGMENT}, {WARM_UP} frames of warm-up: mean grey levels off after it:")
    print([round(one, 4) for one in off[SEGMENT : SEGMENT + 6]])


def memory() -> None:
    """Peak memory of a process that upscales so many frames of 96x64."""
    for length in LENGTHS:
        words = [sys.executable, __file__, "--length", str(length)]
        told = subprocess.run(words, capture_output=True, text=True, check=True)
        print(f"{length} frames: peak {float(told.stdout):.1f} MiB")


def film(length: int) -> Iterator[Pixels]:
    """Yield frames of a pattern that goes by."""
    random = np.random.default_rng(1)
    wide = random.integers(0, 256, (64, 96 + 64, 3), dtype=np.uint8)
    for index in range(length):
        left = index % 64
        yield wide[:, left : left + 96].copy()


def upscale_film(length: int) -> None:
    """Upscale so many frames here and print the peak memory in MiB."""
    torch.set_num_threads(1)
    for _ in through(VideoBackend(made(**SMALL)), film(length), never):
        continue
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def cut(model: Model) -> None:
    """What of the old scene is in the frames after a cut, with the reset and without."""
    before, after = (real(name, 8, 128, 192) for name in ("bikes.mp4", "cockatoo.mp4"))
    network = VideoBackend(model)
    alone = list(through(network, after, never))
    begins = iter([index == len(before) for index in range(len(before) + len(after))])
    kept = list(through(network, before + after, never))[len(before) :]
    reset = list(through(network, before + after, lambda _: next(begins)))[len(before) :]
    for name, frames in (("with the reset", reset), ("without it", kept)):
        ghosts = [
            float(np.abs(a.astype(int) - b.astype(int)).mean())
            for a, b in zip(frames, alone, strict=True)
        ]
        print(f"{name}: grey levels off the new scene alone", [round(one, 3) for one in ghosts])


def held(model: Model) -> None:
    """PSNR-Y on real clips, halved, that nothing was trained on, beside the network it holds."""
    networks = {"quality-x4": Upscaler(load_model("quality-x4")), SHIPPED: Upscaler(model)}
    for name, count in (("flower", 14), ("friday", 14), ("cockatoo", 14), ("bikes", 240)):
        hrs = [_halved(one.pixels) for one in islice(video.read(CLIPS / f"{name}.mp4"), count)]
        lrs = [imresize(hr, 0.25) for hr in hrs]
        for known, upscaler in networks.items():
            network = upscaler.backend
            srs = (
                through(network, lrs, never)
                if isinstance(network, VideoBackend)
                else map(upscaler.pixels, lrs)
            )
            found = [
                score(sr, hr, border=4, channel="y").psnr for sr, hr in zip(srs, hrs, strict=True)
            ]
            parts = [found[4:]] if count < 24 else [found[k : k + 24] for k in range(0, count, 24)]
            print(name, known, *(f"{np.mean(part):.2f}" for part in parts))


def _halved(pixels: Pixels) -> Pixels:
    height, width = (side // 8 * 8 for side in pixels.shape[:2])
    return imresize(pixels[:height, :width], 0.5)


def flow() -> None:
    """How well HR of the frame before, fetched along the flow between LR, gives HR: PSNR."""
    shown = {method: [] for method in ("none", *METHODS)}  # type: dict[str, list[float]]
    for name in sorted(CLIPS.iterdir()):
        hrs = [_halved(one.pixels) for one in islice(video.read(name), 4)]
        pairs_of = [[_tensor(one), _tensor(imresize(one, 0.25))] for one in hrs]
        for (before, lr_before), (hr, lr) in pairwise(pairs_of):
            for method, found in shown.items():
                moved = torch.zeros_like(lr[:, :2])
                if method != "none":
                    moved = motion(lr, lr_before, method)
                large = F.interpolate(moved, scale_factor=4, mode="bilinear") * 4
                off = (fetched(before, large) - hr)[..., 16:-16, 16:-16].square().mean()
                found.append(-10 * float(off.clamp(min=1e-10).log10()))
    for method, found in shown.items():
        print(f"{method}: {np.mean(found):.2f} dB over {len(found)} pairs of frames")


def _tensor(pixels: Pixels) -> torch.Tensor:
    return torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 255


def main() -> None:
    """Run the parts that were named."""
    parser = argparse.ArgumentParser()
    parser.add_argument("what", nargs="*")
    parser.add_argument("--model", type=Path)
    parser.add_argument("--length", type=int)
    asked = parser.parse_args()
    if asked.length:
        upscale_film(asked.length)
        return
    model = load_model(asked.model or SHIPPED)
    parts = {
        "speed": lambda: speed(model),
        "steady": lambda: steady(model),
        "segments": lambda: segments(model),
        "memory": memory,
        "cut": lambda: cut(model),
        "flow": flow,
        "held": lambda: held(model),
    }
    for name in asked.what or parts:
        parts[name]()


if __name__ == "__main__":
    main()
