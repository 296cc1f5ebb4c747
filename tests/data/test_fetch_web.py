"""Data sets of the catalog, served small from this machine or placed by hand."""

import hashlib
import io
import json
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from file_server import Site, serving
from typer.testing import CliRunner

from superres.__main__ import app
from superres.config import Source
from superres.data.catalog import CATALOG
from superres.data.dataset import Remote
from superres.data.download_http import Transfer
from superres.data.download_plan import plan
from superres.data.fetch import FetchOptions, fetch
from superres.data.sources import read_source
from superres.errors import DataError

QUICK = FetchOptions(transfer=Transfer(chunk=40_000, attempts=2, pause=0.001, bar=False))
ROOM = 10 << 40


@pytest.fixture
def site() -> Iterator[Site]:
    with serving() as found:
        yield found


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    return tmp_path / "data" / "raw"


@pytest.fixture(autouse=True)
def large_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Vimeo-90K asks for more than this machine has."""
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": ROOM}))


def zipped(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def tarred(members: dict[str, bytes], mode: str = "w") -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as tape:
        for name, content in members.items():
            record = tarfile.TarInfo(name)
            record.size = len(content)
            tape.addfile(record, io.BytesIO(content))
    return buffer.getvalue()


def pictures(names: list[str]) -> dict[str, bytes]:
    return {name: f"picture {name}".encode() for name in names}


def offer(
    monkeypatch: pytest.MonkeyPatch, site: Site | None, name: str, contents: dict[str, bytes]
) -> None:
    """Let the catalog's data set consist of small archives, on `site` or placed by hand."""
    origin = CATALOG[name].origin
    assert isinstance(origin, Remote)
    files = []
    for file in origin.files:
        content = contents.get(file.file, b"")
        was_published = file.checksum is not None
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        small = {
            "size": len(content) if file.size else None,
            "checksum": digest if was_published else None,
            "urls": (site.add(file.file, content),) if site is not None else (),
        }
        files.append(file.model_copy(update=small))
    changed = origin.model_copy(update={"files": tuple(files)})
    monkeypatch.setitem(CATALOG, name, CATALOG[name].model_copy(update={"origin": changed}))


def splits(raw: Path, name: str) -> dict[str, str]:
    source = read_source(raw / name)
    assert source is not None
    return {file.file: file.split for file in source.files}


def div2k() -> dict[str, bytes]:
    train = pictures([f"DIV2K_train_HR/{k:04d}.png" for k in range(1, 5)])
    valid = pictures([f"DIV2K_valid_HR/{k:04d}.png" for k in range(801, 803)])
    return {"DIV2K_train_HR.zip": zipped(train), "DIV2K_valid_HR.zip": zipped(valid)}


