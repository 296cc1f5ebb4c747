"""An int8 model: nearly as good as the float one, a folder of its own, the same each time."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from small import SCALE, scene, sharpener, small_params, write_model, write_pack
from typer.testing import CliRunner

from superres import images
from superres.__main__ import app
from superres.checkpoint import load_model, save_model
from superres.errors import ConfigError, DataError, ModelError
from superres.evaluation import evaluate, means, packed_pairs
from superres.images import Picture
from superres.inference import Upscaler
from superres.inference.opening import ExportedModel, open_model
from superres.models import Generator, build
from superres.release.export import export_difference, export_onnx, tiled_difference
from superres.release.int8 import float_layers
from superres.release.promotion import contest, ground, stage
from superres.release.quantisation import _stored, calibration_pairs, quantise


def deep_sharpener() -> Generator:
    """Return the sharpener of small.py with two convolutions in the middle that undo each other."""
    network, plain = build("compact", scale=SCALE, channels=3, layers=3), sharpener(0.05)
    with torch.no_grad():
        for value in network.parameters():
            value.zero_()
        for ours, theirs in ((0, 0), (6, 2)):
            network.body[ours].load_state_dict(plain.body[theirs].state_dict())
        for index in (1, 3, 5):
            network.body[index].weight.fill_(1)
        for channel in range(3):
            for index, factor in ((2, 2.0), (4, 0.5)):  # equal weights would be stored once
                network.body[index].weight[channel, channel, 1, 1] = factor
    return network.eval()


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("training")
    for seed in range(10, 14):
        images.write(folder / f"{seed}.png", Picture(scene(seed)))
    images.write(folder / "too-small.png", Picture(scene(0)[:8]))
    return folder


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_model(tmp_path_factory.mktemp("trained") / "sharp", 0.05)
    facts = json.loads((folder / "model.json").read_text())["provenance"]
    return save_model(folder, deep_sharpener(), facts, "# sharp\n")


@pytest.fixture(scope="module")
def quantised(trained: Path, pictures: Path) -> Path:
    out = trained.with_name("sharp-int8")
    return quantise(load_model(trained), out, pictures, pictures=3).folder


def test_it_costs_next_to_nothing_and_is_evaluated_as_any_model(
    trained: Path, quantised: Path, tmp_path: Path
) -> None:
    pack = write_pack(tmp_path / "pairs", {f"discs/{seed}": scene(seed) for seed in range(3)})
    upscalers = [Upscaler(load_model(folder)) for folder in (trained, quantised)]
    rows = [evaluate("any", one, packed_pairs(pack), SCALE) for one in upscalers]
    before, after = (means(own)["any"]["discs"]["psnr_y"] for own in rows)
    assert abs(before - after) < 0.05
    picture = scene(4)
    assert (upscalers[0].pixels(picture) != upscalers[1].pixels(picture)).any()


def test_weights_that_were_kept_in_half_stay_so(trained: Path) -> None:
    model = load_model(trained)
    told = {**model.provenance, "storage": {"half": True}}
    for one, wanted in ((replace(model, provenance=told), torch.float16), (model, torch.float32)):
        assert {value.dtype for value in _stored(one).parameters()} == {wanted}
    assert {value.dtype for value in model.generator.parameters()} == {torch.float32}


def test_the_folder_says_what_was_done(trained: Path, quantised: Path) -> None:
    model = load_model(quantised)
    facts, how = model.provenance, model.provenance["quantisation"]
    assert model.version.startswith("sharp-v-int8-")
    assert (facts["precision"], facts["quantised_from"]) == ("int8", "sharp-v")
    assert facts["experiment"] == "sharp"
    assert how["pictures"] == ["10", "11", "12"]  # too-small.png is left out
    assert sorted(how["float_layers"]) == ["body.0", "body.2", "body.6", "skip"]
    assert how["psnr_float"] - how["psnr_int8"] < 0.05
    assert len(how["pictures_sha256"]) == 64
    kinds = [node.op_type for node in onnx.load(quantised / "model.onnx").graph.node]
    assert kinds.count("QuantizeLinear") == 1  # the input of one convolution
    card = (quantised / "README.md").read_text()
    assert card.startswith("# sharp-int8, int8\n")
    assert "`sharp-v`" in card
    assert "\n## sharp\n" in card
    assert {file.name for file in quantised.parent.iterdir()} == {"sharp", "sharp-int8"}


def test_the_same_model_and_pictures_give_the_same_folder(
    trained: Path, quantised: Path, pictures: Path, tmp_path: Path
) -> None:
    again = quantise(load_model(trained), tmp_path / "sharp-int8", pictures, pictures=3)
    for name in ("model.onnx", "model.json", "README.md"):
        assert (again.folder / name).read_bytes() == (quantised / name).read_bytes()


def test_only_the_export_computes_and_it_starts_without_the_network(quantised: Path) -> None:
    opened = open_model(str(quantised))
    assert isinstance(opened, ExportedModel)
    light, whole = Upscaler(opened), Upscaler(load_model(quantised), tile=20)
    assert whole.backend.name in ("onnx", "openvino")
    picture = scene(5)
    difference = np.abs(light.pixels(picture).astype(int) - whole.pixels(picture))
    assert difference.max() <= 1
    with pytest.raises(ConfigError, match="int8"):
        Upscaler(load_model(quantised), backend="torch")
    with pytest.raises(ModelError, match=r"its model\.onnx is the model"):
        export_onnx(load_model(quantised), quantised / "model.onnx")


def test_the_gate_takes_it_as_a_model_of_its_own(
    trained: Path, quantised: Path, tmp_path: Path
) -> None:
    params = small_params("sharp")
    pack = write_pack(tmp_path / "pairs", {f"discs/{seed}": scene(seed) for seed in range(3)})
    staged = stage(quantised, tmp_path / "staging")
    assert staged.folder is not None
    assert (staged.folder / "model.onnx").read_bytes() == (quantised / "model.onnx").read_bytes()
    assert export_difference(staged, staged.folder / "model.onnx") <= 1
    assert tiled_difference(staged) <= 1
    champion = load_model(trained)
    verdict = contest(staged, champion, params, ground(params, pack)).verdict
    assert (verdict.challenger, verdict.champion) == (staged.version, "sharp-v")
    broken = [check.rule for check in verdict.checks if not check.passed]
    assert [rule for rule in broken if not rule.startswith(("mean", "time", "memory"))] == []


def test_what_cannot_be_quantised_is_refused_and_nothing_written(
    trained: Path, quantised: Path, pictures: Path, tmp_path: Path
) -> None:
    model, out = load_model(trained), tmp_path / "out"
    empty = tmp_path / "empty"
    empty.mkdir()
    images.write(empty / "small.png", Picture(scene(0)[:8]))
    with pytest.raises(DataError, match="no picture of at least 32 pixels"):
        quantise(model, out, empty)
    with pytest.raises(ConfigError, match="pictures 0"):
        calibration_pairs(pictures, model, 0)
    with pytest.raises(ModelError, match="int8 already"):
        quantise(load_model(quantised), out, pictures)
    with pytest.raises(ModelError, match="baseline"):
        quantise(load_model("bicubic", scale=2), out, pictures)
    with pytest.raises(ConfigError, match="the model itself"):
        quantise(model, trained, pictures)
    with pytest.raises(ModelError, match=r"loses .* dB on the calibration pictures"):
        quantise(model, out, pictures, pictures=1, max_loss=-1.0)
    flat = load_model(write_model(tmp_path / "flat", 0.05))
    with pytest.raises(ModelError, match="nothing to quantise: each of the 3 convolutions"):
        quantise(flat, out, pictures)
    assert not out.exists()


def test_the_layers_that_stay_float_are_those_at_the_ends(tmp_path: Path) -> None:
    network = build("span", scale=2, channels=4, blocks=1).deployed().eval()
    save_model(tmp_path / "span", network, {"version": "span"})
    export = export_onnx(load_model(tmp_path / "span"), tmp_path / "model.onnx")
    kept, count = float_layers(export)
    assert sorted(kept.values()) == ["blocks.0.first", "fuse", "head", "skip", "up.0"]
    assert count == 8


def test_the_command_writes_the_folder_beside_the_model(trained: Path, pictures: Path) -> None:
    told = CliRunner().invoke(
        app, ["quantize", str(trained), "--data", str(pictures), "--pictures", "2", "--json"]
    )
    assert told.exit_code == 0, told.output
    found = json.loads(told.stdout)
    assert Path(found["folder"]) == trained.with_name("sharp-int8")
    assert found["psnr_float"] - found["psnr_int8"] < 0.05
