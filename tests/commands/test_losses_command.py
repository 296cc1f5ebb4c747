"""`superres losses` tells what can be named, and whether its weights are here."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from superres.__main__ import app
from superres.losses import is_loss
from superres.losses.adversarial import OBJECTIVES
from superres.losses.feature_network import LAYERS, layer_name
from superres.losses.pixel import PIXEL_LOSSES


@pytest.fixture
def listed(shared_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.setenv("SUPERRES_SHARED_DATA", str(shared_data))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    told = CliRunner().invoke(app, ["losses", "--json"])
    assert told.exit_code == 0, told.output
    return {one["name"]: one for one in json.loads(told.stdout)}


def test_every_loss_and_objective_is_listed(listed: dict[str, Any]) -> None:
    losses = {name for name, one in listed.items() if one["kind"] == "loss"}
    assert losses >= set(PIXEL_LOSSES) | {f"{net}_<layer>" for net in LAYERS} | {"lpips"}
    objectives = {name for name, one in listed.items() if one["kind"] == "objective"}
    assert objectives == set(OBJECTIVES)
    for name in losses:
        net = name.removesuffix("_<layer>")
        assert is_loss(name.replace("<layer>", layer_name(net, 1) if net in LAYERS else ""))


def test_it_says_which_weights_are_here(listed: dict[str, Any]) -> None:
    here = {name for name, one in listed.items() if one["weights"] and one["here"]}
    assert here == {"vgg16_<layer>", "squeeze_<layer>", "lpips", "lpips_squeeze"}
    assert listed["vgg16_<layer>"]["located"].endswith("conv2_2.npz (to relu2_2)")
    assert "lpips_linear/squeeze.pth" in listed["lpips"]["located"]
    assert listed["vgg19_<layer>"]["weights"] == "vgg19*"
    assert listed["mse"]["weights"] is None


def test_without_json_it_is_a_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUPERRES_SHARED_DATA", str(tmp_path))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    told = CliRunner().invoke(app, ["losses"])
    assert "Gulrajani" in told.stdout
    assert "lpips_linear/squeeze.pth: not here" in told.stdout
