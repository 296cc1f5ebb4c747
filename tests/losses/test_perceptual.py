"""The VGG loss compares the layers that its papers name, on the values VGG was trained with."""

import pytest
import torch

from superres.errors import ModelError
from superres.losses import FeatureNetwork, build_term, feature_nets, is_loss, needs_features
from superres.losses.feature_network import LAYERS
from superres.losses.perceptual import PerceptualLoss, perceptual_layer

DIVISOR = 16


@pytest.fixture(scope="module")
def network() -> FeatureNetwork:
    torch.manual_seed(4)
    return FeatureNetwork(DIVISOR)


def pictures(seed: int = 0, size: int = 32) -> torch.Tensor:
    return torch.rand(2, 3, size, size, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(
    ("name", "net", "index"),
    [
        ("vgg19_22", "vgg19", 8),
        ("vgg19_54", "vgg19", 35),
        ("vgg19_11", "vgg19", 1),
        ("vgg19_relu5_4", "vgg19", 35),
        ("vgg19_conv5_4", "vgg19", 34),  # before its ReLU, as ESRGAN
        ("vgg16_relu5_3", "vgg16", 29),  # R5
        ("squeeze_fire9", "squeeze", 12),
        ("alex_relu5", "alex", 11),
    ],
)
def test_layers_of_the_papers(name: str, net: str, index: int) -> None:
    assert perceptual_layer(name) == (net, index, False)
    assert perceptual_layer(f"{name}_l1") == (net, index, True)


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
    assert build_term("vgg19_54", {"vgg19": network})(sr, hr).item() == pytest.approx(
        expected.item()
    )


def test_the_absolute_form_is_the_mean_absolute_distance(network: FeatureNetwork) -> None:
    sr, hr = pictures(1), pictures(2)
    expected = (network(sr, 7) - network(hr, 7)).abs().mean()
    found = build_term("vgg19_conv2_2_l1", {"vgg19": network})(sr, hr)
    assert found.item() == pytest.approx(expected.item())


def test_before_the_relu_negative_features_count(network: FeatureNetwork) -> None:
    sr = pictures(1)
    assert network(sr, 34).min() < 0
    assert torch.equal(network(sr, 34).relu(), network(sr, 35))


@pytest.mark.parametrize("net", sorted(LAYERS))
def test_every_named_layer_of_every_network_makes_a_loss(net: str) -> None:
    torch.manual_seed(2)
    features, sr, hr = {net: FeatureNetwork(4, net=net)}, pictures(1, 64), pictures(2, 64)
    for layer in LAYERS[net]:
        assert is_loss(f"{net}_{layer}")
        value = build_term(f"{net}_{layer}", features)(sr, hr)
        assert value > 0, layer
        assert build_term(f"{net}_{layer}", features)(hr, hr) == 0


def test_weights_that_end_before_the_layer_are_refused_with_the_last_they_have() -> None:
    partial = FeatureNetwork(DIVISOR, "file (some.npz)", net="vgg16", depth=9)
    assert PerceptualLoss(partial, 8)
    with pytest.raises(ModelError, match=r"relu5_3.*some.npz.*end with relu2_2"):
        build_term("vgg16_53", {"vgg16": partial})


def test_equal_pictures_have_no_loss(network: FeatureNetwork) -> None:
    assert build_term("vgg19_22", {"vgg19": network})(pictures(), pictures()).item() == 0


def test_the_gradient_reaches_sr_and_nothing_else(network: FeatureNetwork) -> None:
    sr, hr = pictures(1).requires_grad_(True), pictures(2).requires_grad_(True)
    build_term("vgg19_22", {"vgg19": network})(sr, hr).backward()
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
    assert feature_nets(["mse", "vgg19_54", "vgg19_22_l1", "vgg16_53", "lpips"]) == [
        "lpips_squeeze",
        "vgg16",
        "vgg19",
    ]
    with pytest.raises(ModelError, match=r"'vgg19_54' needs a feature network \(vgg19\)"):
        build_term("vgg19_54")
