"""A source of params.yaml means one data set: the catalog's, a local one, or a download."""

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from superres.config import Source
from superres.data.catalog import CATALOG, resolve
from superres.data.dataset import Local, Package, Remote, RemoteFile
from superres.data.origins import sha256_of
from superres.data.protocols import apply
from superres.data.splits import SPLITS, Split, assign, official, read_list
from superres.errors import DataError

SHA = "0123456789abcdef" * 4


REPORTS = {
    *("bsd100", "bsds400", "bsds500", "celeba", "coco", "div2k", "flickr2k", "general100"),
    *("imagenet", "lfw", "photographs", "realvsr", "set14", "set5", "stl10", "t91", "urban100"),
    *("vid4", "vimeo90k", "world-clip"),
}
BY_HAND = {"celeba", "general100", "imagenet", "realvsr", "t91", "vid4"}


def test_the_installed_packages_carry_exactly_the_files_of_the_catalog() -> None:
    for name in ("photographs", "world-clip"):
        dataset = CATALOG[name]
        assert isinstance(dataset.origin, Package)
        spec = find_spec(dataset.origin.package)
        if spec is None or spec.submodule_search_locations is None:
            pytest.skip(f"the package {dataset.origin.package} is not installed")
        folder = Path(spec.submodule_search_locations[0]) / dataset.origin.folder
        for item in dataset.items:
            assert sha256_of(folder / item.file) == item.sha256, item.file


def test_every_data_set_of_the_reports_says_its_licence_home_and_content() -> None:
    assert set(CATALOG) == REPORTS
    for dataset in CATALOG.values():
        told = (dataset.title, dataset.licence, dataset.homepage, dataset.holds)
        assert all(told), dataset.name
        assert "\n" not in dataset.licence
    assert {name for name in CATALOG if not CATALOG[name].is_automatic} == BY_HAND
    assert all(CATALOG[name].place for name in BY_HAND)


def test_every_download_has_an_official_address() -> None:
    for dataset in CATALOG.values():
        files = dataset.origin.files if isinstance(dataset.origin, Remote) else ()
        for file in files:
            assert all(url.startswith(("https://", "http://")) for url in file.urls)
            assert bool(file.urls) == (dataset.name not in BY_HAND)


@pytest.mark.parametrize(
    ("module", "name"),
    [("torchvision/datasets/imagenet.py", "imagenet"), ("sklearn/datasets/_lfw.py", "lfw")],
)
def test_published_checksums_are_those_of_the_libraries(module: str, name: str) -> None:
    package, _, inside = module.partition("/")
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        pytest.skip(f"the package {package} is not installed")
    text = (Path(spec.submodule_search_locations[0]) / inside).read_text("utf-8")
    origin = CATALOG[name].origin
    assert isinstance(origin, Remote)
    for file in origin.files:
        assert file.checksum is not None
        assert file.checksum.partition(":")[2] in text
        assert file.file in text


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
    assert (images.kind, images.origin) == ("images", Local(path=Path("some/folder")))
    assert resolve(Source(name="mine", path="a/holiday.MP4")).kind == "video"
    assert resolve(Source(name="mine", path="a", kind="video")).kind == "video"


def test_an_address_needs_a_checksum() -> None:
    url = "https://example.org/set.zip"
    found = resolve(Source(name="mine", path=f"{url}#sha256={SHA}"))
    file = RemoteFile(file="set.zip", urls=(url,), checksum=f"sha256:{SHA}")
    assert found.origin == Remote(files=(file,))
    with pytest.raises(DataError, match=r"carries no checksum.*#sha256="):
        resolve(Source(name="mine", path=url))


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (Source(name="photogaphs"), "not in the catalog.*Known: bsd100, .*photographs.*world-clip"),
        (Source(name="photographs", kind="video"), "holds 'images'"),
        (Source(name="photographs", path="x"), "name belongs to the catalog"),
        (Source(name="mine", path="catalog:div3k"), "'div3k' is not in the catalog"),
        (Source(name="mine", path="catalog:div2k?protocol=r9"), "no protocol 'r9'.*Known: r2, r4"),
        (Source(name="mine", path="catalog:div2k?frist=9"), "is not understood. Accepted: cat"),
        (Source(name="mine", path="catalog:div2k?first=0"), "is not understood"),
        (Source(name="mine", path="catalog:photographs?first=1"), "no part of 'photographs'"),
        (Source(name="coco", path="catalog:div2k?first=1"), "no part of 'div2k'"),
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


def test_a_part_of_a_data_set_is_asked_for_in_its_path() -> None:
    path = "catalog:imagenet?classes=n01440764,n01443537&first=500&protocol=r3"
    part = resolve(Source(name="fish", path=path))
    assert (part.name, part.shelf) == ("fish", "imagenet")
    assert part.selection.classes == ("n01440764", "n01443537")
    assert part.selection.first == 500
    assert part.protocol == CATALOG["imagenet"].protocols["r3"]
    whole = resolve(Source(name="imagenet"))
    assert whole == CATALOG["imagenet"]


