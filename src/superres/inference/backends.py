"""What computes a tile: the PyTorch network itself, or its export in OpenVINO or onnxruntime.

All take `(N, 3, h, w)` float32 in [0, 1] and give `(N, 3, s*h, s*w)` float32, unclamped. Torch
is imported where it computes, so that the export upscales without it.
"""

import logging
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from numpy.typing import NDArray

from superres.errors import ConfigError, ModelError
from superres.inference.compiling import Compile, compiled
from superres.inference.exported import (
    CPU_SHARE,
    CPU_TILE,
    CPU_TILE_MOST,
    HALO_TIMES,
    LIVE,
    ROOMY_BYTES,
    OnnxBackend,
    OpenVinoBackend,
)
from superres.inference.facts import Backend, Facts, Floats, Opened, is_int8
from superres.inference.memory import cores, free_bytes, side_for
from superres.inference.openvino_runtime import has_openvino
from superres.inference.precision import Precision, is_broken

if TYPE_CHECKING:
    import torch

    from superres.checkpoint import Model
    from superres.inference.levels import Crop

__all__ = [
    "Backend",
    "BackendName",
    "Compile",
    "Facts",
    "Floats",
    "OnnxBackend",
    "OpenVinoBackend",
    "Opened",
    "Precision",
    "TorchBackend",
    "open_backend",
]

log = logging.getLogger(__name__)

BackendName = Literal["auto", "torch", "onnx", "openvino"]

EXPORT = "model.onnx"
# Cores of 256 LR pixels stay in the caches of the CPUs measured. A wide halo makes small tiles
# wasteful, large ones need gigabytes.
CPU_BYTES = 48 << 20  # activations of one tile
WIDE_HALO_TIMES = 24  # and where ROOMY_BYTES hold it, only a sixth more
CUDA_SHARE = 0.6
PROBE = 64  # LR pixels a side of the tile that measures the need


class TorchBackend:
    """The network in PyTorch: channels-last, no gradients, batch norms folded.

    `precision`: "auto" is float32 on a CPU (bfloat16 is slower there, docs/decisions.md) and
    float16 on CUDA. A result of half precision that is not finite, or black where the input is
    not, is computed again in float32, which is then kept; the attribute says what was begun with.
    `compile`: see `compiling`.
    """

    name = "torch"

    def __init__(
        self,
        model: "Model",
        device: str = "auto",
        precision: Precision = "auto",
        compile: Compile = "off",
    ) -> None:
        import torch

        from superres.inference.fused import fused_torch
        from superres.inference.network import prepared

        self.device = device_named(device)
        self._info = model.info
        self._exact = prepared(model.generator, self.device)
        half = {"float16": torch.float16, "bfloat16": torch.bfloat16}.get(precision)
        if precision == "auto" and self.device.type == "cuda":
            half = torch.float16
        self._half_type = half
        self.precision = "float32" if half is None else str(half).removeprefix("torch.")
        self.compile = compile
        made = partial(compiled, how=compile, device=self.device)
        self._run = made(self._exact)
        self._half = None if half is None else made(prepared(model.generator, self.device).to(half))
        suits = self.device.type == "cpu" and half is None
        self._fused = fused_torch(self._exact, model.info, made) if suits else None

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
            return _array(self._run(tensor))

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
            roomy = min(WIDE_HALO_TIMES * halo, side_for(ROOMY_BYTES, LIVE * need))
            wanted = max(side_for(CPU_BYTES, need), HALO_TIMES * halo, roomy)
            return max(CPU_TILE, min(wanted, most, CPU_TILE_MOST))
        free, need = cuda_bytes(self, self.device, side)
        return max(PROBE, side_for(int(CUDA_SHARE * free), need) - 2 * halo)

    def _in_half(self, tensor: "torch.Tensor") -> Floats | None:
        if self._half is None:
            return None
        result = _array(self._half(tensor.to(self._half_type)))
        if not is_broken(result, float(tensor.max())):
            return result
        log.warning("%s: %s gave a broken result; going on in float32", self.name, self._half_type)
        self._half = None
        return None


def open_backend(
    model: Opened,
    name: BackendName = "auto",
    device: str = "auto",
    precision: Precision = "auto",
    compile: Compile = "off",
) -> Backend:
    """Open the backend of that name; "auto" is what measured fastest of those that can open it.

    On a CPU that is OpenVINO where it is installed and the model has its export, else torch; and
    always the export of an int8 model, or where only the export was opened (docs/upscaling.md).

    Raises ConfigError for a name, device or precision that does not suit, ModelError when there
    is no export.
    """
    if name not in get_args(BackendName):
        known = ", ".join(get_args(BackendName))
        raise ConfigError(f"backend '{name}' is not known; accepted: {known}.")
    if device not in ("auto", "cpu"):
        device_named(device)  # named wrong, it is an error whatever computes
    if compile != "off":
        name = _compiling(model, name)
    chosen = _chosen(model, device, precision) if name == "auto" else name
    whole: Any = model
    if chosen == "openvino":
        try:
            return OpenVinoBackend(_export_of(model, chosen), model.info, precision, cores())
        except ModelError as error:
            if name != "auto" or is_int8(model):
                raise
            log.warning("%s Going on with torch.", error)
            return TorchBackend(_whole(model), device, precision)
    if chosen == "onnx":
        return OnnxBackend(_export_of(model, chosen), cores(), precision)
    if is_int8(model):
        raise ConfigError(
            f"backend 'torch': {model.version} is int8, which only its export is; use --backend "
            "openvino, onnx or auto, or the model that it was quantised from."
        )
    if model.info.kind == "video":
        from superres.inference.temporal import VideoBackend

        return VideoBackend(whole, device)
    return TorchBackend(whole, device, precision, compile)


def _compiling(model: Opened, name: BackendName) -> BackendName:
    """Return the backend that compiles, or raise ConfigError."""
    if name not in ("auto", "torch"):
        raise ConfigError(f"backend '{name}' is compiled already; --compile is for torch.")
    if model.info.kind == "video":
        raise ConfigError(f"--compile is for networks of pictures, {model.version} is of video.")
    return "torch"


def _chosen(model: Opened, device: str, precision: Precision) -> BackendName:
    """Return what "auto" stands for."""
    installed = has_openvino()
    if getattr(model, "generator", None) is None or is_int8(model):
        return "openvino" if installed and precision != "float16" else "onnx"
    exported = model.folder is not None and (model.folder / EXPORT).is_file()
    suits = model.info.kind == "image" and precision != "float16"
    if not (installed and exported and suits) or device_named(device).type != "cpu":
        return "torch"
    return "openvino"


def _whole(model: Opened) -> Any:
    """Return the model with its network, which is read now where only the export was opened."""
    if getattr(model, "generator", None) is not None or model.folder is None:
        return model
    from superres.checkpoint import load_model

    return load_model(model.folder)


def _export_of(model: Opened, backend: BackendName) -> Path:
    export = model.folder / EXPORT if model.folder is not None else None
    if export is None or not export.is_file():
        where = model.folder if model.folder is not None else f"the baseline '{model.info.name}'"
        raise ModelError(
            f"backend '{backend}': {where} has no {EXPORT}. Run `superres export` first or use "
            "--backend torch."
        )
    return export


def device_named(name: str) -> "torch.device":
    """Return the device of that name, "auto" being CUDA where there is one; or ConfigError."""
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
