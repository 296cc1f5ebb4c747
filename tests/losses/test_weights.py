"""Weights of feature networks from files and folders, real ones among them."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from superres.errors import ModelError
from superres.losses import build_term
from superres.losses.feature_network import FeatureNetwork
from superres.losses.weights import find_weights, load_features, reaches

NPZ = "vgg16_imagenet_conv1_1_to_conv2_2.npz"


def image(size: int = 24) -> torch.Tensor:
    return torch.rand(1, 3, size, size, generator=torch.Generator().manual_seed(5))


def test_the_original_vgg16_sees_bgr_levels_minus_its_mean(shared_data: Path) -> None:
    """By hand: blue first, 0..255, minus (103.939, 116.779, 123.68), zeros around."""
    network = load_features(shared_data / "weights" / NPZ, "vgg16")
    with np.load(shared_data / "weights" / NPZ) as content:
        weight, bias = (torch.from_numpy(content[f"features.0.{k}"]) for k in ("weight", "bias"))
    mean = torch.tensor([103.939, 116.779, 123.68]).view(1, 3, 1, 1)
    expected = torch.nn.functional.conv2d(image().flip(1) * 255 - mean, weight, bias, padding=1)
    torch.testing.assert_close(network(image(), 0), expected, rtol=1e-4, atol=1e-2)


def test_a_partial_vgg16_is_a_loss_up_to_where_it_ends(shared_data: Path) -> None:
    file = shared_data / "weights" / NPZ
    network = load_features(file, "vgg16")
    assert reaches(file, "vgg16") == "relu2_2"
    assert len(network.features) == 9
    assert network.origin == f"file ({NPZ})"
    sr = image().requires_grad_(True)
    build_term("vgg16_22", {"vgg16": network})(sr, image().flip(3)).backward()
    assert sr.grad.abs().sum() > 0
    with pytest.raises(ModelError, match=f"relu3_1.*{NPZ}.*end with relu2_2"):
        build_term("vgg16_31", {"vgg16": network})


def test_squeezenet_of_half_precision_is_read_as_float32(shared_data: Path) -> None:
    file = shared_data / "weights" / "squeezenet1_1_imagenet_fp16.pth"
    network = load_features(file, "squeeze")
    assert {value.dtype for value in network.state_dict().values()} == {torch.float32}
    assert build_term("squeeze_fire9", {"squeeze": network})(image(64), image(64).flip(2)) > 0


def test_a_folder_holds_several_networks(shared_data: Path, tmp_path: Path) -> None:
    folder = shared_data / "weights"
    assert find_weights(folder, "vgg16") == folder / NPZ
    assert find_weights(folder, "squeeze") == folder / "squeezenet1_1_imagenet_fp16.pth"
    assert find_weights(folder, "vgg19") is None
    assert find_weights(tmp_path / "none", "vgg16") is None
    assert find_weights(folder / NPZ, "vgg16") == folder / NPZ  # a file is itself


def trained(folder: Path, net: str, **metadata: str) -> Path:
    torch.manual_seed(1)
    folder.mkdir(parents=True, exist_ok=True)
    weights = FeatureNetwork(16, net=net).state_dict()
    save_file(weights, str(folder / "features.safetensors"), {"net": net, **metadata})
    return folder / "features.safetensors"


def test_a_network_trained_here_says_what_it_is(tmp_path: Path) -> None:
    file = trained(tmp_path, "vgg16", origin="mine", statistics="original")
    for place in (file, tmp_path):
        found = find_weights(place, "vgg16")
        assert found == file
        network = load_features(found, "vgg16")
        assert (network.origin, network.divisor, network.net) == ("mine", 16, "vgg16")
        assert network.mean.flatten().tolist() == pytest.approx(
            [123.68 / 255, 116.779 / 255, 103.939 / 255]
        )
        assert network.std.flatten().tolist() == pytest.approx([1 / 255] * 3)


def test_a_network_of_another_kind_is_refused(tmp_path: Path) -> None:
    file = trained(tmp_path, "vgg16")
    assert find_weights(tmp_path, "vgg19") is None
    with pytest.raises(ModelError, match="weights of vgg16; a loss asks for those of vgg19"):
        load_features(file, "vgg19")


def test_a_whole_network_is_whole(tmp_path: Path) -> None:
    for net in ("vgg19", "squeeze", "alex"):
        network = load_features(trained(tmp_path / net, net), net)
        assert len(network.features) == len(FeatureNetwork(16, net=net).features)


def test_a_pickle_that_runs_code_is_not_read(tmp_path: Path) -> None:
    file = tmp_path / "vgg19.pth"
    torch.save({"features.0.weight": Path("/")}, file)
    with pytest.raises(ModelError, match=r"vgg19\.pth: not a weights file"):
        load_features(file, "vgg19")


def test_a_damaged_npz_is_named(tmp_path: Path, shared_data: Path) -> None:
    file = tmp_path / NPZ
    shutil.copyfile(shared_data / "weights" / NPZ, file)
    with file.open("r+b") as stream:
        stream.truncate(5000)
    with pytest.raises(ModelError, match=f"{NPZ}: not a weights file"):
        load_features(file, "vgg16")
