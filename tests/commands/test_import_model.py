"""Weights of another project become a model folder like any other."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import typer
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional
from typer.testing import CliRunner, Result

from superres.checkpoint import load_model
from superres.commands.import_model import import_model
from superres.errors import ModelError
from superres.inference import Upscaler
from superres.inference.reach import measured_halo
from superres.models import build

app = typer.Typer(pretty_exceptions_enable=False)
app.command()(import_model)


def run(*words: Any) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


class CompactNet(nn.Module):
    """Real-ESRGAN's SRVGGNetCompact in its own names, one of the architectures spandrel knows."""

    def __init__(self, scale: int) -> None:
        super().__init__()
        steps: list[nn.Module] = [nn.Conv2d(3, 8, 3, padding=1), nn.PReLU(8)]
        for _ in range(2):
            steps += [nn.Conv2d(8, 8, 3, padding=1), nn.PReLU(8)]
        self.body = nn.Sequential(*steps, nn.Conv2d(8, 3 * scale**2, 3, padding=1))
        self.scale = scale

    def forward(self, lr: torch.Tensor) -> torch.Tensor:
        detail = functional.pixel_shuffle(self.body(lr), self.scale)
        return detail + functional.interpolate(lr, scale_factor=self.scale, mode="nearest")


def compact(scale: int = 2) -> nn.Module:
    pytest.importorskip("spandrel")
    torch.manual_seed(0)
    return CompactNet(scale).eval()


def test_a_community_network_becomes_a_model_folder(tmp_path: Path) -> None:
    network = compact()
    torch.save({"params_ema": network.state_dict()}, tmp_path / "real.pth")
    folder = tmp_path / "model"
    result = run(tmp_path / "real.pth", "-o", folder, "--licence", "BSD-3-Clause")
    assert (result.exit_code, result.stdout) == (0, "")
    assert "x2" in result.stderr
    model = load_model(folder)
    assert model.info.scale == 2
    assert model.provenance["licence"] == "BSD-3-Clause"
    assert "BSD-3-Clause" in (folder / "README.md").read_text()
    picture = np.random.default_rng(0).integers(0, 256, (40, 51, 3), np.uint8)
    lr = torch.from_numpy(picture).permute(2, 0, 1)[None].float() / 255
    with torch.inference_mode():
        expected = network(lr)[0].permute(1, 2, 0).clamp(0, 1).mul(255).round().numpy()
    whole = Upscaler(model, tile=0).pixels(picture)
    assert np.abs(whole - expected).max() <= 1
    tiled = Upscaler(model, tile=12).pixels(picture)
    assert np.abs(whole.astype(int) - tiled).max() <= 1


def test_a_licence_that_nobody_stated_is_called_that(tmp_path: Path) -> None:
    save_file(compact(4).state_dict(), str(tmp_path / "real.safetensors"))
    result = run(tmp_path / "real.safetensors", "-o", tmp_path / "model")
    assert result.exit_code == 0
    assert "not stated" in result.stderr
    assert load_model(tmp_path / "model").info.scale == 4


@pytest.mark.parametrize("content", [b"text", b""])
def test_what_is_no_file_of_weights_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.pth").write_bytes(content)
    result = run(tmp_path / "x.pth", "-o", tmp_path / "model")
    assert isinstance(result.exception, ModelError)
    assert not (tmp_path / "model").exists()


def test_a_file_that_would_run_code_is_refused(tmp_path: Path) -> None:
    torch.save({"params": nn.Conv2d(3, 3, 1)}, tmp_path / "x.pth")  # a pickled object
    result = run(tmp_path / "x.pth", "-o", tmp_path / "model")
    assert isinstance(result.exception, ModelError)


def test_weights_of_no_known_architecture_are_refused(tmp_path: Path) -> None:
    pytest.importorskip("spandrel")
    torch.save({"strange.weight": torch.zeros(3, 3)}, tmp_path / "x.pth")
    result = run(tmp_path / "x.pth", "-o", tmp_path / "model")
    assert isinstance(result.exception, ModelError)
    assert "knows no architecture" in str(result.exception)


@pytest.mark.parametrize(("name", "options"), [("srcnn", {}), ("espcn", {}), ("compact", {})])
def test_the_halo_is_measured(name: str, options: dict[str, Any]) -> None:
    torch.manual_seed(0)
    network = build(name, scale=2, **options).eval()
    for parameter in network.parameters():
        nn.init.normal_(parameter, std=0.2)
    halo = measured_halo(network, 2)
    assert 0 < halo <= network.info.halo


def test_a_network_without_its_weights_says_so() -> None:
    empty = build("community", architecture="ESRGAN", scale=4)
    with pytest.raises(ModelError, match="no layers yet"):
        empty(torch.zeros(1, 3, 8, 8))
