"""Choosing the challenger, measuring it beside champion and bicubic, and writing the verdict."""

import json
from pathlib import Path

import pytest
from small import SCALE, scene, sharpener, small_params, write_model, write_pack

from superres.checkpoint import Model, load_model
from superres.config import Params
from superres.data.manifest import data_hash
from superres.errors import ModelError
from superres.release import promotion
from superres.release.gate import TIME, Check, Verdict
from superres.release.promotion import (
    Ground,
    add_to_card,
    best_of,
    contest,
    ground,
    measure,
    stage,
    write_verdict,
)

PARAMS = small_params("sharp")


@pytest.fixture(scope="module")
def on(tmp_path_factory: pytest.TempPathFactory) -> Ground:
    pictures = {"discs/0": scene(0), "discs/1": scene(1), "lines/2": scene(2)}
    return ground(PARAMS, write_pack(tmp_path_factory.mktemp("data") / "pairs", pictures))


def model(strength: float, red: float = 0.0) -> Model:
    generator = sharpener(strength)
    generator.body[2].bias.data[: SCALE**2] = red / 255
    return Model(generator, generator.info, {"version": f"sharp-{strength}"})


def test_the_ground_is_the_test_split_under_the_protocol_of_params(tmp_path: Path) -> None:
    pack = write_pack(tmp_path / "pairs", {"discs/0": scene(0)})
    found = ground(PARAMS, pack)
    assert [pair.image for pair in found.pairs] == ["discs/0"]
    assert found.data_sha256 == data_hash(pack)
    assert (found.shave, found.protocol) == (SCALE, "y-shave2-uint8")
    unshaved = small_params(evaluation={"shave": 0, "repeats": 2})
    assert ground(unshaved, pack).protocol == "y-shave0-uint8"
    assert ground(unshaved, pack).repeats == 2


def test_a_pack_without_test_pictures_judges_nobody(tmp_path: Path) -> None:
    pack = write_pack(tmp_path / "pairs", {"discs/0": scene(0)}, split="val")
    with pytest.raises(ModelError, match="'test' is empty"):
        ground(PARAMS, pack)


def test_the_best_experiment_has_the_highest_psnr_over_all_sets() -> None:
    scores = {
        "bicubic": {"x": {"psnr_y": 99.0}},
        "a": {"x": {"psnr_y": 30.0}, "y": {"psnr_y": 20.0}},
        "b": {"x": {"psnr_y": 28.0}, "y": {"psnr_y": 24.0}},
        "gone": {"x": {"psnr_y": 50.0}},
    }
    assert best_of(scores, ["a", "b", "new"]) == "b"
    with pytest.raises(ModelError, match=r"new.*superres evaluate"):
        best_of(scores, ["new"])


def test_a_staged_model_has_its_own_export(tmp_path: Path) -> None:
    trained = write_model(tmp_path / "sharp", 0.05)
    (trained / "model.onnx").write_bytes(b"of an earlier training")
    staged = stage(trained, tmp_path / "staging")
    assert staged.version == "sharp-v"
    assert staged.folder == tmp_path / "staging"
    names = {file.name for file in staged.folder.iterdir()}
    assert names == {"model.safetensors", "model.json", "README.md", "model.onnx"}
    assert promotion.export_difference(staged, staged.folder / "model.onnx") <= 1
    assert (trained / "model.onnx").read_bytes() == b"of an earlier training"


