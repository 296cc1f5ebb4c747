"""What networks cost: sums made by hand, and the figures of published tables."""

from collections.abc import Iterator

import pytest
import torch
from generator_specification import SMALL
from torch import nn
from torch.nn import functional as F

from superres.models import MODELS, Generator, ModelInfo, build, parameter_count
from superres.models.cost import cost, cost_at_hd

BICUBIC = 25 * 3  # multiply-adds of a bicubic skip for each HR pixel


class Odds(Generator):
    """A grouped, a strided, a transposed and a functional convolution, and a dense layer."""

    def __init__(self) -> None:
        super().__init__()
        self.grouped = nn.Conv2d(3, 6, 3, padding=1, groups=3)
        self.strided = nn.Conv2d(6, 4, 2, stride=2, bias=False)
        self.transposed = nn.ConvTranspose2d(4, 3, 4, stride=4)
        self.kernel = nn.Parameter(torch.rand(3, 3, 1, 1))
        self.dense = nn.Linear(3, 3)
        self.info = ModelInfo("odds", scale=2)

    def forward(self, lr: torch.Tensor) -> torch.Tensor:
        large = F.conv2d(self.transposed(self.strided(self.grouped(lr))), self.kernel)
        dense: torch.Tensor = self.dense(large.mean(dim=(2, 3)))
        return large + dense[:, :, None, None]


def test_every_kind_of_layer_is_counted_as_by_hand() -> None:
    found = cost(Odds(), 8, 6)
    grouped = 6 * 48 * 9  # outputs x kernel, one channel seen by each
    strided = 4 * 12 * 6 * 4
    transposed = 4 * 12 * 3 * 16  # inputs x kernel
    functional = 3 * 192 * 3
    assert found.multiply_adds == grouped + strided + transposed + functional + 9
    assert found.activations == 6 * 48 + 4 * 12 + 3 * 192 + 3 * 192
    assert found.parameters == 60 + 96 + 195 + 9 + 12


def test_it_counts_the_form_that_is_deployed() -> None:
    wide = build("fast", scale=4, channels=8, layers=2, expansion=4, colour="luma")
    found = cost(wide, 10, 10)
    plain = (3 * 9 * 8 + 8 * 9 * 8 + 8 * 9 * 16) * 100
    assert found.multiply_adds == plain + BICUBIC * 1600
    assert found.parameters == parameter_count(wide.deployed()) < parameter_count(wide)


# name, options, billions of multiply-adds at a 1280 x 720 result, who counted so
PUBLISHED = [
    ("srcnn", {"scale": 2, "kernels": [9, 5, 5], "colour": "luma"}, 52.7, "Ahn et al., 2018"),
    ("srcnn", {"scale": 4, "kernels": [9, 5, 5], "colour": "luma"}, 52.7, "Ahn et al., 2018"),
    ("edsr", {"scale": 2}, 316.3, "Ahn et al., 2018"),
    ("edsr", {"scale": 4}, 114.0, "Ahn et al., 2018"),
]


@pytest.mark.parametrize(("name", "options", "billions", "by"), PUBLISHED)
def test_published_figures(name: str, options: dict[str, object], billions: float, by: str) -> None:
    network = build(name, **options)
    skip = BICUBIC * 1280 * 720 if name == "srcnn" else 0
    found = (cost_at_hd(network).multiply_adds - skip) / 1e9
    assert found == pytest.approx(billions, rel=0.003), by


@pytest.mark.parametrize(("scale", "billions"), [(2, 6.0), (4, 4.6)])
def test_fsrcnn_is_published_with_its_last_kernel_at_every_output_place(
    scale: int, billions: float
) -> None:
    found = cost_at_hd(build("fsrcnn", scale=scale)).multiply_adds - BICUBIC * 1280 * 720
    last, pixels = 81 * 56, 1280 * 720
    assert (found + last * (pixels - pixels // scale**2)) / 1e9 == pytest.approx(billions, rel=0.02)


def test_espcn_costs_what_its_three_layers_do() -> None:
    found = cost_at_hd(build("espcn", scale=4)).multiply_adds - BICUBIC * 1280 * 720
    assert found == (25 * 64 + 64 * 9 * 32 + 32 * 9 * 16) * 320 * 180


@pytest.fixture
def networks() -> Iterator[Generator]:
    return (build(name, **options) for name, options in SMALL.items())


def test_every_network_can_be_counted_without_being_run(networks: Iterator[Generator]) -> None:
    for network in networks:
        before = {name: value.clone() for name, value in network.state_dict().items()}
        found, four = cost_at_hd(network), cost(network, 720, 1280)
        assert found.multiply_adds > 0
        ratio = four.multiply_adds / found.multiply_adds
        assert ratio == pytest.approx(network.info.scale**2, rel=0.02), network.info.name
        assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_the_small_forms_are_of_every_network() -> None:
    assert SMALL.keys() == MODELS.keys()
