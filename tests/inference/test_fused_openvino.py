"""OpenVINO's short way from uint8 to uint8 gives what the network gives."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from superres import images
from superres.checkpoint import Model, load_model, save_model
from superres.errors import ModelError
from superres.inference import Upscaler
from superres.inference.fused import FastLevels
from superres.inference.fused_openvino import fused_openvino
from superres.inference.levels import Crop
from superres.inference.openvino_runtime import has_openvino
from superres.models import Generator, build
from superres.release.export import export_onnx

pytestmark = pytest.mark.skipif(not has_openvino(), reason="openvino is not installed")


def network(name: str, **options: Any) -> Generator:
    generator = build(name, **{"scale": 4, "channels": 8, "layers": 3, **options}).eval()
    weights = torch.Generator().manual_seed(4)
    for parameter in generator.parameters():
        torch.nn.init.normal_(parameter, std=0.12, generator=weights)
    return generator


def exported(generator: Generator, folder: Path) -> Model:
    save_model(folder, generator, {})
    export_onnx(load_model(folder), folder / "model.onnx")
    return load_model(folder)


def opened(model: Model, precision: str = "auto") -> FastLevels:
    assert model.folder is not None
    found = fused_openvino(model.folder / "model.onnx", model.info, precision)
    assert found is not None
    return found


@pytest.fixture(scope="module")
def luma(tmp_path_factory: pytest.TempPathFactory) -> Model:
    return exported(network("fast"), tmp_path_factory.mktemp("luma"))


def noise(height: int, width: int) -> Any:
    return np.random.default_rng(height * width).integers(0, 256, (height, width, 3), np.uint8)


def eager(model: Model, picture: Any) -> Any:
    with torch.inference_mode():
        return images.to_pixels(model.generator(images.to_tensor(picture)))


@pytest.mark.parametrize(("height", "width"), [(1, 1), (70, 101), (33, 600)])
def test_the_result_is_the_networks_within_one_level(luma: Model, height: int, width: int) -> None:
    picture = noise(height, width)
    sr = opened(luma)(picture, Crop(0, 0, 4 * height, 4 * width))
    difference = np.abs(sr.astype(int) - eager(luma, picture))
    assert difference.max() <= 1
    assert (difference > 0).sum() <= max(1, 1e-4 * difference.size)


@pytest.mark.parametrize("generator", [network("fast", scale=2, colour="rgb"), network("compact")])
def test_three_planes_of_detail_as_well(generator: Generator, tmp_path: Path) -> None:
    model = exported(generator, tmp_path)
    scale, picture = model.info.scale, noise(20, 31)
    sr = opened(model)(picture, Crop(0, 0, scale * 20, scale * 31))
    assert np.abs(sr.astype(int) - eager(model, picture)).max() <= 1


def test_half_precision_is_near(luma: Model) -> None:
    picture = noise(64, 64) // 4 + 96  # noise of full range would be a test of nothing else
    expected = eager(luma, picture).astype(int)
    sr = opened(luma, "bfloat16")(picture, Crop(0, 0, 256, 256))
    assert np.abs(sr - expected).mean() < 0.6
    assert np.abs(sr - expected).max() <= 6


def test_a_crop_is_a_part_of_the_whole(luma: Model) -> None:
    picture, scaler = noise(40, 50), opened(luma)
    whole = scaler(picture, Crop(0, 0, 160, 200))
    part = scaler(picture, Crop(16, 40, 100, 120))
    assert np.array_equal(part, whole[16:116, 40:160])


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_tiles_do_not_show(luma: Model, precision: Any) -> None:
    picture = noise(61, 75)
    whole, tiled = (
        Upscaler(luma, backend="openvino", precision=precision, tile=tile).pixels(picture)
        for tile in (0, 16)
    )
    difference = np.abs(whole.astype(int) - tiled)
    assert difference.max() <= 1
    assert (difference > 0).sum() <= max(3, 1e-4 * difference.size)


def test_callers_at_once_do_not_share_memory(luma: Model) -> None:
    scaler = opened(luma)
    pictures = [noise(30 + n, 40) for n in range(8)]
    crops = [Crop(0, 0, 4 * len(picture), 160) for picture in pictures]
    alone = [scaler(*pair) for pair in zip(pictures, crops, strict=True)]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(scaler, pictures, crops))
    assert all(np.array_equal(a, b) for a, b in zip(alone, together, strict=True))


def test_a_result_that_is_not_finite_is_an_error(tmp_path: Path) -> None:
    generator = network("fast").deployed()
    for parameter in generator.parameters():
        torch.nn.init.constant_(parameter, 1e30)  # finite, but its products are not
    scaler = opened(exported(generator, tmp_path))
    with pytest.raises(ModelError, match="NaN or infinite"):
        scaler(noise(20, 20), Crop(0, 0, 80, 80))


def test_other_networks_take_the_long_way(luma: Model, tmp_path: Path) -> None:
    model = exported(build("espcn", scale=2).eval(), tmp_path)
    assert fused_openvino(tmp_path / "model.onnx", model.info) is None
    assert luma.folder is not None
    assert fused_openvino(luma.folder / "model.onnx", luma.info, "float16") is None
