"""CSV, metrics file and table cells: every picture, every set, equal when models are equal."""

import csv
import io
import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from studies import entries, pairs, rows

from superres.evaluation import Row
from superres.report.measures import measured
from superres.report.plots import plot_curves, plot_quality
from superres.report.tables import markdown_table, table_cells, write_metrics, write_rows


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> list[Row]:
    return rows(pairs(tmp_path_factory.mktemp("data") / "pack"), entries())


def test_the_csv_has_a_line_per_model_and_picture_and_no_times(
    found: list[Row], tmp_path: Path
) -> None:
    write_rows([replace(found[0], lpips=0.25), *found[1:]], tmp_path / "evaluation.csv")
    lines = list(csv.DictReader(io.StringIO((tmp_path / "evaluation.csv").read_text())))
    assert len(lines) == len(found) == 12
    assert "seconds" not in lines[0]
    assert [line["lpips"] for line in lines[:2]] == ["0.250000", ""]
    for line, row in zip(lines, found, strict=True):
        assert (line["model"], line["set"], line["image"]) == (row.model, row.set, row.image)
        assert float(line["psnr_y"]) == pytest.approx(row.psnr_y, abs=1e-6)


def test_two_evaluations_give_the_same_bytes(tmp_path: Path) -> None:
    written = []
    for turn in ("one", "two"):
        folder = tmp_path / turn
        own = rows(pairs(tmp_path / f"pack-{turn}"), entries())
        write_rows(own, folder / "evaluation.csv")
        write_metrics(own, folder / "evaluation.json")
        plot_quality(own, entries(), folder / "quality.svg")
        plot_curves({"sharp": [(1, 20.0), (2, 21.0)]}, "dB", folder / "curves.svg")
        written.append({file.name: file.read_bytes() for file in folder.iterdir()})
    assert written[0] == written[1]
    assert len(written[0]) == 4


def test_the_metrics_file_has_means_by_model_and_set(found: list[Row], tmp_path: Path) -> None:
    write_metrics(found, tmp_path / "evaluation.json")
    content = json.loads((tmp_path / "evaluation.json").read_text())
    assert content.keys() == {"bicubic", "sharp"}
    own = [row.psnr_y for row in found if (row.model, row.set) == ("sharp", "discs")]
    assert content["sharp"]["discs"]["psnr_y"] == pytest.approx(np.mean(own), abs=1e-6)
    assert content["sharp"]["discs"]["psnr_y"] > content["bicubic"]["discs"]["psnr_y"]


def test_an_infinite_mean_is_null_in_the_metrics_file(found: list[Row], tmp_path: Path) -> None:
    write_metrics([replace(found[0], psnr_y=float("inf"))], tmp_path / "m.json")
    text = (tmp_path / "m.json").read_text()
    assert json.loads(text, parse_constant=pytest.fail)["bicubic"]["discs"]["psnr_y"] is None


def test_the_table_has_every_model_under_every_set(found: list[Row]) -> None:
    cells = table_cells(found, entries(), "bicubic")
    assert [line[:2] for line in cells] == [
        ["set", "model"],
        ["discs", "bicubic"],
        ["discs", "sharp"],
        ["clip", "bicubic"],
        ["clip", "sharp"],
    ]
    by_title = dict(zip(cells[0], cells[2], strict=True))
    own = [row.psnr_y for row in found if (row.model, row.set) == ("sharp", "discs")]
    assert by_title["PSNR-Y dB"] == f"{np.mean(own):.2f}"
    assert by_title["parameters"] == "1,234"
    assert by_title["time / bicubic"] == "2.5"
    assert by_title["training s"] == "62"
    assert cells[1][-1] == ""
    assert "LPIPS" not in cells[0]


def test_what_was_measured_on_some_pictures_gets_a_column(found: list[Row]) -> None:
    some = [replace(found[0], lpips=0.2), replace(found[1], lpips=0.4), *found[2:]]
    cells = table_cells(some, entries(), "bicubic")
    place = cells[0].index("LPIPS")
    assert [line[place] for line in cells[1:]] == ["0.3000", "", "", ""]
    assert "lpips" in [one.key for one in measured(some)]


def test_the_markdown_table_has_as_many_cells_in_every_line(found: list[Row]) -> None:
    cells = table_cells(found, entries(), "bicubic")
    lines = markdown_table(cells).splitlines()
    assert len(lines) == 1 + len(cells)
    assert re.fullmatch(r"\|(-+:?\|)+", lines[1])
    assert {line.count("|") for line in lines} == {len(cells[0]) + 1}
    assert markdown_table([["set"], ["a|b"]], left=1).splitlines()[2] == "| a/b |"


def test_plots_name_every_model_and_set(found: list[Row], tmp_path: Path) -> None:
    plot_quality(found, entries(), tmp_path / "quality.svg")
    drawn = (tmp_path / "quality.svg").read_text()
    for name in ("bicubic", "sharp", "discs", "clip", "PSNR-Y, dB"):
        assert f">{name}<" in drawn
    plot_curves({"sharp": [(1, 20.0)], "none yet": []}, "PSNR, dB", tmp_path / "curves.svg")
    drawn = (tmp_path / "curves.svg").read_text()
    assert ">sharp<" in drawn
    assert ">none yet<" not in drawn
    plot_curves({"none yet": []}, "PSNR, dB", tmp_path / "empty.svg")
    assert (tmp_path / "empty.svg").is_file()
