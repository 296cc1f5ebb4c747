"""The exported form of a model: ONNX with any batch, height and width, checked against torch."""

import contextlib
import io
import logging
import tempfile
import warnings
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from superres.atomic import partial_name
from superres.checkpoint import Model
from superres.errors import ConfigError, ModelError
from superres.images import to_pixels
from superres.images.picture import Pixels
from superres.inference.backends import Backend, BackendName, OnnxBackend, open_backend
from superres.inference.facts import is_int8
from superres.inference.network import prepared
from superres.inference.temporal import VideoBackend, through
from superres.inference.tiled import Core, TiledNetwork
from superres.inference.upscaler import Upscaler
from superres.release.gate import MAX_DIFFERENCE

log = logging.getLogger(__name__)

OPSET = 20
PIECED = 11  # frames of a film in pieces
SHAPES = ((1, 24, 24), (2, 17, 41), (1, 64, 33), (1, 1, 1), (3, 5, 90))  # batch, height, width


def export_onnx(model: Model, path: Path) -> Path:
    """Write `model` as ONNX: input "lr" (n, 3, h, w), output "sr", float32 in [0, 1].

    Raises ConfigError without the exporter's libraries, ModelError for a network it cannot write
    and for an int8 model, whose export is the model.
    """
    if is_int8(model):
        raise ModelError(f"{model.version} is int8: its model.onnx is the model; not exported.")
    if model.info.kind == "video":
        raise ModelError(
            f"{model.version} is a network of video, which needs the optical flow between frames: "
            "it is served by torch, not exported."
        )
    if find_spec("onnx") is None or find_spec("onnxscript") is None:
        raise ConfigError("export needs onnx and onnxscript: install superres[serve].")
    path.parent.mkdir(parents=True, exist_ok=True)
    staging = partial_name(path)
    try:
        _export(model, staging)
        staging.replace(path)
    except Exception as error:  # the exporter raises whatever its passes raise
        reason = str(error).strip().partition("\n")[0]
        raise ModelError(f"{model.version} cannot be exported to {path}: {reason}") from error
    finally:
        staging.unlink(missing_ok=True)
    return path


def export_checked(model: Model, path: Path) -> int:
    """Export as export_onnx and return the worst difference from torch in grey levels.

    Raises ModelError, and leaves `path` as it was, when they differ by more than the gate accepts.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".export-", dir=path.parent) as folder:
        fresh = export_onnx(model, Path(folder) / path.name)
        worst = export_difference(model, fresh)
        if worst > MAX_DIFFERENCE:
            raise ModelError(f"{path}: differs from torch by {worst} grey levels; not written.")
        fresh.replace(path)
    return worst


def _export(model: Model, path: Path) -> None:
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
    quiet = io.StringIO()  # the exporter prints its steps
    with warnings.catch_warnings(), contextlib.redirect_stdout(quiet):
        warnings.simplefilter("ignore")  # of the exporter's own making, about its own future
        torch.onnx.export(
            prepared(model.generator.float(), torch.device("cpu")).to(
                memory_format=torch.contiguous_format
            ),
            (example,),
            path,
            dynamo=True,
            dynamic_shapes=shapes,
            input_names=["lr"],
            output_names=["sr"],
            opset_version=OPSET,
            external_data=False,
            verbose=False,
        )
    _forget_origins(path)


def _forget_origins(path: Path) -> None:
    """Drop what the exporter notes of this machine: folders, lines and names of its steps."""
    import onnx

    model = onnx.load(path)
    graph = model.graph
    for part in (model, graph, *graph.node, *graph.input, *graph.output, *graph.value_info):
        part.ClearField("metadata_props")
        part.ClearField("doc_string")
    onnx.save(model, path)


def export_difference(model: Model, path: Path) -> int:
    """Return the worst difference in grey levels between the export at `path` and torch.

    Batches, odd sizes and a single pixel are among the pictures compared. An int8 model is not in
    torch: what serves it takes that place.
    """
    torch_form, onnx_form = open_backend(model, _own_form(model), "cpu"), OnnxBackend(path)
    worst = 0
    for shape in SHAPES:
        lr = _noise(*shape)
        pairs = zip(_result(torch_form, model, lr), _result(onnx_form, model, lr), strict=True)
        worst = max(worst, *(_difference(a, b) for a, b in pairs))
    return worst


def _own_form(model: Model) -> BackendName:
    return "auto" if is_int8(model) else "torch"


def _result(backend: Backend, model: Model, lr: Pixels) -> list[Pixels]:
    cores: list[Core] = []
    TiledNetwork(backend, model.info, tile=0).run(lr, cores.append)
    return [to_pixels(torch.from_numpy(sr)) for sr in cores[0].sr]


def tiled_difference(model: Model) -> int:
    """Return the worst difference in grey levels between small tiles and the whole picture."""
    (lr,) = _noise(1, 97, 131)
    form = _own_form(model)
    whole = Upscaler(model, tile=0, backend=form, device="cpu").pixels(lr)
    tiled = Upscaler(model, tile=32, backend=form, device="cpu").pixels(lr)
    return _difference(whole, tiled)


def pieces_difference(model: Model) -> int | None:
    """Return the worst difference in grey levels between a film in pieces and the whole clip.

    None for pictures, and for a network with a state that also looks ahead: it sees less of a
    piece than of a whole clip, by design.
    """
    if model.info.kind != "video":
        return None
    network = VideoBackend(model, "cpu")
    if network.keeps_state and network.ahead:
        return None
    frames = [np.roll(_noise(1, 40, 56)[0], shift, axis=1) for shift in range(PIECED)]
    whole = network.piece(frames, None, 0)[0]
    pieces = through(network, frames, lambda _: False)
    return max(_difference(a, b) for a, b in zip(pieces, whole, strict=True))


def _noise(batch: int, height: int, width: int) -> NDArray[np.uint8]:
    random = np.random.default_rng(height * 1000 + width)
    return random.integers(0, 256, (batch, height, width, 3), dtype=np.uint8)


def _difference(a: Pixels, b: Pixels) -> int:
    return int(np.abs(a.astype(np.int32) - b.astype(np.int32)).max())
