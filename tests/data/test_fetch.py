"""data/raw holds exactly what the sources name: verified, whole, and untouched when right."""

import functools
import http.server
import io
import json
import sys
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
from PIL import Image

from superres.config import Source
from superres.data.download_http import Transfer
from superres.data.fetch import FetchOptions, fetch
from superres.data.origins import sha256_of
from superres.data.sources import read_source, read_sources
from superres.errors import DataError


def png(level: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8), (level, 0, 255 - level)).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture
def album(tmp_path: Path) -> Path:
    """Six different pictures, one below a folder, and files that are none."""
    folder = tmp_path / "album"
    (folder / "holiday").mkdir(parents=True)
    for level in range(5):
        (folder / f"{level} ü.png").write_bytes(png(level))
    (folder / "holiday" / "5.PNG").write_bytes(png(5))
    (folder / "notes.txt").write_text("not a picture")
    (folder / ".DS_Store.png").write_bytes(b"\0")
    return folder


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    return tmp_path / "data" / "raw"


def local(folder: Path, **options: object) -> Source:
    return Source.model_validate({"name": "mine", "path": str(folder), **options})


def state(folder: Path) -> dict[str, tuple[int, bytes]]:
    return {
        path.relative_to(folder).as_posix(): (path.stat().st_mtime_ns, path.read_bytes())
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_the_photographs_come_with_licence_checksum_and_split(raw: Path) -> None:
    if find_spec("skimage") is None:
        pytest.skip("the package skimage is not installed")
    report = fetch([Source(name="photographs")], raw)
    assert (report.files, len(report.written)) == (9, 9)
    source = read_source(raw / "photographs")
    assert source is not None
    assert "CC0" in source.licence
    for file in source.files:
        assert sha256_of(raw / "photographs" / file.file) == file.sha256


def test_a_folder_is_copied_with_its_subfolders_and_nothing_but_pictures(
    album: Path, raw: Path
) -> None:
    before = state(album)
    fetch([local(album)], raw)
    assert sorted(state(raw)) == [
        *(f"mine/{level} ü.png" for level in range(5)),
        "mine/holiday/5.PNG",
        "mine/source.json",
    ]
    assert (raw / "mine/holiday/5.PNG").read_bytes() == png(5)
    assert state(album) == before, "the originals were touched"


def test_no_path_of_this_machine_is_written(album: Path, raw: Path, tmp_path: Path) -> None:
    fetch([local(album)], raw)
    assert str(tmp_path) not in (raw / "mine/source.json").read_text("utf-8")


def test_running_again_rewrites_nothing(album: Path, raw: Path) -> None:
    fetch([local(album)], raw)
    before = state(raw)
    report = fetch([local(album)], raw)
    assert state(raw) == before
    assert report.written == report.removed == ()


def test_a_killed_fetch_is_repaired(album: Path, raw: Path) -> None:
    fetch([local(album)], raw)
    before = state(raw)
    (raw / "mine/0 ü.png").unlink()
    (raw / "mine/.1 ü.png.partial").write_bytes(b"half")
    (raw / ".mine.partial").mkdir()
    (raw / ".mine.partial/x").write_bytes(b"half")
    report = fetch([local(album)], raw)
    assert report.written == ("mine/0 ü.png",)
    after = state(raw)
    assert {name: content for name, (_, content) in after.items()} == {
        name: content for name, (_, content) in before.items()
    }
    assert [name for name in before if after[name] != before[name]] == ["mine/0 ü.png"]


def test_a_fetch_killed_before_its_first_file_is_its_own(album: Path, raw: Path) -> None:
    fetch([local(album)], raw)
    for path in raw.rglob("*.png"):
        path.unlink()
    other = album.parent / "other"
    other.mkdir()
    (other / "a.png").write_bytes(png(9))
    fetch([Source(name="other", path=str(other))], raw)
    assert sorted(state(raw)) == ["other/a.png", "other/source.json"]


def test_an_edited_file_is_put_right_and_an_added_one_removed(album: Path, raw: Path) -> None:
    fetch([local(album)], raw)
    (raw / "mine/2 ü.png").write_bytes(png(200))
    (raw / "mine/extra.png").write_bytes(png(201))
    report = fetch([local(album)], raw)
    assert report.written == ("mine/2 ü.png",)
    assert report.removed == ("mine/extra.png",)
    assert (raw / "mine/2 ü.png").read_bytes() == png(2)
    assert not (raw / "mine/extra.png").exists()


def test_what_left_the_sources_leaves_raw(album: Path, raw: Path) -> None:
    keep = album.parent / "keep"
    keep.mkdir()
    (keep / "a.png").write_bytes(png(9))
    fetch([local(album), Source(name="keep", path=str(keep))], raw)
    (album / "0 ü.png").unlink()
    assert fetch([local(album)], raw).removed == ("keep", "mine/0 ü.png")
    assert [source.name for source in read_sources(raw)] == ["mine"]


def test_files_put_into_raw_by_hand_are_never_deleted(album: Path, raw: Path) -> None:
    (raw / "precious").mkdir(parents=True)
    (raw / "precious/a.png").write_bytes(png(1))
    with pytest.raises(DataError, match=r"holds precious, which fetch has not put there"):
        fetch([local(album)], raw)
    assert (raw / "precious/a.png").is_file()
    (raw / "precious").rename(raw / ".precious")
    fetch([local(album)], raw)
    assert (raw / ".precious/a.png").is_file()


def test_a_source_inside_raw_is_refused(album: Path, raw: Path) -> None:
    for path in (raw / "mine", raw.parent):
        path.mkdir(parents=True, exist_ok=True)
        with pytest.raises(DataError, match="lie inside each other"):
            fetch([local(path)], raw)


def test_a_wrong_checksum_names_file_expected_and_found(
    raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    forged = tmp_path / "site" / "skimage"
    (forged / "data").mkdir(parents=True)
    (forged / "__init__.py").write_text("raise ImportError('must not be imported')")
    for name in ("astronaut.png", "chelsea.png"):
        (forged / "data" / name).write_bytes(b"forged")
    monkeypatch.syspath_prepend(tmp_path / "site")
    monkeypatch.delitem(sys.modules, "skimage", raising=False)
    expected = "88431cd9653ccd539741b555fb0a46b61558b301d4110412b5bc28b5e3ea6cb5"
    found = sha256_of(forged / "data" / "astronaut.png")
    with pytest.raises(DataError, match=rf"astronaut\.png.*expected sha256 {expected}.*{found}"):
        fetch([Source(name="photographs")], raw)
    assert not list(raw.rglob("*.png*"))


def test_a_missing_package_is_named(raw: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(DataError, match=r"world\.mp4.*package 'gradio'.*not installed"):
        fetch([Source(name="world-clip")], raw)


@pytest.mark.parametrize("content", [(), ("notes.txt",)])
def test_an_empty_folder_says_what_is_accepted(
    content: tuple[str, ...], tmp_path: Path, raw: Path
) -> None:
    folder = tmp_path / "empty"
    folder.mkdir()
    for name in content:
        (folder / name).write_text("x")
    with pytest.raises(DataError, match=rf"{len(content)} other files.*Accepted: \.bmp, .*\.webp"):
        fetch([local(folder)], raw)


def test_a_missing_folder_is_named(tmp_path: Path, raw: Path) -> None:
    with pytest.raises(DataError, match=r"no-such does not exist\. Accepted: a folder"):
        fetch([local(tmp_path / "no-such")], raw)


def test_a_folder_of_videos_needs_the_word_video(tmp_path: Path, raw: Path) -> None:
    (tmp_path / "films").mkdir()
    for name in ("a.mp4", "b.webm"):
        (tmp_path / "films" / name).write_bytes(name.encode())
    with pytest.raises(DataError, match="kind: video"):
        fetch([local(tmp_path / "films")], raw)
    fetch([local(tmp_path / "films", kind="video")], raw)
    source = read_source(raw / "mine")
    assert source is not None
    assert [file.clip for file in source.files] == ["mine/a.mp4", "mine/b.webm"]
    fetch([local(tmp_path / "films" / "a.mp4", split="test")], raw)
    source = read_source(raw / "mine")
    assert source is not None
    assert [(file.clip, file.split) for file in source.files] == [("mine", "test")]


def splits(raw: Path) -> dict[str, str]:
    source = read_source(raw / "mine")
    assert source is not None
    return {file.file: file.split for file in source.files}


def test_auto_splits_are_the_same_on_every_run_and_never_empty(album: Path, raw: Path) -> None:
    fetch([local(album)], raw)
    first = splits(raw)
    assert set(first.values()) == {"train", "val", "test"}
    album.rename(album.with_name("moved"))
    fetch([local(album.with_name("moved"))], raw)
    assert splits(raw) == first


def test_folders_named_train_val_test_are_the_splits(tmp_path: Path, raw: Path) -> None:
    folder = tmp_path / "set"
    for level, split in enumerate(("train", "val", "test")):
        (folder / split).mkdir(parents=True)
        (folder / split / "a.png").write_bytes(png(level))
    fetch([local(folder)], raw)
    assert splits(raw) == {f"{name}/a.png": name for name in ("test", "train", "val")}
    (folder / "b.png").write_bytes(png(7))
    with pytest.raises(DataError, match=r"outside them: b\.png"):
        fetch([local(folder)], raw)
    fetch([local(folder, split="val")], raw)
    assert set(splits(raw).values()) == {"val"}


@pytest.fixture
def site(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """A web server on this machine: its address and the folder it serves."""
    folder = tmp_path / "site"
    folder.mkdir()

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    handler = functools.partial(Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}", folder
        server.shutdown()
        thread.join()


def pack(path: Path, members: dict[str, bytes]) -> str:
    """Write a .zip or .tar.gz; return its sha256."""
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w") as archive:
            for name, content in members.items():
                archive.writestr(name, content)
    else:
        with tarfile.open(path, "w:gz") as tape:
            for name, content in members.items():
                record = tarfile.TarInfo(name)
                record.size = len(content)
                tape.addfile(record, io.BytesIO(content))
    return sha256_of(path)


@pytest.mark.parametrize("name", ["set.zip", "set.tar.gz"])
def test_an_archive_is_downloaded_once_and_unpacked(
    name: str, site: tuple[str, Path], raw: Path
) -> None:
    url, folder = site
    members = {"set/a.png": png(1), "set/sub/b.png": png(2), "set/readme.txt": b"x"}
    source = local(Path(), path=f"{url}/{name}#sha256={pack(folder / name, members)}")
    fetch([source], raw)
    before = state(raw)
    assert sorted(before) == ["mine/set/a.png", "mine/set/sub/b.png", "mine/source.json"]
    (folder / name).unlink()
    fetch([source], raw)
    assert state(raw) == before


def test_a_single_video_is_downloaded(site: tuple[str, Path], raw: Path) -> None:
    url, folder = site
    (folder / "film.mp4").write_bytes(b"film")
    address = f"{url}/film.mp4#sha256={sha256_of(folder / 'film.mp4')}"
    fetch([local(Path(), path=address)], raw)
    assert (raw / "mine/film.mp4").read_bytes() == b"film"


def test_a_download_with_another_checksum_is_refused(site: tuple[str, Path], raw: Path) -> None:
    url, folder = site
    found = pack(folder / "set.zip", {"a.png": png(1)})
    expected = "0" * 64
    with pytest.raises(DataError, match=rf"set\.zip.*expected sha256 {expected}, found {found}"):
        fetch([local(Path(), path=f"{url}/set.zip#sha256={expected}")], raw)
    assert not list(raw.rglob("*"))


def test_an_archive_cannot_write_outside(site: tuple[str, Path], raw: Path) -> None:
    url, folder = site
    sha256 = pack(folder / "set.tar.gz", {"../../evil.png": png(1)})
    with pytest.raises(DataError, match="outside the archive"):
        fetch([local(Path(), path=f"{url}/set.tar.gz#sha256={sha256}")], raw)
    assert not list(raw.parent.rglob("evil.png"))


def test_an_address_that_does_not_answer_is_named(raw: Path) -> None:
    address = f"http://127.0.0.1:1/set.zip#sha256={'0' * 64}"
    options = FetchOptions(transfer=Transfer(attempts=2, pause=0.001))
    with pytest.raises(DataError, match=r"cannot be downloaded.*http://127\.0\.0\.1:1/set\.zip"):
        fetch([local(Path(), path=address)], raw, options)


def test_a_damaged_source_json_is_named(album: Path, raw: Path) -> None:
    fetch([local(album)], raw)
    (raw / "mine/source.json").write_text(json.dumps({"name": "mine"}))
    with pytest.raises(DataError, match=r"source\.json: damaged"):
        read_sources(raw)
    fetch([local(album)], raw)
    assert len(read_sources(raw)) == 1
