"""Tables, strips, plots and the page: readable without a network, equal when models are equal."""

import csv
import io
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pytest
from small import SCALE, scene, sharpener, write_pack

from superres import images
from superres.checkpoint import Model
from superres.evaluation import Pair, Row, evaluate, packed_pairs
from superres.inference.upscaler import Upscaler
from superres.report import (
    GAP,
    SHOWN,
    Entry,
    Strip,
    markdown_table,
    plot_curves,
    plot_quality,
    strip,
    table_cells,
    tile_names,
    write_metrics,
    write_rows,
    write_strips,
)
from superres.report_page import Content, write_page

HOSTILE = "<img src=x onerror=alert(1)>&"


def entry(name: str, strength: float = 0.0, **facts: object) -> Entry:
    generator = sharpener(strength)
    upscaler = Upscaler(Model(generator, generator.info))
    return replace(Entry(name, upscaler, 1234, 2.0), **facts)  # type: ignore[arg-type]


@pytest.fixture
def pairs(tmp_path: Path) -> list[Pair]:
    sizes = {
        "discs/a": (60, 80),
        "discs/b": (160, 150),
        "discs/c": (48, 64),
        "clip/000/7": (48, 64),
    }
    pictures = {name: scene(seed, *size) for seed, (name, size) in enumerate(sizes.items())}
    return list(packed_pairs(write_pack(tmp_path / "pack", pictures)))


@pytest.fixture
def entries() -> list[Entry]:
    return [
        entry("bicubic", parameters=0),
        entry("sharp", 0.05, ms=5.0, training_seconds=61.6, source="R0", expected="30 dB"),
    ]


@pytest.fixture
def rows(pairs: list[Pair], entries: list[Entry]) -> list[Row]:
    return [row for one in entries for row in evaluate(one.name, one.upscaler, pairs, SCALE)]


def test_the_csv_has_a_line_per_model_and_picture_and_no_times(
    rows: list[Row], tmp_path: Path
) -> None:
    write_rows(rows, tmp_path / "evaluation.csv")
    lines = list(csv.DictReader(io.StringIO((tmp_path / "evaluation.csv").read_text())))
    assert len(lines) == len(rows) == 8
    assert "seconds" not in lines[0]
    for line, row in zip(lines, rows, strict=True):
        assert (line["model"], line["set"], line["image"]) == (row.model, row.set, row.image)
        assert float(line["psnr_y"]) == pytest.approx(row.psnr_y, abs=1e-6)
        assert float(line["colour_shift"]) == pytest.approx(row.colour_shift, abs=1e-6)


def test_two_evaluations_give_the_same_bytes(
    pairs: list[Pair], entries: list[Entry], tmp_path: Path
) -> None:
    written = []
    for turn in ("one", "two"):
        folder = tmp_path / turn
        found = [row for one in entries for row in evaluate(one.name, one.upscaler, pairs, SCALE)]
        write_rows(found, folder / "evaluation.csv")
        write_metrics(found, folder / "evaluation.json")
        write_strips(pairs, entries, folder / "strips")
        plot_quality(found, entries, folder / "quality.svg")
        plot_curves({"sharp": [(1, 20.0), (2, 21.0)]}, "dB", folder / "curves.svg")
        files = sorted(file for file in folder.rglob("*") if file.is_file())
        written.append({file.relative_to(folder): file.read_bytes() for file in files})
    assert written[0] == written[1]
    assert len(written[0]) == 2 + 3 + 2


def test_the_metrics_file_has_means_by_model_and_set(rows: list[Row], tmp_path: Path) -> None:
    write_metrics(rows, tmp_path / "evaluation.json")
    found = json.loads((tmp_path / "evaluation.json").read_text())
    assert found.keys() == {"bicubic", "sharp"}
    own = [row.psnr_y for row in rows if (row.model, row.set) == ("sharp", "discs")]
    assert found["sharp"]["discs"]["psnr_y"] == pytest.approx(np.mean(own), abs=1e-6)
    assert found["sharp"]["discs"]["psnr_y"] > found["bicubic"]["discs"]["psnr_y"]


def test_the_table_has_every_model_under_every_set(rows: list[Row], entries: list[Entry]) -> None:
    cells = table_cells(rows, entries, "bicubic")
    assert [line[:2] for line in cells] == [
        ["set", "model"],
        ["discs", "bicubic"],
        ["discs", "sharp"],
        ["clip", "bicubic"],
        ["clip", "sharp"],
    ]
    by_title = dict(zip(cells[0], cells[2], strict=True))
    own = [row.psnr_y for row in rows if (row.model, row.set) == ("sharp", "discs")]
    assert by_title["PSNR-Y dB"] == f"{np.mean(own):.2f}"
    assert by_title["parameters"] == "1,234"
    assert by_title["time / bicubic"] == "2.5"
    assert by_title["training s"] == "62"
    assert cells[1][-1] == ""


def test_the_markdown_table_has_as_many_cells_in_every_line(
    rows: list[Row], entries: list[Entry]
) -> None:
    cells = table_cells(rows, entries, "bicubic")
    lines = markdown_table(cells).splitlines()
    assert len(lines) == 1 + len(cells)
    assert re.fullmatch(r"\|(-+:?\|)+", lines[1])
    assert {line.count("|") for line in lines} == {len(cells[0]) + 1}
    assert lines[2].startswith("| discs | bicubic | ")


