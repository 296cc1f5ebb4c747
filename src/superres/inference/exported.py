"""What computes an exported network, model.onnx: onnxruntime, or OpenVINO where it is installed."""

import logging
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from superres.errors import ConfigError, ModelError
from superres.inference.facts import Facts, Floats
from superres.inference.memory import cores, free_bytes, side_for
from superres.inference.precision import Precision, is_broken

if TYPE_CHECKING:
    from superres.inference.levels import Crop
    from superres.inference.openvino_runtime import Compiled

log = logging.getLogger(__name__)

PROBE = 64  # LR pixels a side of the picture whose activations are counted
CPU_TILE = 256
CPU_TILE_MOST = 1024
CPU_SHARE = 0.25  # of the free memory
LIVE = 3  # a layer's input and output, times this, are what is in memory at once
HALO_TIMES = 12  # a core this much wider than its halo computes a third more than itself
# OpenVINO goes from layer to layer faster than caches could help, so small tiles only cost their
# halos: frames of 480x270 stay whole. The fused form has no planes of the result's size.
ROOMY_BYTES = 1 << 30
FUSED_BYTES = 1 << 29


class OnnxBackend:
    """An exported network in onnxruntime on the CPU, float32 (or int8 as exported)."""

    name = "onnx"

    def __init__(self, path: Path, threads: int = 0, precision: Precision = "auto") -> None:
        _refuse(precision, ("auto", "float32"), "onnx")
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
        return max(CPU_TILE, 8 * halo)


class OpenVinoBackend:
    """An exported network in OpenVINO on the CPU: float32, or bfloat16 where it is asked for.

    A result of bfloat16 that is not finite, or black where the input is not, is computed again in
    float32, which is then kept.
    """

    name = "openvino"

    def __init__(
        self, path: Path, info: Facts, precision: Precision = "auto", threads: int = 0
    ) -> None:
        from superres.inference.fused_openvino import fused_openvino
        from superres.inference.openvino_runtime import pixel_bytes

        _refuse(precision, ("auto", "float32", "bfloat16"), "openvino")
        self._path, self._threads = path, threads
        side = -(-max(PROBE, info.minimum) // info.multiple_of) * info.multiple_of
        self._need = pixel_bytes(path, side)
        self._fused = fused_openvino(path, info, precision, threads)
        self.precision = "bfloat16" if precision == "bfloat16" else "float32"
        self._hint = "bf16" if precision == "bfloat16" else "f32"
        self._network: Compiled | None = None if self._fused else self._compiled()
        self._alone = threading.Lock()

    def __call__(self, lr: Floats) -> Floats:
        """Super-resolve `lr (N, 3, h, w) in [0, 1]`."""
        with self._alone:
            if self._network is None:
                self._network = self._compiled()
            network, hint = self._network, self._hint
        result = network(lr)
        if hint == "f32" or not is_broken(result, float(lr.max())):
            return result
        self._in_float32()
        return self(lr)

    def _in_float32(self) -> None:
        log.warning("openvino: bfloat16 gave a broken result; going on in float32")
        with self._alone:
            self._hint, self._network = "f32", None

    def _compiled(self) -> "Compiled":
        from superres.inference.openvino_runtime import Compiled

        return Compiled(self._path, self._hint, self._threads)

    def levels(self, lr: NDArray[Any], crop: "Crop") -> NDArray[Any] | None:
        """Super-resolve (h, w, 3) uint8 into the crop of the result, uint8."""
        if self._fused is None:
            return None
        try:
            return self._fused(lr, crop)
        except ModelError:  # not finite
            if self._hint == "f32":
                raise
            self._in_float32()
            self._fused = None
            return None

    def best_tile(self, halo: int) -> int:
        """Return the core size: the largest that memory holds, within reason."""
        need = LIVE * self._need
        budget = ROOMY_BYTES if self._fused is None else FUSED_BYTES
        most = side_for(int(CPU_SHARE * free_bytes()), need)
        wanted = max(side_for(budget, need), HALO_TIMES * halo)
        return max(CPU_TILE, min(wanted, most, CPU_TILE_MOST))


def _refuse(precision: Precision, accepted: tuple[str, ...], name: str) -> None:
    if precision not in accepted:
        raise ConfigError(
            f"backend '{name}' has no precision '{precision}'; accepted: {', '.join(accepted)}."
        )
