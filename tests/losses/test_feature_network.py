"""The networks are torchvision's, layer by layer, and their layers are called as in the papers."""

from typing import Any

import pytest
import torch
from torch import nn

from superres.errors import ModelError
from superres.losses.feature_network import LAYERS, NETS, FeatureNetwork, layer_index, layer_name

TORCHVISION = {"vgg19": "vgg19", "vgg16": "vgg16", "squeeze": "squeezenet1_1", "alex": "alexnet"}


def theirs(net: str, device: str = "meta") -> nn.Sequential:
    import torchvision.models

    with torch.device(device):
        network: Any = getattr(torchvision.models, TORCHVISION[net])(weights=None)
    return network.features


@pytest.mark.parametrize("net", NETS)
def test_torchvisions_weights_fit_under_their_names(net: str) -> None:
    with torch.device("meta"):
        ours = FeatureNetwork(net=net).features
    wanted = {name: value.shape for name, value in theirs(net).state_dict().items()}
    assert {name: value.shape for name, value in ours.state_dict().items()} == wanted


@pytest.mark.parametrize("net", ["squeeze", "alex"])
def test_features_are_torchvisions(net: str) -> None:
    """VGG's layers are plain; fires and poolings could differ and do not."""
    torch.manual_seed(1)
    reference, ours = theirs(net, "cpu").eval(), FeatureNetwork(net=net)
    ours.features.load_state_dict(reference.state_dict())
    image = torch.rand(1, 3, 97, 83)
    mean = torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)
    deviation = torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1)
    last = max(LAYERS[net].values())
    expected = reference[: last + 1]((image - mean) / deviation)
    torch.testing.assert_close(ours(image, last), expected)


@pytest.mark.parametrize("net", ["vgg19", "vgg16"])
def test_a_vgg_layer_is_called_by_block_and_convolution(net: str) -> None:
    """'vgg19_ij': after the j-th convolution before the i-th pooling (Ledig et al., 2017)."""
    found, block, convolution = {}, 1, 0
    for index, layer in enumerate(theirs(net)):
        if isinstance(layer, nn.MaxPool2d):
            block, convolution = block + 1, 0
        elif isinstance(layer, nn.Conv2d):
            convolution += 1
            found[f"conv{block}_{convolution}"] = index
        elif isinstance(layer, nn.ReLU):
            found[f"{block}{convolution}"] = found[f"relu{block}_{convolution}"] = index
    assert found == LAYERS[net]


def test_several_layers_at_once_are_the_same_as_one_by_one() -> None:
    torch.manual_seed(1)
    network, image = FeatureNetwork(16, net="squeeze"), torch.rand(1, 3, 40, 40)
    for layer, features in zip((1, 4, 12), network.several(image, (1, 4, 12)), strict=True):
        assert torch.equal(features, network(image, layer))


@pytest.mark.parametrize("net", NETS)
def test_pictures_too_small_for_it_are_refused_with_what_to_do(net: str) -> None:
    network = FeatureNetwork(16, net=net)
    last = max(LAYERS[net].values())
    assert network(torch.rand(1, 3, 32, 32), 1).isfinite().all()
    with pytest.raises(ModelError, match=rf"{net}'s .* needs more than 2x2 pixels: raise hr_patch"):
        network(torch.rand(1, 3, 2, 2), last)


def test_an_unknown_network_or_layer_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ModelError, match="'vgg13': accepted: vgg19, vgg16, squeeze, alex"):
        FeatureNetwork(net="vgg13")
    with pytest.raises(ModelError, match=r"'vgg19_64': accepted: .*conv1_1.*relu5_4"):
        layer_index("vgg19", "64")
    assert layer_index("vgg16", "relu2_2") == 8
    assert layer_name("vgg16", 8) == "relu2_2"
    assert layer_name("vgg16", 9) == "layer 9"