def test_a_strip_is_lr_then_each_model_then_hr(pairs: list[Pair], entries: list[Entry]) -> None:
    (large,) = (pair for pair in pairs if pair.image == "discs/b")
    pixels = strip(large, entries)
    assert pixels.shape == (SHOWN, 4 * SHOWN + 3 * GAP, 3)
    tiles = [pixels[:, place * (SHOWN + GAP) :][:, :SHOWN] for place in range(4)]
    np.testing.assert_array_equal(tiles[0][::2, ::2], tiles[0][1::2, 1::2])  # LR pixels are squares
    places = [
        (top, left)
        for top in range(0, 160 - SHOWN + 1, SCALE)
        for left in range(0, 150 - SHOWN + 1, SCALE)
        if np.array_equal(large.hr.pixels[top : top + SHOWN, left : left + SHOWN], tiles[3])
    ]
    ((top, left),) = places
    for tile, one in zip(tiles[1:3], entries, strict=True):
        sr = one.upscaler.image(large.lr).pixels
        np.testing.assert_array_equal(tile, sr[top : top + SHOWN, left : left + SHOWN])
    assert (pixels[:, SHOWN : SHOWN + GAP] == 255).all()


def test_a_strip_shows_the_busiest_square(entries: list[Entry]) -> None:
    hr = np.full((300, 300, 3), 90, np.uint8)
    hr[200:260, 180:240] = scene(0, 60, 60)
    pictures = images.Picture(hr[::2, ::2].copy()), images.Picture(hr)
    shown = strip(Pair("s", "s/i", *pictures), entries)
    assert shown[:, -SHOWN:].std() > 5


def test_a_small_picture_is_shown_whole(pairs: list[Pair], entries: list[Entry]) -> None:
    assert strip(pairs[0], entries).shape == (60, 4 * 60 + 3 * GAP, 3)


def test_strips_are_of_pictures_apart_in_each_set(
    pairs: list[Pair], entries: list[Entry], tmp_path: Path
) -> None:
    strips = write_strips(pairs, entries, tmp_path, per_set=2)
    assert [one.file.name for one in strips] == ["discs-a.png", "discs-c.png", "clip-000-7.png"]
    assert [one.title for one in strips] == ["discs: a", "discs: c", "clip: 000/7"]
    for one in strips:
        assert images.read(one.file).width == one.width
    counts = {per_set: len(write_strips(pairs, entries, tmp_path, per_set)) for per_set in (1, 3)}
    assert counts == {1: 2, 3: 4}


def test_the_names_above_a_strip_are_as_many_as_its_tiles(entries: list[Entry]) -> None:
    assert tile_names(entries) == ["LR", "bicubic", "sharp", "HR"]


def test_plots_name_every_model_and_set(
    rows: list[Row], entries: list[Entry], tmp_path: Path
) -> None:
    plot_quality(rows, entries, tmp_path / "quality.svg")
    drawn = (tmp_path / "quality.svg").read_text()
    for name in ("bicubic", "sharp", "discs", "clip", "PSNR-Y, dB"):
        assert f">{name}<" in drawn
    plot_curves({"sharp": [(1, 20.0)], "none yet": []}, "PSNR, dB", tmp_path / "curves.svg")
    drawn = (tmp_path / "curves.svg").read_text()
    assert ">sharp<" in drawn
    assert ">none yet<" not in drawn
    plot_curves({"none yet": []}, "PSNR, dB", tmp_path / "empty.svg")
    assert (tmp_path / "empty.svg").is_file()


class Reader(HTMLParser):
    """Collects what a browser would act on."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.handlers: list[str] = []
        self.spans: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value or "" for name, value in attrs if name in ("src", "href")]
        self.handlers += [name for name, _ in attrs if name.startswith("on")]
        if tag not in ("img", "meta"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "span":
            self.spans.append(data)


def page(folder: Path, content: Content) -> tuple[str, Reader]:
    write_page(folder, content)
    text = (folder / "index.html").read_text()
    reader = Reader()
    reader.feed(text)
    assert reader.open == []
    return text, reader


def test_the_page_shows_all_and_loads_nothing_from_elsewhere(
    rows: list[Row], pairs: list[Pair], entries: list[Entry], tmp_path: Path
) -> None:
    strips = write_strips(pairs, entries, tmp_path / "strips")
    plots = [tmp_path / "plots" / "quality-against-time.svg"]
    plot_quality(rows, entries, plots[0])
    cells = table_cells(rows, entries, "bicubic")
    text, reader = page(tmp_path, Content(cells, entries, strips, plots, "2 pixels shaved"))
    assert sorted(tmp_path / link for link in reader.links) == sorted(
        [strip.file for strip in strips] + plots
    )
    assert "http" not in text
    assert "url(" not in text
    assert "@import" not in text
    assert not {"script", "link", "iframe", "object"} & set(reader.tags)
    assert reader.spans == ["LR", "bicubic", "sharp", "HR"] * len(strips)
    assert reader.tags.count("tr") == len(cells)
    assert "2 pixels shaved" in text
    assert "30 dB" in text
    assert f"Evaluation x{SCALE}" in text


def test_names_are_escaped(tmp_path: Path) -> None:
    one = entry(HOSTILE, source=HOSTILE, expected=HOSTILE)
    file = tmp_path / "strips" / 'a b#"&?.png'
    content = Content([["set", "model"], [HOSTILE] * 2], [one], [Strip(file, HOSTILE, 9)], [], "{}")
    text, reader = page(tmp_path, content)
    assert HOSTILE not in text
    assert reader.handlers == []
    assert reader.tags.count("img") == 1
    assert reader.spans == ["LR", HOSTILE, "HR"]
    (link,) = reader.links
    assert not set('#?" ') & set(link)
    assert unquote(link) == 'strips/a b#"&?.png'


def test_without_expectations_their_heading_is_left_out(tmp_path: Path) -> None:
    text, _ = page(tmp_path, Content([["set", "model"]], [entry("a")], [], [], "p"))
    assert "What the sources measured" not in text
