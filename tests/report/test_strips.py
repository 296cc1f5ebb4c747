"""Pictures side by side: the right squares, in the right order, of the pictures that matter."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from small import SCALE, scene
from studies import entries, entry, pairs, rows

from superres import images
from superres.data.degrade import degrade
from superres.evaluation import Pair
from superres.report.strips import GAP, SHOWN, chosen, strip, write_strips


@pytest.fixture(scope="module")
def on(tmp_path_factory: pytest.TempPathFactory) -> list[Pair]:
    return pairs(tmp_path_factory.mktemp("data") / "pack")


def test_a_strip_is_lr_then_each_model_then_hr(on: list[Pair]) -> None:
    large = next(pair for pair in on if pair.image == "discs/b")
    models = entries()
    found = strip(large, models)
    assert [tile.name for tile in found.tiles] == ["LR", "bicubic", "sharp", "HR"]
    tiles = [tile.pixels for tile in found.tiles]
    assert {tile.shape for tile in tiles} == {(SHOWN, SHOWN, 3)}
    np.testing.assert_array_equal(tiles[0][::2, ::2], tiles[0][1::2, 1::2])  # LR pixels are squares
    left, top = round(found.box[0] * 150), round(found.box[1] * 160)
    square = (slice(top, top + SHOWN), slice(left, left + SHOWN))
    np.testing.assert_array_equal(tiles[3], large.hr.pixels[square])
    for tile, one in zip(tiles[1:3], models, strict=True):
        np.testing.assert_array_equal(tile, one.upscaler.image(large.lr).pixels[square])
    mse = np.mean((tiles[2].astype(float) - tiles[3]) ** 2)
    assert found.tiles[2].psnr == pytest.approx(10 * np.log10(255**2 / mse))
    assert found.joined.shape == (SHOWN, 4 * SHOWN + 3 * GAP, 3)
    assert (found.joined[:, SHOWN : SHOWN + GAP] == 255).all()


def test_the_square_is_where_the_models_differ() -> None:
    """Flat but for one place: bicubic and the sharpener are equal everywhere else."""
    hr = np.full((300, 300, 3), 90, np.uint8)
    hr[200:260, 180:240] = scene(0, 60, 60)
    pair = Pair("s", "s/i", images.Picture(degrade(hr, SCALE)), images.Picture(hr))
    left, top, width, height = (300 * share for share in strip(pair, entries()).box)
    assert (left <= 180, left + width >= 240) == (True, True)
    assert (top <= 200, top + height >= 260) == (True, True)


def test_equal_models_are_shown_where_they_differ_from_hr() -> None:
    hr = np.full((300, 300, 3), 90, np.uint8)
    hr[10:60, 210:260] = scene(0, 50, 50)
    pair = Pair("s", "s/i", images.Picture(degrade(hr, SCALE)), images.Picture(hr))
    left, top, *_ = (300 * share for share in strip(pair, [entry("a"), entry("b")]).box)
    assert (left > 100, top < 60) == (True, True)


def test_a_failure_is_where_the_model_is_furthest_from_hr() -> None:
    """The two differ at the soft place; the hard one is as wrong in both."""
    hr = np.full((300, 300, 3), 90, np.uint8)
    hr[:60, :60] = scene(0, 60, 60)
    hr[240:, 240:] = np.random.default_rng(0).integers(0, 256, (60, 60, 3))
    pair = Pair("s", "s/i", images.Picture(degrade(hr, SCALE)), images.Picture(hr))
    left, top, *_ = (300 * share for share in strip(pair, entries(), failure=True).box)
    assert (left > 150, top > 150) == (True, True)


def test_a_small_picture_is_shown_whole(on: list[Pair]) -> None:
    found = strip(on[0], entries())
    assert found.joined.shape == (60, 4 * 60 + 3 * GAP, 3)
    assert found.thumbnail.shape == (60, 80, 3)


def test_the_pictures_on_which_models_differ_most_are_chosen(on: list[Pair]) -> None:
    found = rows(on, entries())
    apart = [replace(row, psnr_y=10.0) if "c" in row.image[-1] else row for row in found[:6]]
    names = [pair.image for pair in chosen(on, [*apart, *found[6:]], per_set=1)]
    assert names[0] == "discs/c"
    assert [name.partition("/")[0] for name in names] == ["discs", "clip"]
    assert [len(chosen(on, found, per_set)) for per_set in (1, 2, 9)] == [2, 4, 6]


def test_strips_become_files_of_their_pictures(on: list[Pair], tmp_path: Path) -> None:
    strips = [strip(pair, entries()) for pair in on[2:4]]
    files = write_strips(strips, tmp_path)
    assert [file.name for file in files] == ["discs-c.png", "clip-000-7.png"]
    assert [one.title for one in strips] == ["discs: c", "clip: 000/7"]
    for one, file in zip(strips, files, strict=True):
        np.testing.assert_array_equal(images.read(file).pixels, one.joined)
