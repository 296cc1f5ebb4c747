"""What computes a tile: the PyTorch network itself, or its ONNX export in onnxruntime.

Both take `(N, 3, h, w)` float32 in [0, 1] and give `(N, 3, s*h, s*w)` float32, unclamped.
"""

import math
import os
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from superres.errors import ConfigError, ModelError

if TYPE_CHECKING:
    from superres.checkpoint import Model

BackendName = Literal["auto", "torch", "onnx"]
Floats = NDArray[np.float32]

# Cores of 256 LR pixels stay in the caches of the CPUs measured: x1.1 to x1.6 over the whole
# frame, channels-last. A wide halo makes small tiles wasteful, large ones need gigabytes.
CPU_TILE = 256
CPU_TILE_MOST = 384
CUDA_SHARE = 0.6  # of the free memory
PROBE = 64  # LR pixels a side of the tile that measures the need


class Backend(Protocol):
    """A network ready to compute; called from several threads at once."""

    name: str

    def __call__(self, lr: Floats) -> Floats:
        """Super-resolve `lr (N, 3, h, w) in [0, 1]`."""
        ...

    def best_tile(self, halo: int) -> int:
        """Return the core size in LR pixels that suits device and memory; 0 is the whole."""
        ...


class TorchBackend:
    """The network in PyTorch: float32, channels-last, no gradients."""

    name = "torch"

    def __init__(self, model: "Model", device: str = "auto") -> None:
        self.device = _device(device)
        self._scale = model.info.scale
        self._minimum = model.info.minimum
        network = model.generator.eval().to(self.device)
        self._network = network.to(memory_format=torch.channels_last)

    def __call__(self, lr: Floats) -> Floats:
        """Super-resolve `lr (N, 3, h, w) in [0, 1]`."""
        with torch.inference_mode():
            tensor = torch.from_numpy(lr).to(self.device, memory_format=torch.channels_last)
            sr: torch.Tensor = self._network(tensor)
            # The channels-last strides survive, which makes the way back to pixels one copy.
            result: Floats = sr.float().cpu().numpy()
        return result

    def best_tile(self, halo: int) -> int:
        """Return the core size: what stays in the caches, or what fits the GPU's free memory."""
        if self.device.type != "cuda":
            return _cpu_tile(halo)
        side = max(PROBE, self._minimum)
        torch.cuda.reset_peak_memory_stats(self.device)
        before = torch.cuda.memory_allocated(self.device)
        self(np.zeros((1, 3, side, side), np.float32))
        need = max(1, torch.cuda.max_memory_allocated(self.device) - before) / side**2
        torch.cuda.empty_cache()
        free, _ = torch.cuda.mem_get_info(self.device)
        return max(PROBE, math.isqrt(int(CUDA_SHARE * free / need)) - 2 * halo)


class OnnxBackend:
    """An exported network in onnxruntime on the CPU, float32."""

    name = "onnx"

    def __init__(self, path: Path, threads: int = 0) -> None:
        try:
            import onnxruntime
        except ImportError:
            raise ConfigError(
                "backend 'onnx': onnxruntime is not installed. Install superres[serve] or use "
                "--backend torch."
            ) from None
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads or _cores()
        options.log_severity_level = 3
        try:
            self._session = onnxruntime.InferenceSession(
                path, options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # onnxruntime raises its own types, not one root
            raise ModelError(f"{path}: onnxruntime cannot load it ({error}).") from None
        self._input = self._session.get_inputs()[0].name

    def __call__(self, lr: Floats) -> Floats:
        """Super-resolve `lr (N, 3, h, w) in [0, 1]`."""
        result: Floats = self._session.run(None, {self._input: np.ascontiguousarray(lr)})[0]
        return result

    def best_tile(self, halo: int) -> int:
        """Return the core size that stays in the caches."""
        return _cpu_tile(halo)


def open_backend(model: "Model", name: BackendName = "auto", device: str = "auto") -> Backend:
    """Open the backend of that name; "auto" is torch.

    Channels-last torch with cache-sized tiles measured 1.1 to 1.7 times faster than onnxruntime
    for our networks on a CPU (docs/decisions.md); the export serves where torch is not wanted.

    Raises ConfigError for an unknown name or device, ModelError when there is no export.
    """
    if name not in ("auto", "torch", "onnx"):
        raise ConfigError(f"backend '{name}' is not known; accepted: auto, torch, onnx.")
    export = model.folder / "model.onnx" if model.folder is not None else None
    exists = export is not None and export.is_file()
    if name == "onnx" and not exists:
        where = model.folder if model.folder is not None else f"the baseline '{model.info.name}'"
        raise ModelError(
            f"backend 'onnx': {where} has no model.onnx. Run `superres export` first or use "
            "--backend torch."
        )
    _device(device)  # named wrong, it is an error whatever computes
    if export is not None and name == "onnx":
        return OnnxBackend(export, torch.get_num_threads())
    return TorchBackend(model, device)


def _device(name: str) -> torch.device:
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise ConfigError(f"device '{name}' is not known; accepted: auto, cpu, cuda.") from None
    if device.type == "cuda" and not torch.cuda.is_available():
        raise ConfigError(f"device '{name}': no CUDA device is available here; use cpu or auto.")
    return device


def _cpu_tile(halo: int) -> int:
    return min(max(CPU_TILE, 8 * halo), CPU_TILE_MOST)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