def folder_of(name: str) -> str:
    return name.rpartition("/")[0]


def authors(
    name: str, files: list[str], listed: dict[str, Split] | None = None
) -> dict[str, Split]:
    rules = [(rule.match, rule.split) for rule in CATALOG[name].rules]
    matches = [(match, split) for match, split in rules if match and split]
    return official(files, matches, listed or {})


def test_the_authors_splits_follow_their_folders_and_lists() -> None:
    assert authors("div2k", ["DIV2K_train_HR/0001.png", "DIV2K_valid_HR/0801.png"]) == {
        "DIV2K_train_HR/0001.png": "train",
        "DIV2K_valid_HR/0801.png": "val",
    }
    images = "BSR/BSDS500/data/images"
    berkeley = [f"{images}/{split}/1.jpg" for split in SPLITS]
    assert authors("bsds500", berkeley) == dict(zip(berkeley, SPLITS, strict=True))
    listed = read_list("00001/0001\n\n00001/0002\r\n", "test")
    vimeo = [f"vimeo_septuplet/sequences/00001/000{clip}/im1.png" for clip in (1, 2, 3)]
    assert authors("vimeo90k", vimeo, listed) == dict.fromkeys(vimeo[:2], "test")
    partition = read_list("000001.jpg 0\n000002.jpg 1\n000003.jpg 2\n", None)
    faces = [f"img_align_celeba/00000{number}.jpg" for number in (1, 2, 3)]
    assert authors("celeba", faces, partition) == dict(zip(faces, SPLITS, strict=True))
    with pytest.raises(DataError, match=r"line '000001\.jpg 7' of a split list"):
        read_list("000001.jpg 7", None)


def test_r1_splits_the_test_list_90_10_by_clip_with_its_frame_counts() -> None:
    clips = [f"sequences/{k // 1000:05d}/{k % 1000:04d}" for k in range(7_824 + 50)]
    files = {f"{clip}/im{n}.png": "test" for clip in clips[:7_824] for n in range(1, 8)}
    trained = {f"{clip}/im1.png": "train" for clip in clips[7_824:]}
    splits = apply(CATALOG["vimeo90k"].protocols["r1"], files | trained, folder_of)
    found = list(splits.values())
    assert (found.count("train"), found.count("val")) == (49_287, 5_481)
    assert not trained.keys() & splits.keys()
    sides = {(folder_of(file), split) for file, split in splits.items()}
    assert len(sides) == 7_824, "a clip has frames on both sides"
    again = apply(CATALOG["vimeo90k"].protocols["r1"], dict(reversed(files.items())), folder_of)
    assert again == splits


def test_r2_merges_div2k_and_coco_to_5800_and_100() -> None:
    pictures = [f"DIV2K_train_HR/{k:04d}.png" for k in range(1, 801)]
    pictures += [f"DIV2K_valid_HR/{k:04d}.png" for k in range(801, 901)]
    coco = [f"val2017/{k:012d}.jpg" for k in range(5_000)]
    coco += [f"train2017/{k:012d}.jpg" for k in range(100)]
    merged = apply(CATALOG["div2k"].protocols["r2"], authors("div2k", pictures), folder_of)
    merged |= apply(CATALOG["coco"].protocols["r2"], authors("coco", coco), folder_of)
    found = list(merged.values())
    assert [found.count(split) for split in SPLITS] == [5_800, 100, 0]


@pytest.mark.parametrize("name", ["imagenet", "celeba", "stl10"])
def test_r3_takes_the_first_9000(name: str) -> None:
    files = {f"unlabeled/{k:06d}.bmp": "train" for k in range(9_500)}
    extra = {"test/000000.bmp": "test"} if name == "stl10" else {}
    splits = apply(CATALOG[name].protocols["r3"], files | extra, folder_of)
    assert sorted(splits) == sorted(files)[:9_000]
    assert set(splits.values()) == {"train"}


def test_r4_takes_640_of_the_800_for_training() -> None:
    files = [f"DIV2K_train_HR/{k:04d}.png" for k in range(1, 801)]
    files += ["DIV2K_valid_HR/0801.png"]
    splits = apply(CATALOG["div2k"].protocols["r4"], authors("div2k", files), folder_of)
    assert [list(splits.values()).count(split) for split in SPLITS] == [640, 160, 0]
    assert splits["DIV2K_train_HR/0640.png"] == "train"
    assert splits["DIV2K_train_HR/0641.png"] == "val"


def test_light_commands_load_no_heavy_library() -> None:
    heavy = "torch, mlflow, pandas, skimage, gradio, great_expectations, scipy, cv2, av, httpx"
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
