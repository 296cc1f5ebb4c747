"""Accepted data is compared with what comes later; a data set that shifted is named."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import typer
from packs import pairs, picture, write_pack
from typer.testing import CliRunner

from superres.data.drift import accept, check_drift, statistics_of
from superres.data.manifest import Row, read_manifest
from superres.data.pairs import build_folder
from superres.data.prepare import PairOptions
from superres.errors import DataError
from superres.images import Picture, encode


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> list[Row]:
    """Two data sets of 60 pictures with some spread."""
    random = np.random.default_rng(1)
    folder = write_pack(tmp_path_factory.mktemp("p"), 2, {"train": pairs(2, picture(32, 48))})
    (row,) = read_manifest(folder)
    return [
        replace(
            row,
            id=f"{source}/{number}",
            source=source,
            split="train" if number % 5 else "test",
            mean=float(random.normal(110, 20)),
            contrast=float(random.normal(50, 8)),
            height=int(random.integers(200, 400)),
        )
        for source in ("bsds", "urban")
        for number in range(60)
    ]


@pytest.fixture
def accepted(tmp_path: Path, rows: list[Row]) -> Path:
    accept(tmp_path / "accepted.json", rows, "0" * 64)
    return tmp_path / "accepted.json"


def found(accepted: Path, rows: list[Row]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    drift, counts = check_drift(accepted, rows)
    assert (drift.severity, counts.severity) == ("critical", "warning")
    return drift.failing, counts.failing


def test_without_accepted_data_there_is_nothing_to_compare(tmp_path: Path, rows: list[Row]) -> None:
    assert check_drift(tmp_path / "accepted.json", rows) == []


def test_the_same_data_has_not_drifted(accepted: Path, rows: list[Row]) -> None:
    assert found(accepted, rows) == ((), ())


def test_another_draw_of_the_same_kind_is_no_drift(accepted: Path, rows: list[Row]) -> None:
    random = np.random.default_rng(2)
    again = [
        replace(row, mean=float(random.normal(110, 20)), contrast=float(random.normal(50, 8)))
        for row in rows
    ]
    assert found(accepted, again) == ((), ())


@pytest.mark.parametrize(
    ("measure", "change"),
    [
        ("mean", lambda row: replace(row, mean=row.mean + 30)),
        ("contrast", lambda row: replace(row, contrast=row.contrast / 2)),
        ("size", lambda row: replace(row, height=row.height // 2, width=row.width // 2)),
    ],
)
def test_a_shifted_data_set_is_named_and_the_other_is_not(
    measure: str, change: object, accepted: Path, rows: list[Row]
) -> None:
    assert callable(change)
    shifted = [change(row) if row.source == "urban" else row for row in rows]
    (line,) = found(accepted, shifted)[0]
    assert line.startswith(f"urban: {measure} ")
    assert " -> " in line


def test_new_lost_and_resized_data_sets_are_a_warning(accepted: Path, rows: list[Row]) -> None:
    bsds = [row for row in rows if row.source == "bsds"]
    fewer = [row for row in bsds if row.split == "train"]
    new = [replace(row, source="phone") for row in bsds]
    drift, counts = found(accepted, fewer + new)
    assert drift == ()
    assert counts == ("urban: not there any more", "phone: new", "bsds: test 12 -> 0 pairs")


def test_the_statistics_are_the_same_for_the_same_data(rows: list[Row]) -> None:
    assert statistics_of(rows) == statistics_of(rows[::-1])
    assert statistics_of(rows)["bsds"]["pairs"] == {"train": 48, "val": 0, "test": 12}


def test_a_damaged_file_is_an_error_with_a_cure(accepted: Path, rows: list[Row]) -> None:
    for content in ("{", "[]", '{"sources": {"bsds": {}}}'):
        accepted.write_text(content)
        with pytest.raises(
            DataError, match=r"accepted\.json: damaged .*Delete it, then .*--accept"
        ):
            check_drift(accepted, rows)


def command(folder: Path, *options: str) -> tuple[int, str]:
    from superres.commands.validate import validate

    app = typer.Typer()
    app.command()(validate)
    report = folder.parent / "reports/validation.html"
    done = CliRunner().invoke(app, [f"--pairs={folder}", f"--report={report}", *options])
    assert not done.exception or isinstance(done.exception, SystemExit)
    return done.exit_code, done.stderr


def test_accepting_then_shifting_stops_the_stage_until_it_is_accepted_again(tmp_path: Path) -> None:
    pytest.importorskip("great_expectations")

    def write(brighter: int) -> Path:
        album = tmp_path / "album"
        album.mkdir(exist_ok=True)
        for k in range(12):
            pixels = picture(64, 96, k) // 2 + brighter
            (album / f"{k}.png").write_bytes(encode(Picture(pixels.astype(np.uint8))))
        build_folder(album, tmp_path / "data/pairs", PairOptions(scale=2, min_side=16))
        return tmp_path / "data/pairs"

    kept = tmp_path / "data/accepted.json"
    folder = write(0)
    code, words = command(folder, "--accept")
    assert (code, kept.exists()) == (0, True), words
    assert command(folder)[0] == 0
    code, words = command(write(90))
    assert code == 1
    assert "album: mean " in words
    before = json.loads(kept.read_text())
    assert command(folder, "--accept")[0] == 0
    assert json.loads(kept.read_text()) != before
    assert command(folder)[0] == 0
    (folder / "train-00000.hr.u8").write_bytes(b"")
    before = json.loads(kept.read_text())
    assert command(folder, "--accept")[0] == 1, "what fails otherwise is not accepted"
    assert json.loads(kept.read_text()) == before
