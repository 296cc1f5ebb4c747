"""All models of params.yaml under one protocol, into one report."""

import json
from pathlib import Path

import pytest
from small import scene, small_params, write_model, write_pack

from superres.comparison import (
    compare,
    compare_all,
    open_models,
    read_curve,
)
from superres.data.manifest import data_hash
from superres.errors import DataError, ModelError
from superres.images import Picture, write
from superres.models import BASELINES
from superres.report.ground import folder_ground, packed_ground

FILES = {
    "evaluation.csv",
    "evaluation.json",
    "evaluation.md",
    "comparison.json",
    "efficiency.json",
    "index.html",
    "plots/quality-against-time.svg",
    "plots/validation.svg",
}
STRIPS = {f"strips/discs-{seed}.png" for seed in range(3)}


@pytest.fixture
def pack(tmp_path: Path) -> Path:
    return write_pack(tmp_path / "pairs", {f"discs/{seed}": scene(seed) for seed in range(3)})


def test_the_report_has_every_baseline_and_experiment(pack: Path, tmp_path: Path) -> None:
    models, report = tmp_path / "models", tmp_path / "reports"
    for name, strength in (("sharp", 0.05), ("wild", 0.2)):
        write_model(models / name, strength)
    (report / "curves").mkdir(parents=True)
    (report / "curves" / "sharp.csv").write_text("step,val_psnr\n1,\n2,30.5\n4,31.5\n")
    table = compare_all(small_params("sharp", "wild"), pack, report, models)

    written = {file.relative_to(report).as_posix() for file in report.rglob("*.*")}
    strips = written & STRIPS
    assert len(strips) == 2
    assert written == FILES | strips | {"curves/sharp.csv"}
    names = [*BASELINES, "sharp", "wild"]
    assert [line.split(" | ")[1] for line in table.splitlines()[2:]] == names
    assert table in (report / "evaluation.md").read_text()
    scores = json.loads((report / "evaluation.json").read_text())
    assert list(scores) == sorted(names)
    psnr = {name: scores[name]["discs"]["psnr_y"] for name in names}
    assert psnr["sharp"] > psnr["bicubic"] > psnr["wild"]
    efficiency = json.loads((report / "efficiency.json").read_text())
    assert list(efficiency) == names
    assert efficiency["bicubic"]["ratio_to_bicubic"] == 1
    assert efficiency["sharp"]["training_seconds"] == 12
    assert efficiency["sharp"]["parameters"] > 0
    study = json.loads((report / "comparison.json").read_text())
    assert study["data_sha256"] == data_hash(pack)
    assert study["best"] == max(psnr, key=lambda name: psnr[name])
    page = (report / "index.html").read_text()
    assert "30 dB &amp; &lt;more&gt;" in page
    assert "R0 &lt;sharpener&gt; &amp; more" in page
    assert ">sharp<" in (report / "plots" / "validation.svg").read_text()


def test_the_shave_of_params_is_used_and_told(pack: Path, tmp_path: Path) -> None:
    write_model(tmp_path / "models" / "sharp", 0.05)
    said = {}
    for shave in (None, 8):
        params = small_params("sharp", evaluation={"repeats": 1, "shave": shave})
        report = tmp_path / str(shave)
        compare_all(params, pack, report, tmp_path / "models")
        said[shave] = (report / "evaluation.md").read_text()
    assert "2 pixels shaved" in said[None]
    assert "8 pixels shaved" in said[8]
    assert said[None].partition("\n")[2] != said[8].partition("\n")[2]


def test_a_pack_without_test_pictures_is_refused(tmp_path: Path) -> None:
    pack = write_pack(tmp_path / "pairs", {"discs/0": scene(0)}, split="train")
    with pytest.raises(DataError, match="'test' is empty"):
        compare_all(small_params(), pack, tmp_path, tmp_path)


def test_an_experiment_that_was_not_trained_is_named(pack: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="sharp"):
        compare_all(small_params("sharp"), pack, tmp_path, tmp_path / "models")


def test_a_model_of_another_scale_is_named(pack: Path, tmp_path: Path) -> None:
    write_model(tmp_path / "models" / "sharp", 0.05, scale=4)
    with pytest.raises(DataError, match="'sharp' is for scale 4"):
        compare_all(small_params("sharp"), pack, tmp_path / "reports", tmp_path / "models")


def test_a_run_without_a_curve_has_no_points(tmp_path: Path) -> None:
    assert read_curve(tmp_path / "gone.csv") == []


def test_models_are_opened_by_folder_run_and_baseline_beside_bicubic(tmp_path: Path) -> None:
    sharp = write_model(tmp_path / "models" / "sharp", 0.05)
    twin = write_model(tmp_path / "other" / "sharp", 0.1)
    run = tmp_path / "runs" / "third"
    run.mkdir(parents=True)
    write_model(tmp_path / "models" / "third", 0.1)
    journal = [{"kind": "start"}, {"kind": "finish", "model": "../../models/third"}]
    (run / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in journal))
    found = open_models([str(sharp), str(twin), str(run), "lanczos"], 2)
    assert list(found) == ["bicubic", "sharp", "sharp (sharp-v)", "third", "lanczos"]
    assert found["third"].version == "third-v"


def test_a_run_that_left_no_model_is_named(tmp_path: Path) -> None:
    (tmp_path / "log.jsonl").write_text('{"kind": "start"}\n')
    with pytest.raises(ModelError, match="this run has left no model"):
        open_models([str(tmp_path)], 2)


def test_models_of_different_scales_are_named(tmp_path: Path) -> None:
    four = write_model(tmp_path / "four", 0.05, scale=4)
    with pytest.raises(ModelError, match="bicubic x2, four x4"):
        open_models([str(four)], 2)


def test_one_set_of_the_pack_is_compared(tmp_path: Path) -> None:
    pictures = {"discs/0": scene(0), "lines/0": scene(1)}
    pack = write_pack(tmp_path / "pairs", pictures)
    on = packed_ground(small_params(), pack, tmp_path, "lines")
    assert [pair.image for pair in on.pairs] == ["lines/0"]
    with pytest.raises(DataError, match=r"'x' is not in .*accepted: test, discs, lines"):
        packed_ground(small_params(), pack, tmp_path, "x")


def test_a_folder_is_compared_under_the_protocol_of_params(tmp_path: Path) -> None:
    write_model(tmp_path / "sharp", 0.05)
    for seed in range(2):
        (tmp_path / "mine").mkdir(exist_ok=True)
        write(tmp_path / "mine" / f"{seed}.png", Picture(scene(seed)))
    params = small_params(evaluation={"repeats": 1, "self_ensemble": True, "metrics": ["niqe"]})
    on = folder_ground(params, (tmp_path / "mine", None), 2, tmp_path)
    found = compare(open_models([str(tmp_path / "sharp")], 2), on)
    assert found.sets == ["mine"]
    assert "the mean of eight turned and mirrored results" in found.protocol
    assert len(found.data_sha256) == 64
    assert found.ranking[0] == "sharp"
    assert all(row.lpips is None for row in found.rows)
    write(tmp_path / "mine" / "1.png", Picture(scene(7)))
    other = folder_ground(params, (tmp_path / "mine", None), 2, tmp_path)
    assert other.data_sha256 != on.data_sha256
