"""The exported form of a model: ONNX with any batch, height and width, checked against torch."""

import contextlib
import io
import logging
import warnings
from pathlib import Path

import numpy as np
import torch

from superres.checkpoint import Model
from superres.errors import ConfigError
from superres.inference.upscaler import Upscaler

log = logging.getLogger(__name__)

OPSET = 20


def export_onnx(model: Model, path: Path) -> Path:
    """Write `model` as ONNX: input "lr" (n, 3, h, w), output "sr", float32 in [0, 1]."""
    try:
        import onnxscript  # noqa: F401 - torch's exporter needs it and says so badly
    except ImportError:
        raise ConfigError("export needs onnx and onnxscript: install superres[serve].") from None
    side = max(16, model.info.minimum, model.info.multiple_of)
    example = torch.rand(2, 3, side, side + model.info.multiple_of)
    dimension = torch.export.Dim
    shapes = {
        "lr": {
            0: dimension("n", min=1, max=1024),
            2: dimension("h", min=1, max=65535),
            3: dimension("w", min=1, max=65535),
        }
    }
    staging = path.with_name(f".{path.name}.partial")
    quiet = io.StringIO()  # the exporter prints its steps
    with warnings.catch_warnings(), contextlib.redirect_stdout(quiet):
        warnings.simplefilter("ignore")  # of the exporter's own making, about its own future
        torch.onnx.export(
            model.generator.eval().float().cpu().to(memory_format=torch.contiguous_format),
            (example,),
            staging,
            dynamo=True,
            dynamic_shapes=shapes,
            input_names=["lr"],
            output_names=["sr"],
            opset_version=OPSET,
            external_data=False,
            verbose=False,
        )
    staging.replace(path)
    return path


def export_difference(model: Model) -> int:
    """Return the worst difference in grey levels between exported and torch, odd sizes included.

    `model.folder` must hold model.onnx.
    """
    torch_form = Upscaler(model, backend="torch", device="cpu")
    onnx_form = Upscaler(model, backend="onnx", device="cpu")
    worst = 0
    for height, width in ((24, 24), (17, 41), (64, 33), (1, 1), (5, 90)):
        lr = _noise(height, width)
        worst = max(worst, _difference(torch_form.pixels(lr), onnx_form.pixels(lr)))
    return worst


def tiled_difference(model: Model) -> int:
    """Return the worst difference in grey levels between small tiles and the whole picture."""
    lr = _noise(97, 131)
    whole = Upscaler(model, tile=0, backend="torch", device="cpu").pixels(lr)
    tiled = Upscaler(model, tile=32, backend="torch", device="cpu").pixels(lr)
    return _difference(whole, tiled)


def _noise(height: int, width: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    random = np.random.default_rng(height * 1000 + width)
    return random.integers(0, 256, (height, width, 3), dtype=np.uint8)


def _difference(a: np.ndarray, b: np.ndarray) -> int:  # type: ignore[type-arg]
    return int(np.abs(a.astype(np.int32) - b.astype(np.int32)).max())
