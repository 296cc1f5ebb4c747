"""Where the perceptual loss gets its VGG from, and that it says so; no network here."""

import logging
import urllib.error
from pathlib import Path
from typing import Any

import pytest
import torch
from packs import pairs, picture, write_pack
from safetensors.torch import load_file, save_file

from superres.data.sampler import Sampler
from superres.errors import ConfigError, ModelError
from superres.losses import FeatureNetwork
from superres.training import features
from superres.training.features import TRAINED_HERE, feature_network, feature_networks

DIVISOR = 16


@pytest.fixture
def sampler(pack: Path) -> Sampler:
    return Sampler(pack, "train", hr_patch=16, seed=1)


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    return tmp_path / "runs" / "features.safetensors"


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Train the network here for two steps."""
    monkeypatch.setattr(features, "STEPS", 2)


@pytest.fixture
def no_training(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("nothing may be trained here")

    monkeypatch.setattr(features, "_train", refuse)


def torchvision_gives(monkeypatch: pytest.MonkeyPatch, answer: Any) -> list[dict[str, Any]]:
    """Let torchvision's download return `answer`, or raise it; return how it was asked."""
    from torchvision.models._api import WeightsEnum

    asked = []

    def get_state_dict(self: WeightsEnum, *_: object, **options: Any) -> Any:
        asked.append({"weights": str(self), **options})
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(WeightsEnum, "get_state_dict", get_state_dict)
    return asked


def vgg(seed: int = 1) -> dict[str, torch.Tensor]:
    """Return weights as torchvision names them, narrow, with the classifier they come with."""
    torch.manual_seed(seed)
    return {**FeatureNetwork(DIVISOR).state_dict(), "classifier.0.weight": torch.ones(2, 2)}


def same(network: FeatureNetwork, weights: dict[str, torch.Tensor]) -> bool:
    state = network.state_dict()
    return all(torch.equal(state[name], weights[name]) for name in state)


def test_trained_here_says_so_and_is_kept(sampler: Sampler, kept: Path, short: None) -> None:
    network = feature_network("here", sampler, kept, seed=1)
    assert network.origin == TRAINED_HERE
    assert "trained-here" in network.origin
    assert same(network, load_file(str(kept)))
    assert [file.name for file in kept.parent.iterdir()] == [kept.name]


def test_a_kept_network_is_used_again_not_trained(
    sampler: Sampler, kept: Path, no_training: None
) -> None:
    kept.parent.mkdir()
    weights = vgg()
    save_file(weights, str(kept))
    for asked in ("here", "auto"):
        network = feature_network(asked, sampler, kept, seed=1)
        assert network.origin == TRAINED_HERE
        assert same(network, weights)


def test_training_here_learns_which_picture_a_crop_is_from(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(features, "STEPS", 150)
    monkeypatch.setattr(features, "BATCH", 16)
    dark, mid, bright = (picture(40, 40) // 4 + level for level in (0, 90, 180))
    pack = write_pack(tmp_path / "pairs", 2, {"train": pairs(2, dark, mid, bright)})
    with caplog.at_level(logging.INFO):
        sampler = Sampler(pack, "train", hr_patch=16, seed=1)
        feature_network("here", sampler, tmp_path / "features.safetensors", seed=1)
    step, right = caplog.records[-1].args
    assert step == 150
    assert right > 80  # of three pictures: 33 by chance


def test_the_run_draws_the_same_batches_after_it(
    sampler: Sampler, pack: Path, kept: Path, short: None
) -> None:
    feature_network("here", sampler, kept, seed=1)
    untouched = Sampler(pack, "train", hr_patch=16, seed=1)
    assert torch.equal(sampler.batch(4).hr, untouched.batch(4).hr)


def test_torchvisions_weights_come_first_and_checked(
    sampler: Sampler, kept: Path, monkeypatch: pytest.MonkeyPatch, no_training: None
) -> None:
    weights = vgg()
    for asked in ("auto", "torchvision"):
        told = torchvision_gives(monkeypatch, weights)
        network = feature_network(asked, sampler, kept, seed=1)
        assert network.origin == "imagenet (torchvision)"
        assert same(network, weights)
        assert told[0]["weights"] == "VGG19_Weights.IMAGENET1K_V1"
        assert told[0]["check_hash"] is True
        assert told[0]["weights_only"] is True
    assert not kept.exists()


@pytest.mark.parametrize(
    "error",
    [
        urllib.error.URLError("no route to host"),
        TimeoutError("timed out"),
        RuntimeError('invalid hash value (expected "dcbb9e9d", got "e3b0c442")'),
    ],
)
def test_auto_without_a_download_trains_here_and_warns_loudly(
    sampler: Sampler,
    kept: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    short: None,
    error: Exception,
) -> None:
    torchvision_gives(monkeypatch, error)
    network = feature_network("auto", sampler, kept, seed=1)
    assert network.origin == TRAINED_HERE
    assert kept.is_file()
    assert "NO IMAGENET WEIGHTS" in caplog.text
    assert str(error) in caplog.text


def test_torchvision_alone_is_an_error_without_a_download(
    sampler: Sampler, kept: Path, monkeypatch: pytest.MonkeyPatch, no_training: None
) -> None:
    torchvision_gives(monkeypatch, urllib.error.URLError("no route to host"))
    with pytest.raises(ModelError, match=r"no route to host.*perceptual.weights.*'auto'"):
        feature_network("torchvision", sampler, kept, seed=1)


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
def test_a_local_file_is_read_and_named(
    sampler: Sampler, kept: Path, tmp_path: Path, suffix: str, no_training: None
) -> None:
    file, weights = tmp_path / f"vgg19{suffix}", vgg()
    if suffix == ".pth":
        torch.save(weights, file)
    else:
        save_file(weights, str(file))
    network = feature_network(str(file), sampler, kept, seed=1)
    assert network.origin == f"file (vgg19{suffix})"
    assert network.divisor == DIVISOR
    assert same(network, weights)


def test_a_missing_file_is_an_error_with_what_is_accepted(sampler: Sampler, kept: Path) -> None:
    with pytest.raises(ConfigError, match=r"no file vgg.pth. Accepted: auto, torchvision, here"):
        feature_network("vgg.pth", sampler, kept, seed=1)


def wider() -> dict[str, torch.Tensor]:
    return {**vgg(), "features.0.weight": torch.zeros(128, 3, 3, 3)}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({}, "do not fit"),
        ({"features.0.weight": torch.zeros(64, 3, 3, 3)}, "do not fit.*features.0.bias"),
        ({"features.0.weight": torch.zeros(0, 3, 3, 3)}, "do not fit"),
        ({"features.0.weight": torch.tensor(1.0)}, "do not fit"),
        ({"features.0.weight": 3}, "do not fit"),
        (wider(), "do not fit.*features.0.weight"),
        ({"state_dict": vgg()}, "do not fit"),
        (torch.zeros(3), "not a weights file"),
        ({"features.0.weight": Path("/")}, "not a weights file"),
    ],
)
def test_a_file_of_something_else_is_an_error_that_names_it(
    sampler: Sampler, kept: Path, tmp_path: Path, content: Any, message: str
) -> None:
    file = tmp_path / "other.pth"
    torch.save(content, file)
    with pytest.raises(ModelError, match=f"(?s)other.pth.*{message}|{message}.*other.pth"):
        feature_network(str(file), sampler, kept, seed=1)


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
def test_a_damaged_file_is_an_error_that_names_it(
    sampler: Sampler, kept: Path, tmp_path: Path, suffix: str
) -> None:
    file = tmp_path / f"vgg19{suffix}"
    file.write_bytes(b"no weights")
    with pytest.raises(ModelError, match=rf"vgg19{suffix}: not a weights file"):
        feature_network(str(file), sampler, kept, seed=1)


