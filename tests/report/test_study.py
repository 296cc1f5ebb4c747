"""What follows from a comparison: ranking, front, frames over time, Markdown and JSON."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from studies import entry, study

from superres.report.markdown import comparison_markdown, theirs_beside_ours
from superres.report.published import SETS, published, reported
from superres.report.study import Study, write_study


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Study:
    return study(tmp_path_factory.mktemp("study"))


def test_the_ranking_is_by_mean_psnr(made: Study) -> None:
    assert made.ranking == ["sharp", "bicubic"]
    (test,) = made.tests
    assert (test.a, test.b) == ("sharp", "bicubic")
    assert test.gain.mean == pytest.approx(
        made.interval("sharp").mean - made.interval("bicubic").mean
    )
    assert made.summary[0].startswith("sharp has the highest PSNR-Y: ")
    assert made.summary[1].startswith("sharp is better than bicubic: +")


def test_models_below_the_reference_and_undecided_ones_are_named(made: Study) -> None:
    worse = [replace(row, model="worse", psnr_y=row.psnr_y - 3) for row in made.rows[:6]]
    twin = [replace(row, model="twin") for row in made.rows[6:]]
    models = [*made.entries, entry("worse"), entry("twin")]
    told = "\n".join(replace(made, rows=[*made.rows, *worse, *twin], entries=models).summary)
    assert "Below bicubic: worse." in told
    assert "Not told apart from sharp by these pictures: twin." in told


def test_the_front_has_what_no_other_beats_in_both(made: Study) -> None:
    slow = [replace(row, model="slow", psnr_y=row.psnr_y - 0.01) for row in made.rows[6:]]
    models = [*made.entries, entry("slow", ms=9.0)]
    more = replace(made, rows=[*made.rows, *slow], entries=models)
    assert more.front("discs") == ["bicubic", "sharp"]


def test_numbered_frames_are_drawn_over_time(made: Study) -> None:
    assert made.over_time("discs") == {}
    found = made.over_time("clip")
    assert [frame for frame, _ in found["sharp"]] == [7, 8, 9]
    flickering = [replace(row, flicker=0.1 * n) for n, row in enumerate(made.rows)]
    curve = replace(made, rows=flickering).over_time("clip", "flicker")
    assert curve["bicubic"] == [(7, pytest.approx(0.3)), (8, 0.4), (9, 0.5)]


def test_the_study_as_json_has_ground_intervals_and_tests(made: Study, tmp_path: Path) -> None:
    write_study(made, tmp_path / "comparison.json")
    found = json.loads((tmp_path / "comparison.json").read_text())
    assert (found["data_sha256"], found["best"]) == (made.data_sha256, "sharp")
    mean = found["mean_psnr_y"]["sharp"]
    assert mean["low"] < mean["mean"] < mean["high"]
    assert mean["pictures"] == 6
    assert found["tests"][0]["gain"]["mean"] > 0


def test_the_markdown_has_findings_tables_and_pictures(made: Study) -> None:
    text = comparison_markdown(made, [Path("strips/discs-a.png")])
    assert text.startswith("2 pixels shaved\n\n- sharp has the highest")
    assert "| discs | sharp | " in text
    assert "\n- sharp is better than bicubic: " in text
    assert "![discs-a](strips/discs-a.png)" in text
    assert "theirs" not in text  # discs are in no published table


def test_published_numbers_stand_beside_ours_and_are_marked(made: Study) -> None:
    known = {"discs": "set5", "clip": "Set14"}
    renamed = [replace(row, set=known[row.set]) for row in made.rows]
    head, *lines = theirs_beside_ours(replace(made, rows=renamed))
    assert head == ["whose", "model", "Set5 PSNR / SSIM", "Set14 PSNR / SSIM", "source"]
    assert [line[:2] for line in lines[:2]] == [["ours", "bicubic"], ["ours", "sharp"]]
    assert {line[0] for line in lines[2:]} == {"theirs"}
    bicubic = next(line for line in lines[2:] if line[1] == "Bicubic")
    assert bicubic[2:4] == ["33.66 / 0.9299", "30.24 / 0.8688"]
    assert all(line[-1] for line in lines)


def test_every_published_row_has_a_source_and_plausible_figures() -> None:
    for scale in (2, 4):
        rows = published(scale)
        assert len(rows) > 10
        for row in rows:
            assert row.source
            assert row.scores.keys() <= set(SETS)
            for psnr, ssim in row.scores.values():
                assert psnr is None or 20 < psnr < 40
                assert ssim is None or 0.5 < ssim < 1
    rows = [row for row in (*published(2), *published(4)) if "Set5" in row.scores]
    found = {(row.name, row.scale): row.scores["Set5"] for row in rows}
    assert found["Bicubic", 4] == (28.42, 0.8104)
    assert found["EDSR-baseline", 2] == (37.98, 0.9604)


def test_the_reports_figures_are_those_of_the_reports() -> None:
    found = {(one.report, one.name, one.data): one.psnr for one in reported()}
    assert {one.report for one in reported()} == {"R1", "R2", "R4", "R5"}  # R3 gives none
    assert found["R2", "SRGAN, Per-Pix", "Set5"] == 26.57
    assert found["R5", "improved video SRGAN", "RealVSR"] == 25.63
