"""Which backend opens when, and that each keeps its side of the contract."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from nearest_export import write_nearest
from torch import nn

from superres.checkpoint import Model, load_model, save_model
from superres.errors import ConfigError, ModelError
from superres.inference import Upscaler, backends
from superres.inference.backends import (
    CPU_TILE,
    CPU_TILE_MOST,
    OnnxBackend,
    TorchBackend,
    open_backend,
)
from superres.inference.network import activation_bytes, prepared
from superres.models import Generator, ModelInfo, build


@pytest.fixture
def exported(tmp_path: Path) -> Model:
    folder = save_model(tmp_path / "model", build("nearest", scale=2), {"version": "3"})
    write_nearest(folder / "model.onnx")
    return load_model(folder)


def test_auto_is_the_fastest_that_can_open_the_model(
    exported: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backends, "has_openvino", lambda: True)
    assert backends._chosen(exported, "cpu", "auto") == "openvino"
    assert backends._chosen(exported, "cpu", "bfloat16") == "openvino"
    assert backends._chosen(exported, "cpu", "float16") == "torch"
    assert backends._chosen(load_model("bicubic"), "cpu", "auto") == "torch"
    monkeypatch.setattr(backends, "has_openvino", lambda: False)
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


def test_auto_goes_on_with_torch_where_the_export_is_damaged(
    exported: Model, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_: object) -> None:
        raise ModelError("model.onnx: OpenVINO cannot load it.")

    monkeypatch.setattr(backends, "has_openvino", lambda: True)
    monkeypatch.setattr(backends, "OpenVinoBackend", refuse)
    assert open_backend(exported, "auto", "cpu").name == "torch"
    assert "cannot load it. Going on with torch" in caplog.text
    with pytest.raises(ModelError, match="cannot load it"):
        open_backend(exported, "openvino", "cpu")


def test_unknown_names_say_what_is_accepted(exported: Model) -> None:
    wrong: Any = "tensorrt"
    half: Any = "float16"
    with pytest.raises(ConfigError, match="auto, torch, onnx, openvino"):
        open_backend(exported, wrong, "cpu")
    with pytest.raises(ConfigError, match="auto, cpu, cuda"):
        open_backend(exported, "torch", "toaster")
    with pytest.raises(ConfigError, match="accepted: auto, float32"):
        open_backend(exported, "onnx", "cpu", half)


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


def test_tiles_on_a_cpu_follow_the_activations_the_halo_and_the_free_memory(
    exported: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert 3 * CPU_TILE < TorchBackend(exported, "cpu").best_tile(0) <= CPU_TILE_MOST
    wide = build("srresnet", scale=2, blocks=1, channels=64)
    backend = TorchBackend(Model(wide, wide.info, {}), "cpu")
    need = activation_bytes(wide, 32)
    assert need == 4 * (64 * 4 + 64 * 4)  # PReLU at twice the LR size
    assert CPU_TILE <= backend.best_tile(4) < CPU_TILE_MOST
    monkeypatch.setattr(backends, "free_bytes", lambda: 1 << 40)
    assert backend.best_tile(40) == 480  # a narrow core in a wide halo computes little but halo
    assert backend.best_tile(400) == CPU_TILE_MOST
    monkeypatch.setattr(backends, "free_bytes", lambda: 1 << 20)
    assert backend.best_tile(4) == CPU_TILE
    assert exported.folder is not None
    assert OnnxBackend(exported.folder / "model.onnx").best_tile(4) == CPU_TILE


def test_tiles_on_a_gpu_follow_its_free_memory(
    exported: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = TorchBackend(exported, "cpu")
    wrong: Any = SimpleNamespace(type="cuda")
    backend.device = wrong
    monkeypatch.setattr(TorchBackend, "__call__", lambda self, lr: lr)
    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", lambda device: None)
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda device: 5_000_000)
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda device: 5_000_000 + 64**2 * 6000)
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: None)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (10_000_000_000, 0))
    assert backend.best_tile(10) == 1000 - 20
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (1_000, 0))
    assert backend.best_tile(10) == 64


class Overflowing(Generator):
    """Right in float32, more than float16 can hold on the way; or black there."""

    def __init__(self, *, black: bool = False) -> None:
        super().__init__()
        self.factor = nn.Parameter(torch.tensor(1e-8 if black else 1e5))
        self.info = ModelInfo("overflowing", scale=1)

    def forward(self, lr: torch.Tensor) -> torch.Tensor:
        return lr * self.factor / self.factor if self.factor > 1 else lr * self.factor * 1e8


@pytest.mark.parametrize("black", [False, True])
def test_a_broken_half_precision_is_left_for_float32(
    black: bool, caplog: pytest.LogCaptureFixture
) -> None:
    network = Overflowing(black=black).eval()
    model = Model(network, network.info, {})
    backend = TorchBackend(model, "cpu", "float16")
    lr = np.random.default_rng(0).random((1, 3, 8, 8), dtype=np.float32)
    np.testing.assert_allclose(backend(lr), lr, rtol=1e-5)
    assert "going on in float32" in caplog.text
    caplog.clear()
    np.testing.assert_allclose(backend(lr), lr, rtol=1e-5)
    assert caplog.text == ""


def test_half_precision_is_close_where_it_holds() -> None:
    network = build("bicubic", scale=2).eval()
    model = Model(network, network.info, {})
    lr = np.random.default_rng(0).random((1, 3, 20, 20), dtype=np.float32)
    exact = TorchBackend(model, "cpu")(lr)
    half = TorchBackend(model, "cpu", "bfloat16")(lr)
    assert 0 < np.abs(exact - half).max() < 0.02
    assert TorchBackend(model, "cpu")._half is None  # never unasked on a CPU


def test_batch_norms_are_folded_and_the_model_is_left_alone() -> None:
    network = build("srresnet", scale=2, blocks=1, channels=8).eval()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean)
            nn.init.uniform_(module.running_var, 0.5, 2)
    made = prepared(network, torch.device("cpu"))
    assert not any(isinstance(module, nn.BatchNorm2d) for module in made.modules())
    assert any(isinstance(module, nn.BatchNorm2d) for module in network.modules())
    lr = torch.rand(1, 3, 12, 12)
    torch.testing.assert_close(made(lr), network(lr), atol=1e-5, rtol=1e-4)
    assert all(parameter.requires_grad for parameter in network.parameters())