def test_a_model_that_cannot_be_exported_is_refused_by_the_gate(
    on: Ground, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(model: Model, path: Path) -> Path:
        raise ModelError("sharp-v cannot be exported")

    trained = write_model(tmp_path / "sharp", 0.05)
    (trained / "model.onnx").write_bytes(b"of an earlier training")
    monkeypatch.setattr(promotion, "export_onnx", fail)
    verdict = contest(stage(trained, tmp_path / "staging"), None, PARAMS, on)
    assert verdict.reasons == ["exported equals torch: found not exported, accepted <= 1"]


def test_figures_are_measured_side_by_side(on: Ground) -> None:
    models = {"challenger": model(0.05), "bicubic": load_model("bicubic", scale=SCALE)}
    found = measure(models, on)
    one, base = found["challenger"], found["bicubic"]
    assert one.version == "sharp-0.05"
    assert one.data_sha256 == base.data_sha256 == on.data_sha256
    assert one.protocol == base.protocol == on.protocol
    assert one.scores.keys() == base.scores.keys() == {"discs", "lines"}
    for name in ("discs", "lines"):
        assert one.scores[name]["psnr_y"] > base.scores[name]["psnr_y"] + 0.1
    assert base.parameters == 0 < one.parameters
    assert base.ms > 0 < one.ms
    assert one.tiled_difference <= 1
    assert one.export_difference is None


def test_the_colour_shift_is_that_of_the_worst_picture(on: Ground) -> None:
    found = measure({"red": model(0.05, red=9)}, on)["red"]
    means = [row["colour_shift"] for row in found.scores.values()]
    assert found.colour_shift >= max(means)
    assert found.colour_shift == pytest.approx(9, abs=1)


@pytest.mark.parametrize(
    ("challenger", "champion", "rules"),
    [
        (model(0.05), model(0.015), set()),
        (model(0.015), model(0.05), {"mean PSNR-Y above the champion"}),
        (
            model(0.2),
            model(0.05),
            {
                "PSNR-Y above bicubic on discs",
                "PSNR-Y above bicubic on lines",
                "mean PSNR-Y above the champion",
            },
        ),
    ],
)
def test_the_contest_is_judged_on_what_the_models_make(
    on: Ground, challenger: Model, champion: Model, rules: set[str]
) -> None:
    params = small_params(gate={"max_colour_shift": 99})
    verdict = contest(challenger, champion, params, on)
    broken = {check.rule for check in verdict.checks if not check.passed}
    assert broken == rules | {"exported equals torch"}  # these have no folder
    assert verdict.champion == champion.version


def test_a_model_that_paints_all_red_is_refused(on: Ground) -> None:
    params: Params = small_params("sharp", gate={"min_gain_over_bicubic": -99})
    verdict = contest(model(0.05, red=9), None, params, on)
    broken = {check.rule for check in verdict.checks if not check.passed}
    assert broken == {"colour shift against LR, worst picture", "exported equals torch"}


CHECKS = (Check("parameters", True, "9", "<= 10"), Check("tiled equals whole", False, "3", "<= 1"))


def test_the_verdict_is_written_for_programs_and_people(tmp_path: Path) -> None:
    verdict = Verdict("new", None, CHECKS, {"discs": {"psnr_y": 30.0}})
    write_verdict(verdict, "refused", tmp_path / "reports")
    content = json.loads((tmp_path / "reports" / "promotion.json").read_text())
    assert (content["challenger"], content["champion"]) == ("new", None)
    assert (content["outcome"], content["passed"]) == ("refused", False)
    assert content["scores"] == {"discs": {"psnr_y": 30.0}}
    assert [check["passed"] for check in content["checks"]] == [True, False]
    text = (tmp_path / "reports" / "promotion.md").read_text()
    assert text.startswith("# new: refused\n")
    assert "Champion before: none." in text
    assert "| parameters | 9 | <= 10 | kept |" in text
    assert "| tiled equals whole | 3 | <= 1 | **broken** |" in text


def test_the_card_keeps_its_text_and_gains_the_rules(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("# sharp\n")
    time = Check(TIME, True, "1.5 (3.0 ms against 2.0)", "<= 10")
    add_to_card(tmp_path, Verdict("new", None, (time, *CHECKS)))
    text = (tmp_path / "README.md").read_text()
    assert text.startswith("# sharp\n")
    assert "| parameters | 9 | <= 10 |" in text
    assert "3.0 ms" not in text  # else the same model would have another card each time
