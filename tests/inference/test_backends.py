"""Which backend opens when, and that each keeps its side of the contract."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from superres.checkpoint import Model, load_model, save_model
from superres.errors import ConfigError, ModelError
from superres.inference import Upscaler
from superres.inference.backends import OnnxBackend, TorchBackend, open_backend
from superres.models import build


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


@pytest.fixture
def exported(tmp_path: Path) -> Model:
    folder = save_model(tmp_path / "model", build("nearest", scale=2), {"version": "3"})
    write_nearest(folder / "model.onnx")
    return load_model(folder)


def test_auto_is_torch_and_the_export_serves_where_it_is_asked_for(exported: Model) -> None:
    assert open_backend(exported, "auto", "cpu").name == "torch"
    assert open_backend(exported, "onnx", "cpu").name == "onnx"
    assert open_backend(load_model("bicubic"), "auto", "cpu").name == "torch"


def test_onnx_without_an_export_says_how_to_make_one(exported: Model) -> None:
    assert exported.folder is not None
    (exported.folder / "model.onnx").unlink()
    with pytest.raises(ModelError, match="superres export"):
        open_backend(exported, "onnx", "cpu")
    with pytest.raises(ModelError, match="baseline 'bicubic'"):
        open_backend(load_model("bicubic"), "onnx", "cpu")


@pytest.mark.parametrize("content", [b"", b"not a network"])
def test_a_damaged_export_is_a_model_error(exported: Model, content: bytes) -> None:
    assert exported.folder is not None
    (exported.folder / "model.onnx").write_bytes(content)
    with pytest.raises(ModelError, match=r"model\.onnx"):
        open_backend(exported, "onnx", "cpu")


def test_unknown_names_say_what_is_accepted(exported: Model) -> None:
    wrong: Any = "tensorrt"
    with pytest.raises(ConfigError, match="auto, torch, onnx"):
        open_backend(exported, wrong, "cpu")
    with pytest.raises(ConfigError, match="auto, cpu, cuda"):
        open_backend(exported, "torch", "toaster")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_a_missing_gpu_is_a_config_error(exported: Model) -> None:
    with pytest.raises(ConfigError, match="no CUDA device"):
        open_backend(exported, "auto", "cuda")


def test_both_backends_give_the_same_pixels(exported: Model) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (33, 47, 3), np.uint8)
    torch_sr = Upscaler(exported, backend="torch", device="cpu", tile=16).pixels(picture)
    onnx_sr = Upscaler(exported, backend="onnx", device="cpu", tile=16).pixels(picture)
    np.testing.assert_array_equal(onnx_sr, torch_sr)
    np.testing.assert_array_equal(onnx_sr, picture.repeat(2, axis=0).repeat(2, axis=1))


def test_batches_and_strided_views_are_accepted(exported: Model) -> None:
    lr = np.random.default_rng(0).random((2, 6, 7, 3), dtype=np.float32).transpose(0, 3, 1, 2)
    for name in ("torch", "onnx"):
        sr = open_backend(exported, name, "cpu")(lr)
        np.testing.assert_allclose(sr, lr.repeat(2, axis=2).repeat(2, axis=3), atol=1e-6)


def test_tiles_on_a_cpu_stay_in_the_caches_and_grow_with_the_halo(exported: Model) -> None:
    backend = TorchBackend(exported, "cpu")
    assert backend.best_tile(4) == 256
    assert 256 < backend.best_tile(40) <= 384
    assert exported.folder is not None
    assert OnnxBackend(exported.folder / "model.onnx").best_tile(4) == 256


def test_tiles_on_a_gpu_follow_its_free_memory(
    exported: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = TorchBackend(exported, "cpu")
    backend.device = SimpleNamespace(type="cuda")
    monkeypatch.setattr(TorchBackend, "__call__", lambda self, lr: lr)
    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", lambda device: None)
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda device: 5_000_000)
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda device: 5_000_000 + 64**2 * 6000)
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: None)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (10_000_000_000, 0))
    assert backend.best_tile(10) == 1000 - 20
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (1_000, 0))
    assert backend.best_tile(10) == 64
