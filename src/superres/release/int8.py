"""An exported network with int8 convolutions, by onnxruntime's static quantisation.

Weights are int8 per output channel, the inputs of convolutions uint8 per tensor, within the range
that calibration pictures showed; everything between convolutions stays float32.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from superres.errors import ModelError
from superres.evaluation import Pair
from superres.inference.windows import unit_range

METHOD = "static, QDQ, weights int8 per channel, inputs of convolutions uint8 by their extremes"

NEAR = 2  # convolutions from the picture on that stay float


def float_layers(export: Path) -> tuple[dict[str, str], int]:
    """Return the convolutions that stay float, node -> layer, and how many there are in all.

    The first two, whose inputs still are the picture, and the last, which makes the result: eight
    bits of a picture are too few to add to it (the second alone made two fifths of the noise of
    our quality network). Those of one pixel, which mix features of different ranges (SPAN's cost
    0.1 dB), and those of each channel alone, which gain nothing. Raises ModelError when no others
    are left.
    """
    import onnx

    graph = onnx.load(export).graph
    nodes = list(graph.node)
    weights = {one.name: list(one.dims) for one in graph.initializer}
    behind: dict[str, int] = {}  # convolutions that a value has come through
    kept, names = {}, []
    for node in nodes:
        depth = max((behind.get(name, 0) for name in node.input), default=0)
        if node.op_type == "Conv":
            names.append(node.name)
            grouped = any(one.name == "group" and one.i > 1 for one in node.attribute)
            shape = weights.get(node.input[1], [])
            if depth < NEAR or grouped or shape[2:] == [1, 1]:
                kept[node.name] = node.input[1].removesuffix(".weight")
            depth += 1
        behind |= dict.fromkeys(node.output, depth)
    ahead: set[str] = set()  # values that go into a convolution
    for node in reversed(nodes):
        before = any(name in ahead for name in node.output)
        if node.op_type == "Conv" and not before:
            kept[node.name] = node.input[1].removesuffix(".weight")
        if before or node.op_type == "Conv":
            ahead.update(node.input)
    if len(kept) == len(names):
        raise ModelError(
            f"nothing to quantise: each of the {len(names)} convolutions is one of the first two, "
            "the last, of one pixel or of each channel alone; expected others between them."
        )
    return kept, len(names)


class _Pictures:
    """Calibration crops as onnxruntime asks for them, one at a time."""

    def __init__(self, pairs: Sequence[Pair]) -> None:
        self._left: Iterator[dict[str, NDArray[np.float32]]] = (
            {"lr": unit_range(pair.lr.pixels[np.newaxis])} for pair in pairs
        )

    def get_next(self) -> dict[str, NDArray[np.float32]] | None:
        return next(self._left, None)


def write_int8(floats: Path, made: Path, pairs: Sequence[Pair], kept: list[str]) -> None:
    """Quantise the export `floats` into `made`, calibrated on LR; layers `kept` stay float."""
    from onnxruntime import quantization
    from onnxruntime.quantization.shape_inference import quant_pre_process

    prepared = floats.with_name("prepared.onnx")
    quant_pre_process(floats, prepared, skip_optimization=True, skip_symbolic_shape=True)
    quantization.quantize_static(
        prepared,
        made,
        _Pictures(pairs),
        quant_format=quantization.QuantFormat.QDQ,
        op_types_to_quantize=["Conv"],
        per_channel=True,
        activation_type=quantization.QuantType.QUInt8,
        weight_type=quantization.QuantType.QInt8,
        nodes_to_exclude=kept,
        calibrate_method=quantization.CalibrationMethod.MinMax,
        # What a convolution makes stays float: attention and sums are more exact so.
        extra_options={"OpTypesToExcludeOutputQuantization": ["Conv"]},
    )
