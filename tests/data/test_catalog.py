"""A source of params.yaml means one data set: the catalog's, a local one, or a download."""

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from superres.config import Source
from superres.data.catalog import CATALOG, Download, Local, Package, resolve
from superres.data.origins import sha256_of
from superres.data.splits import SPLITS, assign
from superres.errors import DataError

SHA = "0123456789abcdef" * 4


def test_the_installed_packages_carry_exactly_the_files_of_the_catalog() -> None:
    for dataset in CATALOG.values():
        assert isinstance(dataset.origin, Package)
        spec = find_spec(dataset.origin.name)
        if spec is None or spec.submodule_search_locations is None:
            pytest.skip(f"the package {dataset.origin.name} is not installed")
        folder = Path(spec.submodule_search_locations[0]) / dataset.origin.folder
        for item in dataset.items:
            assert sha256_of(folder / item.file) == item.sha256, item.file


def test_every_data_set_says_its_licence_and_home() -> None:
    assert sorted(CATALOG) == ["photographs", "world-clip"]
    assert all(dataset.licence and dataset.homepage for dataset in CATALOG.values())


def test_the_photographs_have_a_fixed_split_with_both_motorcycles_on_one_side() -> None:
    split_of = {item.file: item.split for item in CATALOG["photographs"].items}
    assert split_of == {
        "astronaut.png": "val",
        "chelsea.png": "test",
        "coffee.png": "test",
        "hubble_deep_field.jpg": "train",
        "ihc.png": "train",
        "motorcycle_left.png": "train",
        "motorcycle_right.png": "train",
        "retina.jpg": "train",
        "rocket.jpg": "train",
    }


def test_a_forced_split_holds_for_every_file() -> None:
    forced = resolve(Source(name="photographs", split="test"))
    assert {item.split for item in forced.items} == {"test"}
    assert {item.split for item in CATALOG["photographs"].items} == set(SPLITS)


def test_a_path_is_a_local_data_set_of_images_or_of_video_by_its_suffix() -> None:
    images = resolve(Source(name="mine", path="some/folder"))
    assert (images.kind, images.origin) == ("images", Local(Path("some/folder")))
    assert resolve(Source(name="mine", path="a/holiday.MP4")).kind == "video"
    assert resolve(Source(name="mine", path="a", kind="video")).kind == "video"


def test_an_address_needs_a_checksum() -> None:
    url = "https://example.org/set.zip"
    found = resolve(Source(name="mine", path=f"{url}#sha256={SHA}"))
    assert found.origin == Download(url, SHA)
    with pytest.raises(DataError, match=r"carries no checksum.*#sha256="):
        resolve(Source(name="mine", path=url))


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (Source(name="photogaphs"), "not in the catalog.*Known: photographs, world-clip"),
        (Source(name="photographs", kind="video"), "holds 'images'"),
        (Source(name="photographs", path="x"), "name belongs to the catalog"),
    ],
)
def test_a_source_that_means_nothing_is_refused(source: Source, message: str) -> None:
    with pytest.raises(DataError, match=message):
        resolve(source)


def digest(place: float, number: int = 0) -> str:
    return f"{int(place * 2**32):08x}{number:056x}"


def test_the_split_follows_the_content_80_10_10() -> None:
    digests = {f"{k}.png": digest((k + 0.5) / 1000) for k in range(1000)}
    splits = list(assign(digests).values())
    assert [splits.count(split) for split in SPLITS] == [800, 100, 100]


def test_a_file_keeps_its_split_when_others_come_or_it_is_renamed() -> None:
    few = {f"{k}.png": digest((k + 0.5) / 40) for k in range(40)}
    more = few | {f"new{k}.png": digest((k + 0.25) / 100) for k in range(100)}
    before, after = assign(few), assign(more)
    assert all(after[file] == split for file, split in before.items())
    renamed = assign({f"other/{file}": sha for file, sha in few.items()})
    assert list(renamed.values()) == list(before.values())


@pytest.mark.parametrize("place", [0.1, 0.85, 0.95])
@pytest.mark.parametrize("number", [3, 4, 10])
def test_no_split_is_empty_from_three_pictures_on(place: float, number: int) -> None:
    splits = assign({f"{k}.png": digest(place, k) for k in range(number)})
    assert set(splits.values()) == set(SPLITS)


def test_fewer_than_three_pictures_train_first_and_validate_second() -> None:
    assert assign({"a": digest(0.95)}) == {"a": "train"}
    assert sorted(assign({"a": digest(0.95), "b": digest(0.85)}).values()) == ["train", "val"]
    assert assign({}) == {}


def test_equal_files_never_part() -> None:
    same = {f"{k}.png": digest(0.5) for k in range(5)}
    others = {"x.png": digest(0.1), "y.png": digest(0.2)}
    splits = assign(same | others)
    assert len({splits[file] for file in same}) == 1
    assert set(splits.values()) == set(SPLITS)


def test_light_commands_load_no_heavy_library() -> None:
    heavy = "torch, mlflow, pandas, skimage, gradio, great_expectations, scipy, cv2, av"
    code = f"""
import sys
from superres.config import Source
from superres.data.fetch import fetch
import superres.commands.fetch, superres.commands.frames, superres.commands.pairs
import superres.commands.validate
loaded = [name for name in {heavy.split(", ")!r} if name in sys.modules]
sys.exit(f"loaded: {{loaded}}" if loaded else 0)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
