"""The fused way from uint8 to uint8 with OpenVINO computing the residual of an exported network.

Of the export only the steps before the last pixel-shuffle run there: without the bicubic image, the
sum and the shuffle, which `skip` does in the cache. Levels go in and levels come out, the factors
are folded into the first and last weights. PReLU becomes part of each convolution.
"""

import importlib
import queue
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from superres.inference.facts import Facts, Floats
from superres.inference.fused import KINDS, FastLevels
from superres.inference.memory import cores
from superres.inference.openvino_runtime import openvino_runtime

# OpenVINO's names of the precisions.
PRECISIONS = {"float32": "f32", "auto": "f32", "bfloat16": "bf16"}


def fused_openvino(
    export: Path, info: Facts, precision: str = "auto", threads: int = 0
) -> FastLevels | None:
    """Return the fused form of the network exported to `export`, None where it is of another kind.

    `precision` "bfloat16" is twice as fast where the processor has AVX512-BF16; about one value in
    twenty then differs by one level. Raises RuntimeError when OpenVINO cannot read the file.
    """
    from superres.inference.openvino_runtime import openvino_core

    hint = PRECISIONS.get(precision)
    if info.name not in KINDS or info.scale < 2 or hint is None:
        return None
    core = openvino_core()
    network = _residual_of(core.read_model(export))
    if network is None:
        return None
    options: dict[str, Any] = {
        "INFERENCE_PRECISION_HINT": hint,
        "INFERENCE_NUM_THREADS": threads or cores(),
        "PERFORMANCE_HINT": "LATENCY",
        "NUM_STREAMS": 1,
    }
    requests = _Requests(core.compile_model(network, "CPU", options))
    return FastLevels(requests.residual, info)


class _Requests:
    """Computes in as many requests as there are callers at once."""

    def __init__(self, compiled: Any) -> None:
        self._compiled = compiled
        self._idle: queue.SimpleQueue[Any] = queue.SimpleQueue()

    @contextmanager
    def residual(self, lr: NDArray[Any]) -> Iterator[Floats]:
        """(h, w, 3) uint8 -> (C, h, w) float32 in levels: a request's own memory, not a copy."""
        try:
            request = self._idle.get_nowait()
        except queue.Empty:
            request = self._compiled.create_infer_request()
        batch = np.ascontiguousarray(lr)[np.newaxis]
        result: Floats = request.infer([batch], share_inputs=True, share_outputs=True)[0][0]
        yield result
        self._idle.put(request)


def _residual_of(network: Any) -> Any | None:
    """Cut out what goes from the picture to the sub-pixels of the residual; None if not found."""
    openvino = openvino_runtime()
    opset13 = importlib.import_module("openvino.opset13")
    added = network.get_results()[0].input_value(0).get_node()
    if added.get_type_name() != "Add":
        return None
    shuffles = [entry.get_source_output().get_node() for entry in added.inputs()]
    if any(node.get_type_name() != "DepthToSpace" for node in shuffles):
        return None
    # The bicubic image is a convolution of each channel by itself, without a bias.
    inner = [node.input_value(0).get_node() for node in shuffles]
    bodies = [node for node in inner if node.get_type_name() != "GroupConvolution"]
    picture = network.get_parameters()[0]
    firsts = [entry.get_node() for entry in picture.output(0).get_target_inputs()]
    firsts = [node for node in firsts if node.get_type_name() == "Convolution"]
    if len(bodies) != 1 or len(firsts) != 1:
        return None
    weights = firsts[0].input_value(1).get_node()
    scaled = opset13.multiply(weights, np.float32(1 / 255))
    firsts[0].input(1).replace_source_output(scaled.output(0))
    levels = opset13.multiply(bodies[0], np.float32(255))
    cut = openvino.Model([levels.output(0)], [picture], "residual")
    cut.reshape([1, 3, -1, -1])
    return _taking_pixels(cut)


def _taking_pixels(network: Any) -> Any:
    """Make the input (1, h, w, 3) uint8, as pictures are in memory."""
    openvino = openvino_runtime()
    layout, types = openvino.Layout, openvino.Type
    steps = openvino.preprocess.PrePostProcessor(network)
    steps.input().tensor().set_element_type(types.u8).set_layout(layout("NHWC"))
    steps.input().model().set_layout(layout("NCHW"))
    steps.input().preprocess().convert_element_type(types.f32)
    return steps.build()
