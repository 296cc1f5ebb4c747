"""OpenVINO, imported so that it sends nothing, and a network compiled by it for the CPU."""

import math
import sys
import threading
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from superres.errors import ConfigError, ModelError
from superres.inference.facts import Floats
from superres.inference.memory import cores

TELEMETRY = "openvino_telemetry"

_ONE = threading.Lock()
_CORES: list[Any] = []


def has_openvino() -> bool:
    """Tell whether OpenVINO is installed."""
    return find_spec("openvino") is not None


def openvino_runtime() -> Any:
    """Return the module of OpenVINO, imported without its telemetry, or raise ConfigError.

    The import alone would report itself to Google Analytics. Without that package OpenVINO takes
    a stub of its own, so the package is made to look missing, for all that this process does.
    """
    if not has_openvino():
        raise ConfigError(
            "backend 'openvino': OpenVINO is not installed. Install superres[openvino] or use "
            "--backend torch."
        )
    modules: Any = sys.modules  # None in it is what Python takes for "not installed"
    modules.setdefault(TELEMETRY, None)
    import openvino

    return openvino


def openvino_core() -> Any:
    """Return the process's one Core, which lives as long as the process.

    Each Core gives its thread an alternate signal stack and, when it goes, puts back the one that
    it found. Two that do not go in reverse order leave the thread a stack that is freed, and the
    next signal, as SIGTERM at the end of a service, is a segmentation fault.
    """
    openvino = openvino_runtime()
    with _ONE:
        if not _CORES:
            _CORES.append(openvino.Core())
        return _CORES[0]


class Compiled:
    """An exported network on the CPU, one picture at a time, for any number of threads.

    `hint`: "f32" or "bf16", said always, because OpenVINO's own choice is bf16 where the processor
    has it.
    """

    def __init__(self, export: Path, hint: str, threads: int = 0) -> None:
        """Raise ModelError when OpenVINO cannot read the file, ConfigError when there is none."""
        core = openvino_core()
        options = {
            "INFERENCE_PRECISION_HINT": hint,
            "INFERENCE_NUM_THREADS": threads or cores(),
            "PERFORMANCE_HINT": "LATENCY",
            "NUM_STREAMS": 1,
        }
        compiled = core.compile_model(_read(core, export), "CPU", options)
        # Several requests would take turns on the cores all the same, each with its own memory.
        self._request = compiled.create_infer_request()
        self._turn = threading.Lock()

    def __call__(self, lr: Floats) -> Floats:
        """Super-resolve `lr (N, 3, h, w)`; the result is a copy."""
        with self._turn:
            made: Any = self._request.infer([np.ascontiguousarray(lr)], share_inputs=True)
            result: Floats = made[0]
            return result


def pixel_bytes(export: Path, side: int) -> float:
    """Return the most bytes per LR pixel that a layer's inputs and outputs take together.

    `side`: LR pixels of the picture that is looked at; nothing is computed. Raises as Compiled.
    """
    network = _read(openvino_core(), export)
    network.reshape([1, 3, side, side])
    most = 0
    for node in network.get_ops():
        ends = [node.input(index) for index in range(node.get_input_size())]
        ends += [node.output(index) for index in range(node.get_output_size())]
        shapes = [list(end.get_shape()) for end in ends]
        planes = [shape for shape in shapes if len(shape) == 4 and shape[2] >= side]
        most = max(most, sum(math.prod(shape) for shape in planes))
    return 4 * most / side**2


def _read(core: Any, export: Path) -> Any:
    try:
        return core.read_model(export)
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[-1]
        raise ModelError(f"{export}: OpenVINO cannot load it ({reason}).") from None
