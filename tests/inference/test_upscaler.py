"""What an Upscaler promises: pixels stay pixels, and what belongs to a picture stays with it."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from superres import images
from superres.checkpoint import Model, load_model, save_model
from superres.errors import ConfigError, InputError, ModelError
from superres.images import Picture
from superres.inference import Upscaler
from superres.models import Generator, build


def network(**options: Any) -> Generator:
    """Return a small network of our own with weights that do something."""
    generator = build("compact", **{"scale": 2, "channels": 8, "layers": 2, **options})
    weights = torch.Generator().manual_seed(1)
    for parameter in generator.parameters():
        torch.nn.init.normal_(parameter, std=0.1, generator=weights)
    return generator


def upscaler(generator: Generator, **options: Any) -> Upscaler:
    model = Model(generator.eval(), generator.info, {"version": "7", "run_id": "abc"})
    return Upscaler(model, backend="torch", device="cpu", **options)


def noise(height: int, width: int, dtype: Any = np.uint8, seed: int = 0) -> Any:
    levels = np.random.default_rng(seed).integers(0, np.iinfo(dtype).max, (height, width, 3))
    return levels.astype(dtype)


def test_nearest_repeats_every_level() -> None:
    picture = np.arange(256, dtype=np.uint8).repeat(3).reshape(16, 16, 3)
    sr = upscaler(build("nearest", scale=2), tile=5).pixels(picture)
    np.testing.assert_array_equal(sr, picture.repeat(2, axis=0).repeat(2, axis=1))


def test_sixteen_bits_stay_sixteen_bits() -> None:
    picture = noise(9, 7, np.uint16)
    sr = upscaler(build("nearest", scale=2)).pixels(picture)
    np.testing.assert_array_equal(sr, picture.repeat(2, axis=0).repeat(2, axis=1))


def test_overshoot_is_clamped_and_rounded_once() -> None:
    picture = 255 * (noise(12, 12) > 127).astype(np.uint8)  # hard edges: lanczos overshoots
    generator = build("lanczos", scale=2)
    with torch.inference_mode():
        exact = generator(images.to_tensor(picture))[0].permute(1, 2, 0).numpy()
    assert exact.min() < -0.05
    assert exact.max() > 1.05
    expected = np.floor(255 * exact.astype(np.float64).clip(0, 1) + 0.5)
    sr = upscaler(generator, tile=0).pixels(picture)
    assert (sr != expected).mean() < 1e-3  # float32 against float64
    assert np.abs(sr - expected).max() <= 1


def test_the_input_is_left_alone() -> None:
    picture = noise(12, 12)
    before = picture.copy()
    upscaler(network(), tile=4).pixels(picture)
    np.testing.assert_array_equal(picture, before)


@pytest.mark.parametrize(
    "wrong",
    [
        np.zeros((8, 8), np.uint8),
        np.zeros((8, 8, 4), np.uint8),
        np.zeros((8, 8, 3), np.float32),
        np.zeros((0, 8, 3), np.uint8),
    ],
)
def test_other_arrays_are_refused(wrong: Any) -> None:
    with pytest.raises(InputError):
        upscaler(network()).pixels(wrong)


def test_alpha_is_upscaled_and_constant_alpha_stays_constant() -> None:
    alpha = np.full((6, 5), 77, np.uint8)
    sr = upscaler(network()).image(Picture(noise(6, 5), alpha=alpha))
    assert sr.alpha is not None
    assert sr.alpha.shape == (12, 10)
    assert (sr.alpha == 77).all()
    sixteen = Picture(noise(6, 5, np.uint16), alpha=noise(6, 5, np.uint16)[..., 0])
    result = upscaler(network()).image(sixteen).alpha
    assert result is not None
    assert result.dtype == np.uint16


def test_grey_stays_grey() -> None:
    picture = Picture(noise(8, 8)[..., :1].repeat(3, axis=2), grey=True)
    sr = upscaler(network()).image(picture)
    assert sr.grey
    assert (sr.pixels[..., 0] == sr.pixels[..., 1]).all()
    assert (sr.pixels[..., 0] == sr.pixels[..., 2]).all()
    coloured = upscaler(network()).pixels(picture.pixels)
    assert (coloured[..., 0] != coloured[..., 1]).any()


def test_profile_and_metadata_are_carried_over(tmp_path: Path) -> None:
    path = tmp_path / "grüße.png"
    images.write(path, Picture(noise(8, 8), icc=b"profile"))
    sr = upscaler(network()).image(path)
    assert sr.icc == b"profile"
    assert (sr.height, sr.width, sr.format) == (16, 16, "PNG")


def test_an_array_gives_an_array() -> None:
    assert isinstance(upscaler(network()).image(noise(4, 4)), np.ndarray)


def test_tensor_takes_a_batch_and_does_not_round() -> None:
    scaler = upscaler(network(), tile=16)
    batch = np.random.default_rng(0).random((3, 3, 20, 30), dtype=np.float32)
    sr = scaler.tensor(batch)
    assert sr.shape == (3, 3, 40, 60)
    assert sr.dtype == np.float32
    assert 0 <= sr.min() <= sr.max() <= 1
    np.testing.assert_allclose(scaler.tensor(batch[1:2])[0], sr[1], atol=1e-6)
    assert (sr * 255 != np.round(sr * 255)).any()


def test_lineage_names_what_is_known() -> None:
    lineage = upscaler(network()).lineage
    named = {"model": "compact", "version": "7", "network": "compact"}
    assert lineage == {**named, "run_id": "abc"}


def test_a_model_is_called_as_its_folder_not_as_its_kind_of_network(tmp_path: Path) -> None:
    model = load_model(save_model(tmp_path / "quality-x2", network(), {"version": "7"}))
    lineage = Upscaler(model, device="cpu").lineage
    assert (lineage["model"], lineage["network"]) == ("quality-x2", "compact")


def test_options_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ConfigError, match="tile -1"):
        upscaler(network(), tile=-1)
    generator = network()
    generator.info = replace(generator.info, kind="video")
    with pytest.raises(ModelError, match="of video, and takes pictures"):
        upscaler(generator)


def test_the_ensemble_is_the_mean_over_turns_and_mirrors() -> None:
    generator = network()
    lr = np.random.default_rng(0).random((1, 3, 9, 14), dtype=np.float32)
    made = []
    with torch.inference_mode():
        for mirrored in (False, True):
            for turns in range(4):
                seen = np.rot90(lr[..., ::-1] if mirrored else lr, turns, (2, 3)).copy()
                sr = np.rot90(generator(torch.from_numpy(seen)).numpy(), -turns, (2, 3))
                made.append(sr[..., ::-1] if mirrored else sr)
    found = upscaler(generator, ensemble=True, tile=0).tensor(lr)
    np.testing.assert_allclose(found, np.mean(made, axis=0).clip(0, 1), atol=1e-5)


def test_the_ensemble_leaves_no_trace_of_tiles() -> None:
    picture = noise(40, 33)
    whole, tiled = (
        upscaler(network(), ensemble=True, tile=tile).pixels(picture) for tile in (0, 12)
    )
    assert np.abs(whole.astype(int) - tiled).max() <= 1
    assert (whole != tiled).mean() < 1e-4


def test_an_ensemble_turns_with_the_picture() -> None:
    scaler = upscaler(network(), ensemble=True, tile=0)
    picture = noise(16, 16)
    turned = scaler.pixels(np.rot90(picture).copy())
    difference = np.abs(turned.astype(int) - np.rot90(scaler.pixels(picture)))
    assert difference.max() <= 1
    plain = upscaler(network(), tile=0)
    alone = plain.pixels(np.rot90(picture).copy()).astype(int) - np.rot90(plain.pixels(picture))
    assert np.abs(alone).max() > 1
