"""An archive is unpacked whole, or refused before anything of it is written."""

import gzip
import io
import os
import shutil
import stat
import tarfile
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from superres import images
from superres.data.archives import ArchiveLimits, names_in, unpack
from superres.data.archives_stl10 import PICTURE, bin_to_pictures
from superres.errors import DataError

MEMBERS = {"set/a.png": b"a" * 3000, "set/sub/b.png": b"b", "readme.txt": b"text"}
LIMITS = ArchiveLimits(harmless_bytes=10_000)


def write_zip(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def tar_of(path: Path, records: list[tuple[tarfile.TarInfo, bytes]]) -> Path:
    modes = {".gz": "w:gz", ".tgz": "w:gz", ".bz2": "w:bz2", ".xz": "w:xz", ".tar": "w"}
    with tarfile.open(path, modes[path.suffix]) as tape:
        for record, content in records:
            record.size = len(content)
            tape.addfile(record, io.BytesIO(content))
    return path


def write_tar(path: Path, members: dict[str, bytes]) -> Path:
    return tar_of(path, [(tarfile.TarInfo(name), content) for name, content in members.items()])


def everything_below(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(params=["set.zip", "set.tar", "set.tar.gz", "set.tgz", "set.tar.bz2", "set.tar.xz"])
def archive(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    write = write_zip if request.param.endswith(".zip") else write_tar
    return write(tmp_path / request.param, MEMBERS)


def test_every_format_unpacks_what_is_chosen(archive: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert names_in(archive) == sorted(MEMBERS)
    assert not out.exists()
    written = unpack(archive, out, lambda names: [one for one in names if one.endswith(".png")])
    assert written == ["set/a.png", "set/sub/b.png"]
    assert everything_below(out) == {name: MEMBERS[name] for name in written}


def test_a_cut_archive_is_refused(archive: Path, tmp_path: Path) -> None:
    archive.write_bytes(archive.read_bytes()[: archive.stat().st_size // 3])
    with pytest.raises(DataError, match=rf"{archive.name}: cannot be unpacked"):
        unpack(archive, tmp_path / "out", lambda names: names)


@pytest.mark.parametrize("name", ["page.zip", "page.tar.gz", "page.tar"])
def test_a_page_is_no_archive(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"<html>Too many downloads</html>" * 50)
    with pytest.raises(DataError, match="cannot be unpacked"):
        unpack(tmp_path / name, tmp_path / "out", lambda names: names)


OUTSIDE = [
    "../evil.png",
    "set/../../evil.png",
    "/tmp/evil.png",
    "..\\evil.png",
    "C:\\evil.png",
    "\\\\host\\share\\evil.png",
    "a/..",
    "..",
]


@pytest.mark.parametrize("name", OUTSIDE)
@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_a_path_that_leads_outside_refuses_the_whole_archive(
    name: str, kind: str, tmp_path: Path
) -> None:
    members = {"a.png": b"good", name: b"evil", "z.png": b"good"}
    write = write_zip if kind == "zip" else write_tar
    path = write(tmp_path / f"set.{kind}", members)
    before = everything_below(tmp_path)
    with pytest.raises(DataError, match=r"points outside the archive; nothing was unpacked"):
        unpack(path, tmp_path / "out", lambda _: ["a.png"])
    assert everything_below(tmp_path) == before


def special(name: str, kind: bytes, target: str = "") -> tarfile.TarInfo:
    record = tarfile.TarInfo(name)
    record.type, record.linkname = kind, target
    return record


def zip_link(path: Path, target: str) -> Path:
    entry = zipfile.ZipInfo("set/link.png")
    entry.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(entry, target)
        archive.writestr("a.png", b"good")
    return path


@pytest.mark.parametrize("target", ["/etc/passwd", "../../secret", "..\\..\\secret", "../.."])
def test_links_that_lead_outside_are_refused(target: str, tmp_path: Path) -> None:
    makers: list[Callable[[], Path]] = [
        lambda: zip_link(tmp_path / "set.zip", target),
        lambda: tar_of(
            tmp_path / "set.tar", [(special("set/link.png", tarfile.SYMTYPE, target), b"")]
        ),
        lambda: tar_of(
            tmp_path / "hard.tar", [(special("set/link.png", tarfile.LNKTYPE, target), b"")]
        ),
    ]
    for make in makers:
        with pytest.raises(DataError, match="link that points outside"):
            unpack(make(), tmp_path / "out", lambda names: names)
    assert not (tmp_path / "out").exists()


def test_links_that_stay_inside_are_left_out(tmp_path: Path) -> None:
    good = (tarfile.TarInfo("set/a.png"), b"good")
    links = [
        (special(f"set/{k}.png", kind, target), b"")
        for k, kind, target in (
            (1, tarfile.SYMTYPE, "a.png"),
            (2, tarfile.LNKTYPE, "set/a.png"),
        )
    ]
    path = tar_of(tmp_path / "set.tar", [good, *links])
    assert unpack(path, tmp_path / "out", lambda names: names) == ["set/a.png"]
    unpack(zip_link(tmp_path / "set.zip", "a.png"), tmp_path / "zip", lambda names: names)
    assert everything_below(tmp_path / "zip") == {"a.png": b"good"}


def test_writing_through_a_link_of_the_archive_is_impossible(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.mkdir()
    link = special("set", tarfile.SYMTYPE, "../secret")
    path = tar_of(tmp_path / "set.tar", [(link, b""), (tarfile.TarInfo("set/a.png"), b"evil")])
    with pytest.raises(DataError, match="link that points outside"):
        unpack(path, tmp_path / "out", lambda names: names)
    assert not list(secret.iterdir())


@pytest.mark.parametrize("kind", [tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE])
def test_devices_are_refused(kind: bytes, tmp_path: Path) -> None:
    path = tar_of(tmp_path / "set.tar", [(special("a.png", kind), b"")])
    with pytest.raises(DataError, match="device or a pipe"):
        unpack(path, tmp_path / "out", lambda names: names)


def test_a_name_that_occurs_twice_is_refused(tmp_path: Path) -> None:
    with (
        pytest.warns(UserWarning, match="Duplicate"),
        zipfile.ZipFile(tmp_path / "set.zip", "w") as archive,
    ):
        archive.writestr("a.png", b"shown")
        archive.writestr("a.png", b"meant")
    with pytest.raises(DataError, match=r"'a\.png' occurs twice"):
        unpack(tmp_path / "set.zip", tmp_path / "out", lambda names: names)


def test_an_encrypted_member_is_named(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "set.zip", {"a.png": b"x"})
    content = bytearray(path.read_bytes())
    for signature, offset in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        content[content.index(signature) + offset] |= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"'a\.png' is encrypted"):
        unpack(path, tmp_path / "out", lambda names: names)


@pytest.mark.parametrize("name", ["bomb.zip", "bomb.tar.gz", "bomb.tar.bz2", "bomb.tar.xz"])
def test_a_decompression_bomb_is_refused(name: str, tmp_path: Path) -> None:
    write = write_zip if name.endswith(".zip") else write_tar
    path = write(tmp_path / name, {"a.png": b"good", "zeros.png": bytes(5_000_000)})
    with pytest.raises(DataError, match=r"would unpack to 500\d+ bytes or more from \d+ bytes"):
        unpack(path, tmp_path / "out", lambda _: ["a.png"], LIMITS)
    assert not (tmp_path / "out").exists()


def test_an_absurd_declared_size_is_refused_without_reading_it(tmp_path: Path) -> None:
    record = tarfile.TarInfo("a.png")
    record.size = 1 << 60
    path = tmp_path / "set.tar.gz"
    path.write_bytes(gzip.compress(record.tobuf() + bytes(1024)))
    with pytest.raises(DataError, match="would unpack to 1152921504606846976 bytes or more"):
        unpack(path, tmp_path / "out", lambda names: names)


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME])
def test_a_header_larger_than_memory_is_refused(kind: bytes, tmp_path: Path) -> None:
    record = special("x", kind)
    record.size = 1 << 40
    path = tmp_path / "set.tar.gz"
    path.write_bytes(
        gzip.compress(
            record.tobuf(tarfile.USTAR_FORMAT if record.size < 8**11 else tarfile.GNU_FORMAT)
            + bytes(1024)
        )
    )
    with pytest.raises(DataError, match="header of 1099511627776 bytes"):
        unpack(path, tmp_path / "out", lambda names: names)


def test_limits_of_members_and_bytes_hold(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "set.zip", {f"{k}.png": b"x" for k in range(20)})
    with pytest.raises(DataError, match="more than 19 members"):
        unpack(path, tmp_path / "out", lambda names: names, replace(LIMITS, members=19))
    with pytest.raises(DataError, match="would unpack to 20 bytes"):
        unpack(path, tmp_path / "out", lambda names: names, replace(LIMITS, bytes=19))
    exact = replace(LIMITS, members=20, bytes=20)
    assert len(unpack(path, tmp_path / "out", lambda names: names, exact)) == 20


def test_a_disk_that_is_too_small_is_seen_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_zip(tmp_path / "set.zip", MEMBERS)
    usage = type(shutil.disk_usage(tmp_path))
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage(10_000, 7_000, 3_000))
    with pytest.raises(DataError, match="unpacking takes 3005 bytes, 3000 are free"):
        unpack(path, tmp_path / "out", lambda names: names)
    assert everything_below(tmp_path / "out") == {}


def test_stl10_pictures_are_stored_by_columns(tmp_path: Path) -> None:
    rows, columns = np.mgrid[0:96, 0:96]
    first = np.stack([rows * 2, columns * 2, rows + columns], axis=-1).astype(np.uint8)
    second = 255 - first
    planes = [one.transpose(2, 1, 0).tobytes() for one in (first, second)]
    (tmp_path / "train_X.bin").write_bytes(b"".join(planes))
    paths = bin_to_pictures(tmp_path / "train_X.bin", tmp_path / "train")
    assert [path.name for path in paths] == ["000000.bmp", "000001.bmp"]
    for path, expected in zip(paths, (first, second), strict=True):
        assert np.array_equal(images.read(path).pixels, expected)
    assert len(bin_to_pictures(tmp_path / "train_X.bin", tmp_path / "one", first=1)) == 1
    os.truncate(tmp_path / "train_X.bin", PICTURE + 1)
    with pytest.raises(DataError, match="no whole pictures"):
        bin_to_pictures(tmp_path / "train_X.bin", tmp_path / "train")
