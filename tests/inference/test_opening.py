"""An exported model starts without torch and says the same as the whole one."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from films import flat_frames
from nearest_export import write_nearest

from superres import images, video
from superres.checkpoint import Model, load_model, save_model
from superres.errors import ConfigError, ModelError
from superres.images import Picture
from superres.inference import Upscaler, opening
from superres.inference.opening import (
    ExportedModel,
    computes_without_torch,
    has_gpu_driver,
    open_model,
)
from superres.inference.openvino_runtime import has_openvino
from superres.models import build

SHIPPED = Path(__file__).resolve().parents[2] / "models" / "pretrained" / "fast-x4"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = save_model(tmp_path / "model", build("nearest", scale=2), {"version": "3"})
    write_nearest(made / "model.onnx")
    return made


def test_the_export_is_opened_where_it_computes(folder: Path) -> None:
    assert isinstance(open_model(str(folder), backend="onnx"), ExportedModel)
    assert isinstance(open_model(str(folder), prefer_export=True), ExportedModel)
    assert isinstance(open_model(str(folder)), Model)
    assert isinstance(open_model(str(folder), backend="torch", prefer_export=True), Model)
    assert isinstance(open_model("bicubic", prefer_export=True), Model)


def test_both_forms_state_the_same(folder: Path) -> None:
    light, whole = open_model(str(folder), backend="onnx"), load_model(folder)
    for fact in ("name", "scale", "kind", "halo", "multiple_of", "minimum"):
        assert getattr(light.info, fact) == getattr(whole.info, fact), fact
    assert (light.version, light.provenance) == (whole.version, whole.provenance)
    picture = np.random.default_rng(0).integers(0, 256, (33, 20, 3), np.uint8)
    exported = Upscaler(light, tile=16)
    assert exported.backend.name in ("onnx", "openvino")  # the second where it is installed
    np.testing.assert_array_equal(
        exported.pixels(picture), Upscaler(whole, backend="torch").pixels(picture)
    )


def test_a_device_named_wrong_is_an_error_all_the_same(folder: Path) -> None:
    with pytest.raises(ConfigError, match="auto, cpu, cuda"):
        Upscaler(open_model(str(folder), backend="onnx"), device="toaster")


def test_a_damaged_model_json_is_a_model_error(folder: Path) -> None:
    (folder / "model.json").write_text(json.dumps({"info": {"name": "x"}}))
    with pytest.raises(ModelError, match=r"model\.json"):
        open_model(str(folder), backend="onnx")
    with pytest.raises(ModelError, match="Accepted"):
        open_model("nobody", backend="onnx")


def test_upscaling_a_file_needs_no_torch(folder: Path, tmp_path: Path) -> None:
    images.write(tmp_path / "in.png", Picture(np.zeros((9, 9, 3), np.uint8)))
    code = (
        "import sys; from superres.__main__ import app\n"
        f"app(['upscale', 'in.png', '-o', 'out.png', '--model', {str(folder)!r}],"
        " standalone_mode=False)\n"
        "assert 'torch' not in sys.modules and 'av' not in sys.modules"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True, cwd=tmp_path)
    assert images.read(tmp_path / "out.png").width == 18


@pytest.mark.skipif(not has_openvino() or has_gpu_driver(), reason="torch computes here")
def test_by_default_neither_a_large_picture_nor_a_video_needs_torch(tmp_path: Path) -> None:
    images.write(tmp_path / "in.png", Picture(np.zeros((1030, 1030, 3), np.uint8)))
    video.write(tmp_path / "in.mkv", flat_frames(4, 16, 24))
    code = (
        "import sys; from superres.__main__ import app\n"
        "for name in ('png', 'mkv'):\n"
        f"    words = ['-o', f'out.{{name}}', '--model', {str(SHIPPED)!r}]\n"
        "    app(['upscale', f'in.{name}', *words], standalone_mode=False)\n"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True, cwd=tmp_path)
    assert images.read(tmp_path / "out.png").width == 4120
    assert video.probe(tmp_path / "out.mkv").width == 96


def test_torch_is_left_out_where_it_would_only_be_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "has_openvino", lambda: True)
    monkeypatch.setattr(opening, "has_gpu_driver", lambda: False)
    assert computes_without_torch("auto", "auto")
    assert not computes_without_torch("cuda", "auto")
    assert not computes_without_torch("auto", "float16")  # which only torch has
    monkeypatch.setattr(opening, "has_gpu_driver", lambda: True)
    assert not computes_without_torch("auto", "auto")
    assert computes_without_torch("cpu", "bfloat16")
    monkeypatch.setattr(opening, "has_openvino", lambda: False)
    assert not computes_without_torch("cpu", "auto")


def test_a_driver_is_not_looked_for_where_every_gpu_is_hidden(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("superres.inference.opening.ctypes.CDLL", lambda name: name)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert has_gpu_driver()
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert not has_gpu_driver()


def test_the_export_of_a_network_of_video_is_not_preferred(folder: Path) -> None:
    content = json.loads((folder / "model.json").read_text())
    content["info"]["kind"] = "video"
    exported = opening._read(folder)
    assert opening._is_wanted(exported, "auto", prefer_export=True)
    (folder / "model.json").write_text(json.dumps(content))
    assert not opening._is_wanted(opening._read(folder), "auto", prefer_export=True)


def test_the_shipped_model_stands_in_for_the_champion_at_any_scale(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.chdir(folder.parent)
    monkeypatch.setattr(
        "superres.pretrained.default", lambda scale=4: folder if scale == 4 else None
    )
    for scale in (3, 4):
        found = open_model("champion", scale=scale, prefer_export=True)
        assert isinstance(found, ExportedModel)
        assert f"the shipped {folder.name} is used" in caplog.text


def test_an_export_that_cannot_be_read_is_no_reason_to_give_up(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (folder / "model.onnx").write_bytes(b"not a network")
    opened = open_model(str(folder), prefer_export=True)
    assert isinstance(opened, ExportedModel)
    if has_openvino():
        assert Upscaler(opened).backend.name == "torch"
        assert "Going on with torch" in caplog.text
