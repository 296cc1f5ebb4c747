"""The VGG loss compares the layers that its papers name, on the values VGG was trained with."""

import pytest
import torch
from torch import nn

from superres.errors import ModelError
from superres.losses import FeatureNetwork, build_term, needs_features
from superres.losses.perceptual import PERCEPTUAL_LAYERS, PerceptualLoss

DIVISOR = 16


@pytest.fixture(scope="module")
def network() -> FeatureNetwork:
    torch.manual_seed(4)
    return FeatureNetwork(DIVISOR)


def pictures(seed: int = 0, size: int = 32) -> torch.Tensor:
    return torch.rand(2, 3, size, size, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def torchvision_features() -> nn.Sequential:
    """The layers of torchvision's VGG19, without memory for weights."""
    from torchvision.models import vgg19

    with torch.device("meta"):
        features: nn.Sequential = vgg19(weights=None).features
    return features


@pytest.mark.parametrize(("name", "index"), [("vgg19_22", 8), ("vgg19_54", 35), ("vgg19_11", 1)])
def test_layers_of_the_papers(name: str, index: int) -> None:
    assert PERCEPTUAL_LAYERS[name] == index


def test_a_layer_is_the_relu_after_its_convolution(torchvision_features: nn.Sequential) -> None:
    """'vgg19_ij': after the j-th convolution before the i-th pooling (Ledig et al., 2017)."""
    found, block, convolution = {}, 1, 0
    for index, layer in enumerate(torchvision_features):
        if isinstance(layer, nn.MaxPool2d):
            block, convolution = block + 1, 0
        elif isinstance(layer, nn.Conv2d):
            convolution += 1
        elif isinstance(layer, nn.ReLU):
            found[f"vgg19_{block}{convolution}"] = index
    assert found == PERCEPTUAL_LAYERS


def test_weights_of_torchvision_fit_under_their_names(torchvision_features: nn.Sequential) -> None:
    with torch.device("meta"):
        ours = FeatureNetwork().features
    assert [type(layer) for layer in ours] == [type(layer) for layer in torchvision_features]
    wanted = {name: value.shape for name, value in torchvision_features.state_dict().items()}
    assert {name: value.shape for name, value in ours.state_dict().items()} == wanted


def test_the_network_sees_normalised_pictures(network: FeatureNetwork) -> None:
    image = pictures()
    mean = torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)
    deviation = torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1)
    expected = network.features[:9]((image - mean) / deviation)
    torch.testing.assert_close(network(image, 8), expected)


def test_value_is_the_mean_squared_distance_of_features(network: FeatureNetwork) -> None:
    sr, hr = pictures(1), pictures(2)
    expected = (network(sr, 35) - network(hr, 35)).square().mean()
    assert expected > 0
    assert build_term("vgg19_54", network)(sr, hr).item() == pytest.approx(expected.item())


def test_equal_pictures_have_no_loss(network: FeatureNetwork) -> None:
    assert build_term("vgg19_22", network)(pictures(), pictures()).item() == 0


def test_the_gradient_reaches_sr_and_nothing_else(network: FeatureNetwork) -> None:
    sr, hr = pictures(1).requires_grad_(True), pictures(2).requires_grad_(True)
    build_term("vgg19_22", network)(sr, hr).backward()
    assert sr.grad is not None
    assert sr.grad.any()
    assert hr.grad is None
    assert all(parameter.grad is None for parameter in network.parameters())


def test_gradient() -> None:
    torch.manual_seed(1)
    term = PerceptualLoss(FeatureNetwork(DIVISOR).double(), 3)
    sr, hr = torch.rand(2, 1, 3, 4, 4, dtype=torch.float64)
    assert torch.autograd.gradcheck(term, (sr.requires_grad_(True), hr))


def test_only_perceptual_terms_need_features() -> None:
    assert needs_features(["mse", "vgg19_54"])
    with pytest.raises(ModelError, match="'vgg19_54' needs a feature network"):
        build_term("vgg19_54")
