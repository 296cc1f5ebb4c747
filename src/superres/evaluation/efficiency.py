"""What a model costs: time beside others in the same run, peak memory, energy where readable."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from superres.images import Picture
from superres.inference.temporal import VideoBackend, through
from superres.inference.upscaler import Upscaler

CLIP = 5  # frames that a network of video is timed over
STATUS = Path("/proc/self/status")
CLEAR = Path("/proc/self/clear_refs")
POWER = Path("/sys/class/powercap")
HIGH_WATER = "5"  # written to clear_refs: the peak starts again from what is used now


def milliseconds(upscalers: dict[str, Upscaler], lr: Picture, repeats: int) -> dict[str, float]:
    """Return each model's fastest time for a picture or frame, in rounds that are interleaved."""
    works = {name: work_of(upscaler, lr) for name, upscaler in upscalers.items()}
    spent = interleaved(works, repeats)
    return {name: min(found) / frames_of(upscalers[name]) for name, found in spent.items()}


def frames_of(upscaler: Upscaler) -> int:
    """Return how many frames `work_of` upscales: a network of video is timed over a clip."""
    return CLIP if isinstance(upscaler.backend, VideoBackend) else 1


def work_of(upscaler: Upscaler, lr: Picture) -> Callable[[], object]:
    """Return the work on one picture, or on a clip with motion, flow and memory included."""
    network = upscaler.backend
    if not isinstance(network, VideoBackend):
        return lambda: upscaler.image(lr)
    frames = [np.roll(lr.pixels, shift, axis=1) for shift in range(CLIP)]
    return lambda: list(through(network, frames, lambda _: False))


def interleaved(works: Mapping[str, Callable[[], object]], repeats: int) -> dict[str, list[float]]:
    """Return the milliseconds of each work in `repeats` rounds; a round before them warms up.

    One after the other in every round: what slows the machine down slows all of them.
    """
    spent: dict[str, list[float]] = {name: [] for name in works}
    for turn in range(repeats + 1):
        for name, work in works.items():
            begun = time.perf_counter()
            work()
            if turn:
                spent[name].append(1000 * (time.perf_counter() - begun))
    return spent


@dataclass(frozen=True)
class Spent:
    """What one picture took: `memory` in bytes above what was used before, `joules` of the CPU.

    None: this machine does not tell.
    """

    memory: int | None
    joules: float | None


def spent_by(work: Callable[[], object]) -> Spent:
    """Do `work` twice and return what it took: memory of both, energy of the second.

    Memory: the peak of the CUDA allocator where CUDA is used, else of this process (Linux); call
    it before anything warms up, because memory that was kept for later is not counted again.
    Energy: the counters of all CPU packages (RAPL), which need the right to read them.
    """
    on_cuda = torch.cuda.is_available() and torch.cuda.memory_allocated() > 0
    if on_cuda:
        before: int | None = torch.cuda.memory_allocated()
        torch.cuda.reset_peak_memory_stats()
    else:
        before = _restarted_peak()
    work()
    energy = _joules()
    work()
    used = _joules()
    peak = torch.cuda.max_memory_allocated() if on_cuda else _status("VmHWM")
    memory = None if peak is None or before is None else max(0, peak - before)
    joules = None if energy is None or used is None or used < energy else used - energy
    return Spent(memory, joules)


def _restarted_peak() -> int | None:
    try:
        CLEAR.write_text(HIGH_WATER)
    except OSError:
        return None
    return _status("VmRSS")


def _status(key: str) -> int | None:
    """Return a figure of this process in bytes."""
    try:
        lines = STATUS.read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    found = [line.split()[1] for line in lines if line.startswith(f"{key}:")]
    return 1024 * int(found[0]) if found else None


def _joules() -> float | None:
    """Return what all CPU packages have used so far, in joules."""
    try:
        counters = [zone / "energy_uj" for zone in POWER.glob("intel-rapl:?")]
        values = [int(counter.read_text(encoding="ascii")) for counter in counters]
    except (OSError, ValueError):
        return None
    return sum(values) / 1e6 if values else None