def test_two_archives_become_one_data_set_with_the_authors_splits(
    site: Site, raw: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    offer(monkeypatch, site, "div2k", div2k())
    fetch([Source(name="div2k")], raw, QUICK)
    found = splits(raw, "div2k")
    assert sorted(found.values()) == ["train"] * 4 + ["val"] * 2
    assert found["DIV2K_valid_HR/0801.png"] == "val"
    assert not (raw.parent / "downloads" / "div2k").exists()
    before = (raw / "div2k/source.json").read_bytes()
    count = len(site.requests)
    assert fetch([Source(name="div2k")], raw, QUICK).written == ()
    assert len(site.requests) == count, "what is right was asked for again"
    assert (raw / "div2k/source.json").read_bytes() == before


def test_another_split_in_params_needs_no_second_download(
    site: Site, raw: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    offer(monkeypatch, site, "div2k", div2k())
    fetch([Source(name="div2k")], raw, QUICK)
    before, count = splits(raw, "div2k"), len(site.requests)
    fetch([Source(name="div2k", split="test")], raw, QUICK)
    assert set(splits(raw, "div2k").values()) == {"test"}
    fetch([Source(name="div2k")], raw, QUICK)
    assert splits(raw, "div2k") == before
    assert len(site.requests) == count


def test_a_part_stops_downloading_when_it_has_enough(
    site: Site, raw: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    offer(monkeypatch, site, "div2k", div2k())
    fetch([Source(name="few", path="catalog:div2k?first=3")], raw, QUICK)
    assert sorted(splits(raw, "few")) == [f"DIV2K_train_HR/000{k}.png" for k in (1, 2, 3)]
    assert "/DIV2K_valid_HR.zip" not in {path for path, _ in site.requests}


def test_two_parts_of_one_data_set_need_one_download(
    site: Site, raw: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    offer(monkeypatch, site, "div2k", div2k())
    parts = [
        Source(name="one", path="catalog:div2k?first=1"),
        Source(name="two", path="catalog:div2k?first=2"),
    ]
    fetch(parts, raw, QUICK)
    assert (len(splits(raw, "one")), len(splits(raw, "two"))) == (1, 2)
    whole = [span for path, span in site.requests if path == "/DIV2K_train_HR.zip"]
    assert whole.count("bytes=0-0") == 1
    assert not list((raw.parent / "downloads").iterdir())


def test_septuplets_are_clips_and_follow_the_authors_lists(
    site: Site, raw: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside = "vimeo_septuplet"
    frames = [
        f"{inside}/sequences/00001/{c:04d}/im{k}.png" for c in range(1, 12) for k in range(1, 8)
    ]
    listed = "\n".join(f"00001/{c:04d}" for c in range(2, 12))
    lists = {
        f"{inside}/sep_trainlist.txt": b"00001/0001\n",
        f"{inside}/sep_testlist.txt": listed.encode(),
    }
    content = zipped(pictures(frames) | lists | {f"{inside}/readme.txt": b"x"})
    offer(monkeypatch, site, "vimeo90k", {"vimeo_septuplet.zip": content})
    fetch([Source(name="vimeo90k")], raw, QUICK)
    found = splits(raw, "vimeo90k")
    assert (len(found), list(found.values()).count("train")) == (77, 7)
    source = read_source(raw / "vimeo90k")
    assert source is not None
    assert source.files[0].clip == f"vimeo90k/{inside}/sequences/00001/0001"
    assert [file.index for file in source.files[:8]] == [0, 1, 2, 3, 4, 5, 6, 0]
    fetch([Source(name="r1", path="catalog:vimeo90k?protocol=r1")], raw, QUICK)
    counts = list(splits(raw, "r1").values())
    assert (counts.count("train"), counts.count("val")) == (63, 7)
    assert not (raw / "vimeo90k").exists()


def test_bsds400_leaves_out_what_the_benchmarks_hold(
    site: Site, raw: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = "BSR/BSDS500/data/images"
    names = [f"{images}/{place}.jpg" for place in ("train/1", "train/302003", "val/2", "test/3")]
    content = tarred(pictures([*names, "BSR/BSDS500/data/groundTruth/train/1.mat"]), "w:gz")
    for name in ("bsds400", "bsds500"):
        offer(monkeypatch, site, name, {"BSR_bsds500.tgz": content})
    fetch([Source(name="bsds400"), Source(name="bsds500")], raw, QUICK)
    assert sorted(splits(raw, "bsds400")) == [f"{images}/test/3.jpg", f"{images}/train/1.jpg"]
    assert set(splits(raw, "bsds400").values()) == {"train"}
    assert splits(raw, "bsds500")[f"{images}/val/2.jpg"] == "val"
    assert len(splits(raw, "bsds500")) == 4


def test_stl10_becomes_pictures(site: Site, raw: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    counts = {"train": 2, "test": 1, "unlabeled": 4}
    members = {f"stl10_binary/{k}_X.bin": bytes(3 * 96 * 96 * n) for k, n in counts.items()}
    content = tarred(members | {"stl10_binary/train_y.bin": b"12"}, "w:gz")
    offer(monkeypatch, site, "stl10", {"stl10_binary.tar.gz": content})
    fetch([Source(name="stl10")], raw, QUICK)
    assert sorted(splits(raw, "stl10").values()) == ["test"] + ["train"] * 6
    fetch([Source(name="some", path="catalog:stl10?protocol=r3&first=3")], raw, QUICK)
    assert sorted(splits(raw, "some")) == [f"unlabeled/00000{k}.bmp" for k in range(3)]


def imagenet() -> dict[str, bytes]:
    classes = {
        f"{name}.tar": tarred(pictures([f"{name}_{k}.JPEG" for k in range(3)]))
        for name in ("n01", "n02", "n03")
    }
    val = pictures([f"ILSVRC2012_val_0000000{k}.JPEG" for k in range(4)])
    return {"ILSVRC2012_img_train.tar": tarred(classes), "ILSVRC2012_img_val.tar": tarred(val)}


def test_what_needs_a_sign_up_says_which_files_go_where(raw: Path) -> None:
    manual = raw.parent / "manual"
    with pytest.raises(
        DataError,
        match=rf"sign up.*Missing in {manual}/imagenet: at least one of "
        r"ILSVRC2012_img_train\.tar md5:1d67.*; ILSVRC2012_img_val\.tar md5:29b2",
    ):
        fetch([Source(name="imagenet")], raw, QUICK)
    (manual / "celeba").mkdir(parents=True)
    (manual / "celeba" / "list_eval_partition.txt").write_text("000001.jpg 0")
    with pytest.raises(DataError, match=r"celeba: img_align_celeba\.zip \(1\.44 GB\)[^;]*$"):
        fetch([Source(name="celeba")], raw, QUICK)
    with pytest.raises(DataError, match=rf"RealVSR.*Missing: the folder {manual}/realvsr"):
        fetch([Source(name="realvsr")], raw, QUICK)


def test_what_must_be_placed_is_told_before_the_first_download(
    site: Site, raw: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    offer(monkeypatch, site, "div2k", div2k())
    with pytest.raises(DataError, match=r"(?s)'t91' cannot.*'vid4' cannot.*manual/vid4"):
        fetch([Source(name="div2k"), Source(name="t91"), Source(name="vid4")], raw, QUICK)
    assert site.requests == []


def test_what_was_placed_by_hand_is_checked_and_unpacked_by_class_and_count(
    raw: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    contents = imagenet()
    offer(monkeypatch, None, "imagenet", contents)
    folder = raw.parent / "manual" / "imagenet"
    folder.mkdir(parents=True)
    train = folder / "ILSVRC2012_img_train.tar"
    train.write_bytes(contents[train.name])
    path = "catalog:imagenet?classes=n01,n03&first=4"
    fetch([Source(name="animals", path=path)], raw, QUICK)
    assert sorted(splits(raw, "animals")) == [
        *(f"n01/n01_{k}.JPEG" for k in range(3)),
        "n03/n03_0.JPEG",
    ]
    assert train.is_file(), "what somebody placed is never removed"
    (folder / "ILSVRC2012_img_val.tar").write_bytes(b"half a download")
    with pytest.raises(DataError, match=r"img_val\.tar: wrong checksum, expected sha256"):
        fetch([Source(name="imagenet")], raw, QUICK)
    (folder / "ILSVRC2012_img_val.tar").write_bytes(contents["ILSVRC2012_img_val.tar"])
    fetch([Source(name="imagenet")], raw, QUICK)
    assert sorted(splits(raw, "imagenet").values()) == ["train"] * 9 + ["val"] * 4


def test_real_pairs_of_a_clip_stay_on_one_side(raw: Path) -> None:
    folder = raw.parent / "manual" / "realvsr"
    for side in ("GT", "LQ"):
        for clip in range(12):
            (folder / side / f"{clip:03d}").mkdir(parents=True)
            for k in (1, 2, 10):
                (folder / side / f"{clip:03d}" / f"{k}.png").write_text(f"{side}{clip}{k}")
    fetch([Source(name="realvsr")], raw, QUICK)
    source = read_source(raw / "realvsr")
    assert source is not None
    order = {file.file: file.index for file in source.files}
    assert [order[f"LQ/007/{k}.png"] for k in (1, 2, 10)] == [0, 1, 2]
    sides = {(file.split("/")[1], split) for file, split in splits(raw, "realvsr").items()}
    assert len(sides) == 12
    assert {split for _, split in sides} == {"train", "val", "test"}


def test_what_nobody_vouches_for_must_stay_what_it_was(
    site: Site, raw: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "Set5/image_SRF_4/img_001_SRF_4_HR.png"
    offer(monkeypatch, site, "set5", {"Set5_SR.zip": zipped(pictures([name]))})
    fetch([Source(name="set5")], raw, QUICK)
    assert splits(raw, "set5") == {name: "test"}
    (raw / "set5" / name).write_bytes(b"edited")
    fetch([Source(name="set5")], raw, QUICK)
    assert (raw / "set5" / name).read_bytes() == f"picture {name}".encode()
    (raw / "set5" / name).unlink()
    site.add("Set5_SR.zip", zipped({name: b"another"}))
    with pytest.raises(DataError, match=r"Set5_SR\.zip.*as at the first download.*delete"):
        fetch([Source(name="set5")], raw, QUICK)


def test_an_archive_that_was_none_comes_again(
    site: Site, raw: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "image_SRF_4/img_001_SRF_4_HR.png"
    offer(monkeypatch, site, "set5", {"Set5_SR.zip": b"busy, come back later"})
    with pytest.raises(DataError, match=r"Set5_SR\.zip: cannot be unpacked"):
        fetch([Source(name="set5")], raw, QUICK)
    assert not list(raw.rglob("*"))
    site.add("Set5_SR.zip", zipped(pictures([name])))
    fetch([Source(name="set5")], raw, QUICK)
    assert splits(raw, "set5") == {name: "test"}


def test_a_disk_that_is_too_small_stops_before_anything(
    site: Site, raw: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 10 << 30}))
    with pytest.raises(DataError, match=r"vimeo90k: needs 164\.00 GB .* 10\.74 GB are free"):
        fetch([Source(name="vimeo90k")], raw, QUICK)
    assert not raw.exists()


def test_a_dry_run_says_what_would_come_and_touches_nothing(
    site: Site, raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    contents = div2k()
    offer(monkeypatch, site, "div2k", contents)
    sources = [Source(name="div2k"), Source(name="imagenet")]
    asked = plan(sources, raw, QUICK.places(raw))
    assert [(one.name, one.action) for one in asked.steps] == [
        ("div2k", "download"),
        ("div2k", "download"),
        ("imagenet", "place by hand"),
        ("imagenet", "place by hand"),
    ]
    assert asked.bytes == sum(map(len, contents.values()))
    assert asked.free == ROOM
    assert not list(tmp_path.iterdir())
    assert site.requests == []
    fetch(sources[:1], raw, QUICK)
    (present,) = plan(sources[:1], raw, QUICK.places(raw)).steps
    assert present.action == "present"


def test_the_catalog_is_shown_as_a_table_and_as_json() -> None:
    shown = CliRunner().invoke(app, ["fetch", "--list"])
    assert shown.exit_code == 0
    lines = {line.split()[0]: line for line in shown.output.splitlines() if line.strip()}
    assert {*CATALOG} <= {*lines}
    assert lines["div2k"].split()[1:5] == ["images", "3.98", "GB", "automatic"]
    assert "academic research only" in lines["div2k"]
    assert "data/manual/imagenet/ ILSVRC2012_img_train.tar, ILSVRC2012_img_val.tar" in shown.output
    rows = json.loads(CliRunner().invoke(app, ["fetch", "--list", "--json"]).stdout)
    (row,) = [row for row in rows if row["name"] == "stl10"]
    assert (row["how"], row["bytes"]) == ("automatic", 2_640_397_119)
    assert row["protocols"] == ["r3"]


def test_a_dry_run_on_the_command_line(tmp_path: Path) -> None:
    params = tmp_path / "params.yaml"
    params.write_text("experiments: [a]\ndata:\n  sources: [{name: div2k}, {name: t91}]\n")
    command = ["fetch", "--dry-run", "--params", str(params), "--raw", str(tmp_path / "raw")]
    told = CliRunner().invoke(app, command)
    assert told.exit_code == 0, told.output
    assert "download" in told.output
    assert "to download 3.98 GB, room needed 7.96 GB, free 10995.12 GB" in told.output
    asked = json.loads(CliRunner().invoke(app, [*command, "--json"]).stdout)
    assert asked["bytes"] == 3_979_597_606
    assert asked["steps"][-1]["action"] == "place by hand"
    assert [path.name for path in tmp_path.iterdir()] == ["params.yaml"]
