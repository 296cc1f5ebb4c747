"""LPIPS is the published distance: by its definition in NumPy, and by its figure on Set5."""

from pathlib import Path

import numpy as np
import pytest
import torch

from superres.errors import ModelError
from superres.images import decode
from superres.losses import build_term
from superres.losses.feature_network import FeatureNetwork
from superres.losses.lpips import LPIPS, TAPS, load_lpips
from superres.losses.weights import PREFIXES, read_tensors


def pair(size: int = 64, batch: int = 2) -> tuple[torch.Tensor, torch.Tensor]:
    random = torch.Generator().manual_seed(3)
    hr = torch.rand(batch, 3, size, size, generator=random)
    return (hr + 0.2 * torch.rand(hr.shape, generator=random)).clamp(0, 1), hr


@pytest.fixture(scope="module")
def squeeze(shared_data: Path) -> LPIPS:
    return load_lpips("squeeze", shared_data / "weights")


@pytest.mark.parametrize("net", ["squeeze", "alex", "vgg"])
def test_it_is_the_definition(shared_data: Path, net: str) -> None:
    """Zhang et al. (2018), eq. 1, layer by layer in float64; alex and vgg with random features."""
    torch.manual_seed(1)
    heads = read_tensors(shared_data / "weights" / "lpips_linear" / f"{net}.pth")
    kind = {"vgg": "vgg16"}.get(net, net)
    features = FeatureNetwork(net=kind)
    if net == "squeeze":
        features = load_lpips("squeeze", shared_data / "weights").network
    sr, hr = pair()
    expected = np.zeros(2)
    for place, tap in enumerate(TAPS[net]):
        with torch.no_grad():
            one, other = (features(x, tap).double().numpy() for x in (sr, hr))
        one, other = (
            x / np.maximum(np.sqrt((x**2).sum(1, keepdims=True)), 1e-10) for x in (one, other)
        )
        weights = heads[f"lin{place}.model.1.weight"].double().numpy()
        expected += ((one - other) ** 2 * weights).sum(1).mean((1, 2))
    found = LPIPS(features, heads, net)(sr, hr)
    assert found.shape == (2,)
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-5)


def test_bicubic_on_set5_has_its_known_distance(squeeze: LPIPS, shared_data: Path) -> None:
    """0.286 is of Pillow's bicubic; MATLAB's, which PSNR tables use, has 0.288."""
    from PIL import Image

    from superres.models import build

    folder, found = shared_data / "benchmarks" / "Set5", {"pillow": [], "matlab": []}
    bicubic = build("bicubic", scale=4)
    names = zip(
        sorted((folder / "HR").iterdir()), sorted((folder / "LR_x4").iterdir()), strict=True
    )
    for hr_file, lr_file in names:
        hr, lr = (np.array(decode(file.read_bytes()).pixels) for file in (hr_file, lr_file))
        resized = Image.fromarray(lr).resize((hr.shape[1], hr.shape[0]), Image.Resampling.BICUBIC)
        with torch.inference_mode():
            matlab = bicubic(tensor(lr)).clamp(0, 1).mul(255).add(0.5).floor().div(255)
            for name, sr in (("pillow", tensor(np.array(resized))), ("matlab", matlab)):
                found[name].append(squeeze(sr, tensor(hr)).item())
    assert np.mean(found["pillow"]) == pytest.approx(0.286, abs=0.0005)
    assert np.mean(found["matlab"]) == pytest.approx(0.2876, abs=0.0005)


def tensor(pixels: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 255


def test_equal_pictures_are_at_no_distance_and_both_ways_are_equal(squeeze: LPIPS) -> None:
    sr, hr = pair()
    assert squeeze(hr, hr).tolist() == [0, 0]
    torch.testing.assert_close(squeeze(sr, hr), squeeze(hr, sr))


def test_more_noise_is_further(squeeze: LPIPS) -> None:
    _, hr = pair()
    noise = torch.randn(hr.shape, generator=torch.Generator().manual_seed(1))
    near, far = (squeeze(hr + share * noise, hr) for share in (0.02, 0.1))
    assert (near < far).all()


def test_as_a_loss_it_is_the_mean_and_reaches_sr_alone(squeeze: LPIPS) -> None:
    sr, hr = pair()
    sr.requires_grad_(True)
    value = build_term("lpips", {"lpips_squeeze": squeeze})(sr, hr)
    assert value.item() == pytest.approx(squeeze(sr, hr).mean().item())
    value.backward()
    assert sr.grad.abs().sum() > 0
    assert all(parameter.grad is None for parameter in squeeze.parameters())


def test_its_gradient_is_finite_where_all_features_are_dead() -> None:
    """A root of zero has none: black with biases below zero kills every feature."""
    heads = {f"lin{place}.model.1.weight": torch.ones(1, 1, 1, 1) for place in range(7)}
    features = FeatureNetwork(16, net="squeeze")
    with torch.no_grad():
        for name, value in features.named_parameters():
            value.fill_(-1.0 if name.endswith("bias") else 0.0)
    sr = torch.zeros(1, 3, 32, 32, requires_grad=True)
    LPIPS(features, heads, "squeeze")(sr, sr.detach()).sum().backward()
    assert sr.grad.isfinite().all()


def test_gradient() -> None:
    torch.manual_seed(1)
    heads = {
        f"lin{place}.model.1.weight": torch.rand(1, 1, 1, 1, dtype=torch.float64)
        for place in range(7)
    }
    distance = LPIPS(FeatureNetwork(4, net="squeeze"), heads, "squeeze").double()
    sr, hr = (image.double() for image in pair(20, 1))
    term = build_term("lpips", {"lpips_squeeze": distance})
    assert torch.autograd.gradcheck(term, (sr.requires_grad_(True), hr), fast_mode=True)


def test_what_is_missing_is_named(
    tmp_path: Path, shared_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ModelError, match=r"lacks alexnet\*.pth, ImageNet's whole weights of alex;"):
        load_lpips("alex", shared_data / "weights")
    with pytest.raises(ModelError, match=r"lacks vgg16\*.pth.*found to relu2_2"):
        load_lpips("vgg", shared_data / "weights")
    (tmp_path / f"{PREFIXES['squeeze']}.pth").write_bytes(b"")
    with pytest.raises(ModelError, match=rf"lacks lpips_linear/squeeze.pth.*{tmp_path}"):
        load_lpips("squeeze", tmp_path)
    monkeypatch.setenv("SUPERRES_SHARED_DATA", str(tmp_path / "none"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    with pytest.raises(ModelError, match=r"lacks .*checkpoints, .*none/weights"):
        load_lpips()
    with pytest.raises(ModelError, match="'resnet': accepted: squeeze, alex, vgg"):
        load_lpips("resnet")


def test_without_a_folder_the_shared_data_is_found(
    shared_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, squeeze: LPIPS
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setenv("SUPERRES_SHARED_DATA", str(shared_data))
    torch.testing.assert_close(load_lpips()(*pair()), squeeze(*pair()))


def test_heads_of_another_network_are_refused(shared_data: Path) -> None:
    heads = read_tensors(shared_data / "weights" / "lpips_linear" / "alex.pth")
    with pytest.raises(ModelError, match="the linear heads do not fit"):
        LPIPS(FeatureNetwork(net="squeeze"), heads, "squeeze")
