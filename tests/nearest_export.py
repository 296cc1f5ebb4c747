"""An exported network without a training: it repeats pixels."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


def write_nearest(path: Path, scale: int = 2) -> None:
    """Write an ONNX network that repeats pixels: a 1x1 convolution, then depth to space."""
    weight = np.repeat(np.eye(3, dtype=np.float32), scale**2, axis=0).reshape(-1, 3, 1, 1)
    nodes = [
        helper.make_node("Conv", ["picture", "weight"], ["phases"]),
        helper.make_node("DepthToSpace", ["phases"], ["sr"], blocksize=scale, mode="CRD"),
    ]
    shape: Any = ["n", 3, "h", "w"]
    graph = helper.make_graph(
        nodes,
        "nearest",
        [helper.make_tensor_value_info("picture", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("sr", TensorProto.FLOAT, ["n", 3, "H", "W"])],
        [numpy_helper.from_array(weight, "weight")],
    )
    opset = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=10), path)
