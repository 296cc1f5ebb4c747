"""Folders and packs become pairs; what does not fit is refused by name."""

from pathlib import Path

import numpy as np
import pytest
from small import SCALE, scene, write_pack

from superres import images
from superres.data.degrade import degrade
from superres.errors import DataError, InputError
from superres.evaluation import folder_pairs, packed_pairs
from superres.images import Picture


def hr_folder(folder: Path, *names: str, size: tuple[int, int] = (41, 54)) -> Path:
    folder.mkdir(parents=True)
    for seed, name in enumerate(names):
        images.write(folder / name, Picture(scene(seed, *size)))
    return folder


def lr_folder(folder: Path, hr: Path, names: dict[str, str]) -> Path:
    """Write the LR pictures of `hr` under other names."""
    folder.mkdir()
    made = {pair.image: pair.lr for pair in folder_pairs(hr, SCALE)}
    for stem, name in names.items():
        images.write(folder / name, made[stem])
    return folder


def test_packed_pairs_are_those_of_the_split_in_order(tmp_path: Path) -> None:
    pictures = {"discs/b": scene(1), "discs/a": scene(0), "lines/a": scene(2)}
    pack = write_pack(tmp_path / "pack", pictures)
    pairs = list(packed_pairs(pack))
    assert [(pair.set, pair.image) for pair in pairs] == [
        ("discs", "discs/b"),
        ("discs", "discs/a"),
        ("lines", "lines/a"),
    ]
    np.testing.assert_array_equal(pairs[1].hr.pixels, pictures["discs/a"])
    np.testing.assert_array_equal(pairs[1].lr.pixels, degrade(pictures["discs/a"], SCALE))
    assert list(packed_pairs(pack, "train")) == []


def test_a_folder_is_mod_cropped_and_degraded(tmp_path: Path) -> None:
    folder = hr_folder(tmp_path / "mine" / "HR", "a.png", "b.jpg")
    pairs = list(folder_pairs(folder, 4))
    assert [(pair.set, pair.image) for pair in pairs] == [("mine", "a"), ("mine", "b")]
    assert (pairs[0].hr.height, pairs[0].hr.width) == (40, 52)
    np.testing.assert_array_equal(pairs[0].lr.pixels, degrade(scene(0, 41, 54)[:40, :52], 4))


@pytest.mark.parametrize(
    "names",
    [
        {"1": "1.png", "2": "2.png", "10": "10.png"},
        {"1": "1x2.png", "2": "2x2.png", "10": "10x2.png"},  # another alphabetical order
        {"1": "lr_1_small.png", "2": "lr_2_small.png", "10": "lr_10_small.png"},
        {"1": "img_001.png", "10": "img_002.png", "2": "img_003.png"},  # by order alone
    ],
)
def test_lr_pictures_find_their_hr_pictures(tmp_path: Path, names: dict[str, str]) -> None:
    hr = hr_folder(tmp_path / "HR", "1.png", "2.png", "10.png")
    lr = lr_folder(tmp_path / "LR", hr, names)
    given = {pair.image: pair.lr.pixels for pair in folder_pairs(hr, SCALE, lr)}
    made = {pair.image: pair.lr.pixels for pair in folder_pairs(hr, SCALE)}
    assert given.keys() == made.keys() == {"1", "2", "10"}
    for stem, pixels in made.items():
        np.testing.assert_array_equal(given[stem], pixels)


def test_lr_pictures_of_other_names_are_not_mistaken(tmp_path: Path) -> None:
    hr = hr_folder(tmp_path / "HR", "a.png", "b.png")
    lr = lr_folder(tmp_path / "LR", hr, {"a": "b.png", "b": "c.png"})
    with pytest.raises(DataError, match="no LR picture of the name a"):
        list(folder_pairs(hr, SCALE, lr))


def test_too_few_lr_pictures_are_named(tmp_path: Path) -> None:
    hr = hr_folder(tmp_path / "HR", "a.png", "b.png")
    lr = lr_folder(tmp_path / "LR", hr, {"a": "a.png"})
    with pytest.raises(DataError, match="1 LR pictures for 2 HR pictures"):
        list(folder_pairs(hr, SCALE, lr))


def test_folders_without_pictures_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such folder"):
        list(folder_pairs(tmp_path / "gone", SCALE))
    (tmp_path / "notes.txt").write_text("no picture")
    with pytest.raises(DataError, match=r"no pictures.*\.png"):
        list(folder_pairs(tmp_path, SCALE))


def test_two_files_of_one_name_are_refused(tmp_path: Path) -> None:
    folder = hr_folder(tmp_path / "HR", "a.png", "a.jpg", "b.png")
    with pytest.raises(DataError, match="more than one picture of the name a"):
        list(folder_pairs(folder, SCALE))


def test_sixteen_bits_are_refused_in_hr_and_lr(tmp_path: Path) -> None:
    hr = hr_folder(tmp_path / "HR", "a.png")
    (tmp_path / "LR").mkdir()
    deep = Picture(np.zeros((20, 27, 3), np.uint16))
    images.write(tmp_path / "LR" / "a.png", deep)
    with pytest.raises(InputError, match=r"LR.*16 bits"):
        list(folder_pairs(hr, SCALE, tmp_path / "LR"))
    images.write(hr / "a.png", deep)
    with pytest.raises(InputError, match=r"HR.*16 bits"):
        list(folder_pairs(hr, SCALE))
