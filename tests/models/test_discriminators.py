"""SRGAN's critic takes patches of any size."""

from itertools import pairwise

import pytest
import torch

from superres.errors import ModelError
from superres.models import build_discriminator, parameter_count


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
    with pytest.raises(ModelError, match="'patchgan' is not known; accepted: srgan"):
        build_discriminator("patchgan")
    with pytest.raises(ModelError, match="unknown option spectral; accepted: channels, dense"):
        build_discriminator("srgan", spectral=True)
