"""What computes a tile: the PyTorch network itself, or its ONNX export in onnxruntime.

Both take `(N, 3, h, w)` float32 in [0, 1] and give `(N, 3, s*h, s*w)` float32, unclamped. Torch
is imported where it computes, so that the export upscales without it.
"""

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from superres.errors import ConfigError, ModelError
from superres.inference.facts import Backend, Facts, Floats, Opened
from superres.inference.memory import cores, free_bytes, side_for

if TYPE_CHECKING:
    import torch

    from superres.checkpoint import Model
    from superres.inference.levels import Crop

__all__ = [
    "Backend",
    "BackendName",
    "Facts",
    "Floats",
    "OnnxBackend",
    "Opened",
    "Precision",
    "TorchBackend",
    "open_backend",
]

log = logging.getLogger(__name__)

BackendName = Literal["auto", "torch", "onnx"]
Precision = Literal["auto", "float32", "bfloat16", "float16"]

# Cores of 256 LR pixels stay in the caches of the CPUs measured. A wide halo makes small tiles
# wasteful, large ones need gigabytes.
CPU_TILE = 256
CPU_TILE_MOST = 1024
HALO_TIMES = 12  # a core this much wider than its halo computes a third more than itself
CPU_BYTES = 48 << 20  # activations of one tile
CPU_SHARE = 0.25  # of the free memory
CUDA_SHARE = 0.6
PROBE = 64  # LR pixels a side of the tile that measures the need


class TorchBackend:
    """The network in PyTorch: channels-last, no gradients, batch norms folded.

    `precision`: "auto" is float32 on a CPU (bfloat16 is slower there, docs/decisions.md) and
    float16 on CUDA. A result of half precision that is not finite, or black where the input is
    not, is computed again in float32, which is then kept.
    """

    name = "torch"

    def __init__(self, model: "Model", device: str = "auto", precision: Precision = "auto") -> None:
        import torch

        from superres.inference.fused import FastLevels
        from superres.inference.network import prepared

        self.device = _device(device)
        self._info = model.info
        self._exact = prepared(model.generator, self.device)
        half = {"float16": torch.float16, "bfloat16": torch.bfloat16}.get(precision)
        if precision == "auto" and self.device.type == "cuda":
            half = torch.float16
        self._half_type = half
        self._half = None if half is None else prepared(model.generator, self.device).to(half)
        suits = self.device.type == "cpu" and half is None
        self._fused = FastLevels.of(self._exact, model.info) if suits else None

    def __call__(self, lr: Floats) -> Floats:
        """Super-resolve `lr (N, 3, h, w) in [0, 1]`."""
        import torch

        with torch.inference_mode():
            tensor = torch.from_numpy(lr).to(self.device, memory_format=torch.channels_last)
            if self._half is not None:
                result = self._in_half(tensor)
                if result is not None:
                    return result
            # The channels-last strides survive, which makes the way back to pixels one copy.
            return _array(self._exact(tensor))

    def levels(self, lr: NDArray[Any], crop: "Crop") -> NDArray[Any] | None:
        """Super-resolve (h, w, 3) uint8 into the crop of the result, uint8."""
        return None if self._fused is None else self._fused(lr, crop)

    def best_tile(self, halo: int) -> int:
        """Return the core size: what stays in the caches, or what fits the GPU's free memory."""
        from superres.inference.network import activation_bytes, cuda_bytes

        side = max(PROBE, self._info.minimum)
        side = -(-side // self._info.multiple_of) * self._info.multiple_of
        if self.device.type != "cuda":
            need = activation_bytes(self._exact, side)
            most = side_for(int(CPU_SHARE * free_bytes()), need)
            wanted = max(side_for(CPU_BYTES, need), HALO_TIMES * halo)
            return max(CPU_TILE, min(wanted, most, CPU_TILE_MOST))
        free, need = cuda_bytes(self, self.device, side)
        return max(PROBE, side_for(int(CUDA_SHARE * free), need) - 2 * halo)

    def _in_half(self, tensor: "torch.Tensor") -> Floats | None:
        if self._half is None:
            return None
        result = _array(self._half(tensor.to(self._half_type)))
        if np.isfinite(result.sum(dtype=np.float64)) and not (
            result.max() <= 0 and float(tensor.max()) > 0.02
        ):
            return result
        log.warning("%s: %s gave a broken result; going on in float32", self.name, self._half_type)
        self._half = None
        return None


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
        options.intra_op_num_threads = threads or cores()
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


def open_backend(
    model: Opened, name: BackendName = "auto", device: str = "auto", precision: Precision = "auto"
) -> Backend:
    """Open the backend of that name; "auto" is torch, or the export where only that was opened.

    Channels-last torch with cache-sized tiles measured 1.1 to 1.7 times faster than onnxruntime
    for our networks on a CPU (docs/decisions.md); the export serves where torch is not wanted.

    Raises ConfigError for an unknown name or device, ModelError when there is no export.
    """
    if name not in ("auto", "torch", "onnx"):
        raise ConfigError(f"backend '{name}' is not known; accepted: auto, torch, onnx.")
    if device not in ("auto", "cpu"):
        _device(device)  # named wrong, it is an error whatever computes
    generator = getattr(model, "generator", None)
    if name == "onnx" or generator is None:
        return OnnxBackend(_export_of(model), cores())
    whole: Any = model
    return TorchBackend(whole, device, precision)


def _export_of(model: Opened) -> Path:
    export = model.folder / "model.onnx" if model.folder is not None else None
    if export is None or not export.is_file():
        where = model.folder if model.folder is not None else f"the baseline '{model.info.name}'"
        raise ModelError(
            f"backend 'onnx': {where} has no model.onnx. Run `superres export` first or use "
            "--backend torch."
        )
    return export


def _device(name: str) -> "torch.device":
    import torch

    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise ConfigError(f"device '{name}' is not known; accepted: auto, cpu, cuda.") from None
    if device.type == "cuda" and not torch.cuda.is_available():
        raise ConfigError(f"device '{name}': no CUDA device is available here; use cpu or auto.")
    return device


def _array(tensor: "torch.Tensor") -> Floats:
    result: Floats = tensor.float().cpu().numpy()
    return result


def _cpu_tile(halo: int) -> int:
    return max(CPU_TILE, 8 * halo)
