"""Choosing the challenger, measuring it beside champion and bicubic, and writing the verdict."""

import json
from pathlib import Path

import pytest
from small import SCALE, scene, sharpener, small_params, write_model, write_pack

from superres.checkpoint import Model, load_model, save_model
from superres.config import Params
from superres.data.manifest import data_hash
from superres.errors import ModelError
from superres.models import build
from superres.release import promotion
from superres.release.promotion import Ground, best_of, contest, ground, measure, stage
from superres.release.verdict import Check, Verdict, explain, write_verdict

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
    verdict = contest(stage(trained, tmp_path / "staging"), None, PARAMS, on).verdict
    assert verdict.reasons == ["exported equals torch: found not exported, accepted <= 1"]


@pytest.mark.parametrize(("ahead", "difference"), [(0, 0), (2, None)])
def test_a_network_of_video_needs_no_export_to_be_measured(
    on: Ground, tmp_path: Path, ahead: int, difference: int | None
) -> None:
    network = build("recurrent", scale=SCALE, channels=4, layers=1, ahead=ahead).eval()
    folder = save_model(tmp_path / "memory", network, {"version": "memory-v"})
    staged = stage(folder, tmp_path / "staging")
    found, _ = measure({"memory": staged}, on)["memory"]
    assert (found.kind, found.export_difference) == ("video", None)
    assert found.pieces_difference == difference
    verdict = contest(staged, None, PARAMS, on).verdict
    rules = [reason.partition(":")[0] for reason in verdict.reasons]
    assert "a film in pieces equals whole" not in rules
    assert "exported equals torch" not in rules


def test_figures_are_measured_side_by_side(on: Ground) -> None:
    models = {"challenger": model(0.05), "bicubic": load_model("bicubic", scale=SCALE)}
    found = measure(models, on)
    (one, rows), (base, _) = found["challenger"], found["bicubic"]
    assert [row.image for row in rows] == ["discs/0", "discs/1", "lines/2"]
    assert one.pictures["lines"]["lines/2"]["psnr_y"] == one.scores["lines"]["psnr_y"]
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
    found, _ = measure({"red": model(0.05, red=9)}, on)["red"]
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
    verdict = contest(challenger, champion, params, on).verdict
    broken = {check.rule for check in verdict.checks if not check.passed}
    assert broken == rules | {"exported equals torch"}  # these have no folder
    assert verdict.champion == champion.version


def test_a_model_that_paints_all_red_is_refused(on: Ground) -> None:
    params: Params = small_params("sharp", gate={"min_gain_over_bicubic": -99})
    verdict = contest(model(0.05, red=9), None, params, on).verdict
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


def test_the_last_verdict_of_an_experiment_is_found_by_its_name(tmp_path: Path) -> None:
    for version in ("sharp-1234abcd", "sharp-more-1234abcd"):
        write_verdict(Verdict(version, "old", CHECKS), "refused", tmp_path)
    told = explain(tmp_path, "sharp").splitlines()
    assert told == [
        "sharp-1234abcd: refused",
        "champion before: old",
        "broken:",
        "  tiled equals whole: found 3, accepted <= 1",
        "kept:",
        "  parameters: found 9, accepted <= 10",
    ]


def test_an_adversarial_experiment_is_known_by_its_phases(on: Ground) -> None:
    one = model(0.05)
    one.provenance["configuration"] = {"phases": [{"adversarial": None}, {"adversarial": {}}]}
    other = model(0.05)
    other.provenance["configuration"] = {"phases": [{"adversarial": {"objective": "bce"}}]}
    found = measure({"one": one, "other": other}, on)
    assert [found[name][0].adversarial for name in ("one", "other")] == [False, True]


def test_three_times_too_slow_is_refused(on: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(promotion, "milliseconds", lambda *_: {"challenger": 6.0, "bicubic": 1.0})
    params = small_params("sharp", gate={"max_ms_ratio_to_bicubic": 2.0, "max_colour_shift": 99})
    reasons = contest(model(0.05), None, params, on).verdict.reasons
    assert reasons[0] == "time as a ratio to bicubic: found 6.0 (6.0 ms against 1.0), accepted <= 2"
