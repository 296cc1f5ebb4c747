"""An exported model starts without torch and says the same as the whole one."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from nearest_export import write_nearest

from superres import images
from superres.checkpoint import Model, load_model, save_model
from superres.errors import ConfigError, ModelError
from superres.images import Picture
from superres.inference import Upscaler
from superres.inference.opening import ExportedModel, open_model
from superres.models import build


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
