"""All models of params.yaml under one protocol, into one report."""

import json
from pathlib import Path

import pytest
from small import scene, small_params, write_model, write_pack

from superres.comparison import compare_all, read_curve
from superres.errors import DataError, ModelError

FILES = {
    "evaluation.csv",
    "evaluation.json",
    "evaluation.md",
    "efficiency.json",
    "index.html",
    "plots/quality-against-time.svg",
    "plots/validation.svg",
    "strips/discs-0.png",
    "strips/discs-2.png",
}


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
    assert written == FILES | {"curves/sharp.csv"}
    names = ["nearest", "bilinear", "bicubic", "lanczos", "sharp", "wild"]
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
