"""A term on crops with another corner each time: the same mean, no fixed phase."""

import pytest
import torch

from superres.errors import ModelError
from superres.losses import FeatureNetwork, build_term, feature_nets, is_loss
from superres.losses.shifted import REACH, Shifted


class Corner(torch.nn.Module):
    """Tells the first pixel and the size of what it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[float, int, int]] = []

    def forward(self, sr: torch.Tensor, hr: torch.Tensor) -> torch.Tensor:
        assert sr.shape == hr.shape
        assert float(sr[0, 0, 0, 0] - hr[0, 0, 0, 0]) == 100, "both are cut alike"
        self.seen.append((float(hr[0, 0, 0, 0]), *hr.shape[-2:]))
        return sr.mean()


def test_every_corner_within_reach_is_drawn_and_both_images_are_cut_alike() -> None:
    torch.manual_seed(0)
    hr = torch.arange(32 * 32.0).reshape(1, 1, 32, 32)
    corner = Corner()
    for _ in range(800):
        Shifted(corner)(hr + 100, hr)
    drawn = {divmod(int(first), 32) for first, _, _ in corner.seen}
    assert drawn == {(top, left) for top in range(REACH) for left in range(REACH)}
    assert all(
        (height, width) == (32 - int(first) // 32, 32 - int(first) % 32)
        for first, height, width in corner.seen
    )


def test_the_same_seed_draws_the_same_corners() -> None:
    sr, hr = torch.rand(2, 1, 3, 24, 24)
    term = Shifted(torch.nn.L1Loss())
    found = []
    for _ in range(2):
        torch.manual_seed(3)
        found.append([float(term(sr, hr)) for _ in range(5)])
    assert found[0] == found[1]
    assert len(set(found[0])) > 1


def test_terms_of_networks_have_the_form_and_others_have_not() -> None:
    assert is_loss("lpips_shifted")
    assert is_loss("vgg19_54_l1_shifted")
    assert not is_loss("mse_shifted")
    assert not is_loss("shifted")
    assert feature_nets(["vgg16_relu2_2_shifted", "lpips_shifted"]) == ["lpips_squeeze", "vgg16"]
    with pytest.raises(ModelError, match="'mse_shifted' is not known"):
        build_term("mse_shifted")


def test_equal_images_have_no_distance_and_others_have_a_gradient() -> None:
    torch.manual_seed(0)
    network = FeatureNetwork(16, "a test", net="vgg16")
    term = build_term("vgg16_relu2_2_shifted", {"vgg16": network})
    hr = torch.rand(1, 3, 32, 32)
    assert float(term(hr, hr)) == 0
    sr = torch.rand(1, 3, 32, 32, requires_grad=True)
    (slope,) = torch.autograd.grad(term(sr, hr), sr)
    assert slope.abs().sum() > 0