def test_each_network_comes_from_its_own_file_of_a_folder(
    sampler: Sampler, kept: Path, shared_data: Path, no_training: None
) -> None:
    folder = str(shared_data / "weights")
    nets = ["lpips_squeeze", "squeeze", "vgg16"]
    found = feature_networks(folder, nets, sampler, kept, seed=1)
    assert {net: network.origin for net, network in found.items()} == {
        "lpips_squeeze": "lpips squeeze: file (squeezenet1_1_imagenet_fp16.pth)",
        "squeeze": "file (squeezenet1_1_imagenet_fp16.pth)",
        "vgg16": "file (vgg16_imagenet_conv1_1_to_conv2_2.npz)",
    }
    with pytest.raises(ConfigError, match="no weights of vgg19 in"):
        feature_networks(folder, ["vgg19"], sampler, kept, seed=1)


def test_each_vgg_trained_here_is_kept_apart(sampler: Sampler, kept: Path, short: None) -> None:
    found = feature_networks("here", ["vgg16", "vgg19"], sampler, kept, seed=1)
    assert sorted(file.name for file in kept.parent.iterdir()) == [
        "features-vgg16.safetensors",
        "features.safetensors",
    ]
    assert "slim VGG16" in found["vgg16"].origin
    assert len(found["vgg16"].features) == 31


def test_networks_that_are_not_trained_here_come_from_the_shared_folder_or_not_at_all(
    sampler: Sampler,
    kept: Path,
    shared_data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    no_training: None,
) -> None:
    torchvision_gives(monkeypatch, urllib.error.URLError("no route to host"))
    monkeypatch.setenv("SUPERRES_SHARED_DATA", str(shared_data))
    found = feature_networks("auto", ["squeeze"], sampler, kept, seed=1)
    assert found["squeeze"].origin == "file (squeezenet1_1_imagenet_fp16.pth)"
    monkeypatch.setenv("SUPERRES_SHARED_DATA", str(tmp_path))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    for net in ("squeeze", "lpips_squeeze"):
        with pytest.raises(ModelError, match="no route to host"):
            feature_networks("auto", [net], sampler, kept, seed=1)
    with pytest.raises(ModelError, match="'here' trains VGG networks"):
        feature_networks("here", ["alex"], sampler, kept, seed=1)


@pytest.mark.parametrize(
    ("net", "name"),
    [("vgg16", "VGG16_Weights"), ("squeeze", "SqueezeNet1_1_Weights"), ("alex", "AlexNet_Weights")],
)
def test_torchvision_is_asked_for_each_network(
    sampler: Sampler, kept: Path, monkeypatch: pytest.MonkeyPatch, net: str, name: str
) -> None:
    torch.manual_seed(1)
    told = torchvision_gives(monkeypatch, FeatureNetwork(DIVISOR, net=net).state_dict())
    found = feature_networks("torchvision", [net], sampler, kept, seed=1)
    assert found[net].origin == "imagenet (torchvision)"
    assert told[0]["weights"] == f"{name}.IMAGENET1K_V1"
