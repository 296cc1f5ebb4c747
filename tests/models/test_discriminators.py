"""Critics: SRGAN's takes patches of any size, the others judge patches and pixels."""

from itertools import pairwise

import pytest
import torch

from superres.errors import ModelError
from superres.models import DISCRIMINATORS, build_discriminator, parameter_count


def critic(**options: object) -> torch.nn.Module:
    torch.manual_seed(2)
    return build_discriminator("srgan", **{"channels": 4, "dense": 8, **options})


def patches(height: int, width: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(2, 3, height, width, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("size", [(16, 16), (17, 31), (48, 16), (96, 96)])
@pytest.mark.parametrize("training", [True, False])
def test_any_patch_from_sixteen_pixels_gets_one_logit(
    size: tuple[int, int], training: bool
) -> None:
    logits = critic().train(training)(patches(*size))
    assert logits.shape == (2, 1)
    assert torch.isfinite(logits).all()


def test_the_gradient_reaches_every_parameter_and_the_picture() -> None:
    network, image = critic().eval(), patches(32, 32).requires_grad_(True)
    network(image).square().sum().backward()
    tensors = {**dict(network.named_parameters()), "image": image}
    without = [name for name, one in tensors.items() if one.grad is None or not one.grad.any()]
    assert without == []


def test_it_sees_pictures_around_zero() -> None:
    network, seen = critic().eval(), []
    network.features.register_forward_pre_hook(lambda module, given: seen.append(given[0]))
    image = patches(16, 16)
    network(image)
    torch.testing.assert_close(seen[0], 2 * image - 1)


def test_logits_are_not_squashed() -> None:
    network = critic().eval()
    with torch.no_grad():
        for parameter in network.verdict.parameters():
            parameter.mul_(100)
    assert network(patches(16, 16)).abs().max() > 1


def test_dropout_acts_in_training_only() -> None:
    network, image = critic(dropout=0.5, dense=64), patches(16, 16)
    network.eval()
    assert torch.equal(network(image), network(image))
    network.train()
    for module in network.features:
        module.eval()
    assert not torch.equal(network(image), network(image))


def test_parameters_are_those_of_the_paper_on_six_by_six_maps() -> None:
    """Eight 3x3 convolutions, seven with batch norm, two dense layers (Ledig et al., 2017)."""
    widths = [3, 4, 4, 8, 8, 16, 16, 32, 32]
    pairs = list(pairwise(widths))
    convolutions = sum((before * 9 + 1) * after for before, after in pairs)
    norms = sum(2 * after for after in widths[2:])
    dense = (32 * 36 + 1) * 8 + 8 + 1
    assert parameter_count(critic()) == convolutions + norms + dense


def test_unknown_names_and_options_are_refused_with_the_accepted_ones() -> None:
    with pytest.raises(
        ModelError, match="'patchgan' is not known; accepted: clip, patch, srgan, unet"
    ):
        build_discriminator("patchgan")
    with pytest.raises(ModelError, match="unknown option spectral; accepted: channels, dense"):
        build_discriminator("srgan", spectral=True)


CRITICS: dict[str, dict[str, object]] = {
    "srgan": {"channels": 4, "dense": 8},
    "patch": {"channels": 4},
    "unet": {"channels": 4},
    "clip": {"channels": 4},
}


def judged(name: str, height: int = 32, width: int = 32) -> torch.Tensor:
    """Return what the critic takes: pictures, or a clip of three frames each."""
    images = patches(height, width)
    return images if name != "clip" else torch.stack([images, images / 2, 1 - images], dim=1)


@pytest.mark.parametrize("name", DISCRIMINATORS)
class TestEveryCritic:
    def test_its_options_are_as_small_as_a_test_wants(self, name: str) -> None:
        assert parameter_count(build_discriminator(name, **CRITICS[name])) < 50_000

    @pytest.mark.parametrize("size", [(24, 24), (25, 39), (96, 64)])
    def test_it_takes_odd_patches(self, name: str, size: tuple[int, int]) -> None:
        logits = build_discriminator(name, **CRITICS[name])(judged(name, *size))
        assert logits.shape[:2] == (2, 1)
        assert torch.isfinite(logits).all()

    def test_the_gradient_reaches_every_parameter(self, name: str) -> None:
        torch.manual_seed(2)
        network, image = build_discriminator(name, **CRITICS[name]), judged(name)
        image.requires_grad_(True)
        network.eval()(image).square().sum().backward()
        tensors = {**dict(network.named_parameters()), "image": image}
        without = [key for key, one in tensors.items() if one.grad is None or not one.grad.any()]
        assert without == []

    def test_dropout_acts_in_training_only(self, name: str) -> None:
        network = build_discriminator(name, **CRITICS[name], dropout=0.5)
        for module in network.modules():
            module.train(
                isinstance(module, torch.nn.Dropout | torch.nn.Dropout2d | torch.nn.Dropout3d)
            )
        assert not torch.equal(network(judged(name)), network(judged(name)))
        network.eval()
        assert torch.equal(network(judged(name)), network(judged(name)))

    def test_its_state_makes_the_same_logits(self, name: str) -> None:
        one, other = (build_discriminator(name, **CRITICS[name]) for _ in range(2))
        one(judged(name))  # in training a norm or a spectral norm moves its statistics
        other.load_state_dict(one.state_dict())
        assert torch.equal(one.eval()(judged(name)), other.eval()(judged(name)))


@pytest.mark.parametrize(("layers", "patch"), [(1, 16), (2, 34), (3, 70)])
def test_a_patch_critic_sees_the_patch_of_its_paper(layers: int, patch: int) -> None:
    """Isola et al. (2017): 16, 34 and 70 pixels."""
    network = build_discriminator("patch", channels=4, layers=layers, norm="none").eval()
    image = patches(160, 160).requires_grad_(True)
    logits = network(image)
    middle = logits.shape[2] // 2
    logits[0, 0, middle, middle].backward()
    assert image.grad is not None
    seen = image.grad[0].abs().sum(dim=0).nonzero()
    assert (seen.amax(dim=0) - seen.amin(dim=0) + 1).tolist() == [patch, patch]


def test_a_patch_critic_of_the_paper_judges_ten_by_ten_patches_of_96_pixels() -> None:
    assert build_discriminator("patch", channels=4)(patches(96, 96)).shape == (2, 1, 10, 10)


@pytest.mark.parametrize(("layers", "least"), [(1, 6), (2, 12), (3, 24)])
def test_the_stated_least_size_gives_one_verdict(layers: int, least: int) -> None:
    network = build_discriminator("patch", channels=4, layers=layers, norm="none")
    assert network(patches(least, least)).shape == (2, 1, 1, 1)


def test_the_unet_critic_has_the_parameters_and_the_size_of_its_paper() -> None:
    """Wang et al. (2021): 4.38 million, a verdict for each pixel."""
    assert parameter_count(build_discriminator("unet")) == 4_376_897
    assert build_discriminator("unet", channels=4)(patches(9, 31)).shape == (2, 1, 9, 31)


def test_spectral_norm_holds_the_largest_singular_value_at_one() -> None:
    torch.manual_seed(1)
    network = build_discriminator("unet", channels=4)
    for _ in range(30):  # the power iteration takes a step a forward in training
        network(patches(16, 16))
    for layer in [*network.down, *network.up]:
        largest = torch.linalg.svdvals(layer.weight.detach().flatten(1))[0]
        assert float(largest) == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize("name", ["srgan", "patch"])
def test_without_norm_pictures_of_a_batch_do_not_touch_each_other(name: str) -> None:
    """What a gradient penalty for each picture takes for granted (Gulrajani et al., 2017)."""
    free = {"srgan": {"norm": False}, "patch": {"norm": "none"}}[name]
    for options, touch in ((free, False), ({}, True)):
        network, image = build_discriminator(name, **CRITICS[name], **options), patches(32, 32)
        image.requires_grad_(True)
        network(image)[0].sum().backward()
        assert image.grad is not None
        assert bool(image.grad[1].any()) is touch


@pytest.mark.parametrize("options", [{"norm": "layer"}, {"layers": 0}])
def test_senseless_options_of_a_patch_critic_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(ModelError, match=r"accepted: norm .*batch.*; layers from 1"):
        build_discriminator("patch", **options)
