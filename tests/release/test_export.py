"""The exported form: any batch and size, equal to torch, whole or not at all."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from small import sharpener, write_model

import superres
from superres.checkpoint import Model, load_model
from superres.errors import ConfigError, ModelError
from superres.inference.backends import OnnxBackend, TorchBackend
from superres.inference.upscaler import Upscaler
from superres.models import Generator, build
from superres.release import export
from superres.release.export import (
    export_checked,
    export_difference,
    export_onnx,
    tiled_difference,
)

NETWORKS: dict[str, dict[str, Any]] = {
    "compact": {"scale": 2, "channels": 4, "layers": 1},
    "srcnn": {"scale": 2, "channels": (4, 2), "kernels": (5, 1, 3)},
    "srcnn luma": {"scale": 3, "channels": (4, 2), "kernels": (5, 1, 3), "colour": "luma"},
    "srresnet": {"scale": 2, "blocks": 1, "channels": 4},
    "srresnet resize": {"scale": 4, "blocks": 1, "channels": 4, "upsampler": "resize_conv"},
    "srresnet skip": {"scale": 2, "blocks": 1, "channels": 4, "norm": False, "skip": "bicubic"},
}
SHAPES = [(1, 1, 1), (3, 1, 1), (1, 1, 9), (3, 17, 5), (2, 40, 33)]


def lively(generator: Generator) -> Generator:
    """Give every weight and every statistic of a batch norm a value that shows in the result."""
    torch.manual_seed(3)
    with torch.no_grad():
        for value in generator.parameters():
            value.copy_(torch.randn_like(value) * 0.2)
        for name, value in generator.named_buffers():
            if "running" in name:
                value.copy_(torch.rand_like(value) + 0.5)
    return generator.eval()


def model(name: str) -> Model:
    generator = lively(build(name.split()[0], **NETWORKS[name]))
    return Model(generator, generator.info, {"version": name})


def levels(sr: NDArray[np.float32]) -> NDArray[np.int64]:
    return np.floor(np.clip(sr, 0, 1) * 255 + 0.5).astype(np.int64)


@pytest.mark.parametrize("name", NETWORKS)
def test_every_network_is_exported_for_any_batch_and_size(name: str, tmp_path: Path) -> None:
    one = model(name)
    path = export_onnx(one, tmp_path / "model.onnx")
    exported, reference = OnnxBackend(path, threads=1), TorchBackend(one, "cpu")
    for batch, height, width in SHAPES:
        lr = np.random.default_rng(width).random((batch, 3, height, width), dtype=np.float32)
        sr = exported(lr)
        scale = one.info.scale
        assert sr.shape == (batch, 3, scale * height, scale * width)
        assert np.abs(levels(sr) - levels(reference(lr))).max() <= 1
        assert sr.std() > 0.01
    assert export_difference(one, path) <= 1
    assert [file.name for file in tmp_path.iterdir()] == ["model.onnx"]


def test_the_upscaler_can_use_the_export(tmp_path: Path, photo: NDArray[np.uint8]) -> None:
    folder = write_model(tmp_path / "sharp", 0.1)
    assert export_checked(load_model(folder), folder / "model.onnx") <= 1
    upscalers = [Upscaler(load_model(folder), backend=name) for name in ("onnx", "torch")]
    one, other = (upscaler.pixels(photo).astype(int) for upscaler in upscalers)
    assert upscalers[0].backend.name == "onnx"
    assert np.abs(one - other).max() <= 1


def test_an_export_of_another_model_is_noticed(tmp_path: Path) -> None:
    one, other = sharpener(0.0), sharpener(0.2)
    path = export_onnx(Model(one, one.info), tmp_path / "model.onnx")
    assert export_difference(Model(one, one.info), path) <= 1
    assert export_difference(Model(other, other.info), path) > 1


def test_an_export_that_differs_is_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(b"the one before")
    monkeypatch.setattr(export, "export_difference", lambda model, path: 2)
    with pytest.raises(ModelError, match="differs from torch by 2 grey levels"):
        export_checked(model("compact"), path)
    assert path.read_bytes() == b"the one before"
    assert [file.name for file in tmp_path.iterdir()] == ["model.onnx"]


def test_a_network_that_cannot_be_written_is_a_clear_error(tmp_path: Path) -> None:
    class Whimsical(Generator):
        def __init__(self) -> None:
            super().__init__()
            self.info = sharpener(0).info

        def forward(self, lr: torch.Tensor) -> torch.Tensor:
            return lr if float(lr.sum()) > 0 else -lr

    generator = Whimsical()
    with pytest.raises(ModelError, match=r"whim cannot be exported to .*model\.onnx: \S"):
        export_onnx(Model(generator, generator.info, {"version": "whim"}), tmp_path / "model.onnx")
    assert list(tmp_path.iterdir()) == []


def test_an_export_broken_off_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def break_off(model: Model, path: Path) -> None:
        path.write_bytes(b"half of it")
        raise OSError("no space left")

    monkeypatch.setattr(export, "_export", break_off)
    with pytest.raises(ModelError, match="no space left"):
        export_onnx(model("compact"), tmp_path / "model.onnx")
    assert list(tmp_path.iterdir()) == []


def test_without_the_exporter_the_cure_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"superres\[serve\]"):
        export_onnx(model("compact"), tmp_path / "model.onnx")


def test_tiles_that_see_too_little_are_noticed() -> None:
    honest = model("srresnet skip")
    assert tiled_difference(honest) <= 1
    blind = honest.generator
    blind.info = type(blind.info)(**{**blind.info.as_dict(), "halo": 0})
    assert tiled_difference(Model(blind, blind.info)) > 1


def test_an_export_says_nothing_of_the_machine_it_was_made_on(tmp_path: Path) -> None:
    generator = build("compact", scale=2, channels=4, layers=2)
    path = export_onnx(Model(generator, generator.info, {}), tmp_path / "model.onnx")
    content = path.read_bytes()
    for word in (Path(superres.__file__).parent.as_posix(), "site-packages", "forward"):
        assert word.encode() not in content, word
