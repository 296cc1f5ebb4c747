"""A file comes whole and checked, whatever the server does; what cannot come is named."""

import hashlib
import json
import random
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from file_server import Site, serving

from superres.data import download as download_module
from superres.data.dataset import RemoteFile
from superres.data.download import download
from superres.data.download_http import Transfer
from superres.data.download_parts import note_of, part_of
from superres.errors import DataError

CONTENT = random.Random(5).randbytes(300_000)
NONSENSE = '{"size": 300000, "chunk": 40000, "validator": "\\"one\\"", "done": [[1], "x", -3]}'
QUICK = Transfer(chunk=40_000, attempts=4, pause=0.001, timeout=5.0, bar=False)


@pytest.fixture
def site() -> Iterator[Site]:
    with serving() as found:
        yield found


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "downloads" / "set.zip"


def remote(*urls: str, content: bytes = CONTENT, **options: object) -> RemoteFile:
    checksum = f"sha256:{hashlib.sha256(content).hexdigest()}"
    return RemoteFile.model_validate(
        {"file": "set.zip", "urls": urls, "checksum": checksum, **options}
    )


def assert_only_the_file(path: Path, content: bytes = CONTENT) -> None:
    assert path.read_bytes() == content
    assert list(path.parent.iterdir()) == [path]


def test_a_file_comes_in_parallel_parts(site: Site, path: Path) -> None:
    url = site.add("set.zip", CONTENT, seconds_per_block=0.02)
    found = download(remote(url), path, QUICK)
    assert found == hashlib.sha256(CONTENT).hexdigest()
    assert_only_the_file(path)
    # The server may still count an answer that the client has already read to its end.
    assert 2 <= site.most_at_once <= 2 * QUICK.parts
    assert site.sent == len(CONTENT) + 1  # one byte tells size and ranges: no byte came twice


@pytest.mark.parametrize(
    "faults",
    [
        {"cut_after": 17_000},
        {"cut_after": 1},
        {"statuses": [503, 429, 500]},
        {"statuses": [200, 200, 502, 408]},
        {"has_ranges": False},
        {"has_ranges": False, "says_length": False},
        {"has_ranges": False, "etag": None, "statuses": [503]},
        {"etag": None},
    ],
    ids=str,
)
def test_a_poor_server_costs_only_time(
    faults: dict[str, object], site: Site, path: Path, tmp_path: Path
) -> None:
    content = CONTENT if faults != {"cut_after": 1} else CONTENT[:200]
    url = site.add("set.zip", content, **faults)
    download(remote(url, content=content), path, QUICK)
    assert_only_the_file(path, content)


def test_a_connection_that_breaks_goes_on_at_its_byte(site: Site, path: Path) -> None:
    url = site.add("set.zip", CONTENT, cut_after=30_000)
    download(remote(url), path, QUICK)
    assert site.sent == len(CONTENT) + 1, "bytes came twice"


def test_a_silent_server_is_given_up_and_the_mirror_is_tried(site: Site, path: Path) -> None:
    silent = site.add("silent.zip", CONTENT, seconds_per_block=1.0)
    good = site.add("set.zip", CONTENT)
    download(remote(silent, good), path, replace(QUICK, timeout=0.1, attempts=2))
    assert_only_the_file(path)


def test_a_redirect_is_followed(site: Site, path: Path) -> None:
    site.add("real.zip", CONTENT)
    url = site.add("set.zip", b"", moved_to="/real.zip")
    download(remote(url), path, QUICK)
    assert_only_the_file(path)


def test_the_wait_a_server_asks_for_is_kept(site: Site, path: Path) -> None:
    url = site.add("set.zip", CONTENT, statuses=[429], retry_after="1")
    begin = time.monotonic()
    download(remote(url), path, QUICK)
    assert time.monotonic() - begin >= 1.0


@pytest.mark.parametrize(
    ("faults", "message"),
    [
        ({"content": CONTENT[:-1] + b"?"}, r"wrong checksum, expected sha256 [0-9a-f]{64}, found"),
        ({"content": CONTENT[:-1]}, "wrong checksum"),
        ({"content": CONTENT, "kind": "text/html; charset=utf-8"}, "a web page came instead"),
        ({"content": CONTENT, "statuses": [403] * 9}, "status 403"),
        ({"content": CONTENT, "statuses": [503] * 9}, r"status 503 \(4 attempts in a row\)"),
        ({"content": CONTENT, "has_ranges": False, "cut_after": 99}, "4 attempts in a row"),
        ({"content": CONTENT, "moved_to": "/set.zip"}, "redirects"),
    ],
    ids=lambda value: None if isinstance(value, dict) else value,
)
def test_what_is_wrong_leaves_nothing_and_says_what_came(
    faults: dict[str, object], message: str, site: Site, path: Path
) -> None:
    content = faults.pop("content")
    assert isinstance(content, bytes)
    url = site.add("set.zip", content, **faults)
    with pytest.raises(DataError, match=rf"set\.zip: cannot be downloaded.*{message}"):
        download(remote(url), path, QUICK)
    assert not path.exists()


def test_a_page_that_calls_itself_a_file_is_seen_without_a_checksum(site: Site, path: Path) -> None:
    url = site.add("set.zip", b"\n <!DOCTYPE html><title>Sign in</title>")
    with pytest.raises(DataError, match="a web page came instead"):
        download(remote(url, checksum=None), path, QUICK)
    assert not any(path.parent.iterdir())


def test_mirrors_are_tried_in_their_order(site: Site, path: Path) -> None:
    urls = [
        f"{site.url}/nothing.zip",
        site.add("page.zip", b"<html>", kind="text/html"),
        site.add("forged.zip", CONTENT[::-1]),
        site.add("good.zip", CONTENT),
        site.add("never.zip", CONTENT),
    ]
    download(remote(*urls), path, QUICK)
    assert_only_the_file(path)
    order = list(dict.fromkeys(place for place, _ in site.requests))
    assert order == ["/nothing.zip", "/page.zip", "/forged.zip", "/good.zip"]


def test_every_mirror_that_failed_is_named(site: Site, path: Path) -> None:
    urls = [f"{site.url}/a.zip", f"{site.url}/b.zip", "http://127.0.0.1:1/c.zip", "file:///etc/x"]
    with pytest.raises(DataError, match=r"a\.zip: status 404; .*b\.zip: status 404; .*c\.zip"):
        download(remote(*urls), path, QUICK)


def test_a_size_other_than_the_catalogs_is_refused_before_a_byte_comes(
    site: Site, path: Path
) -> None:
    url = site.add("set.zip", CONTENT)
    with pytest.raises(DataError, match="has 300000 bytes, the catalog says 299999"):
        download(remote(url, size=299_999), path, QUICK)
    assert site.sent == 1


@pytest.mark.parametrize("says_length", [True, False])
def test_no_file_is_larger_than_accepted(says_length: bool, site: Site, path: Path) -> None:
    url = site.add("set.zip", CONTENT, has_ranges=False, says_length=says_length)
    with pytest.raises(DataError, match=r"accepted are 200000|more than 200000 bytes"):
        download(remote(url, checksum=None), path, replace(QUICK, max_bytes=200_000))
    assert not path.exists()


def test_a_disk_that_is_too_small_is_seen_before_a_byte_comes(
    site: Site, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = site.add("set.zip", CONTENT)
    free = download_module.SPARE + len(CONTENT) + 500
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": free}))
    with pytest.raises(DataError, match=r"set\.zip: needs .* are free on the disk"):
        download(remote(url), path, QUICK, room=501)
    assert site.sent == 1
    download(remote(url), path, QUICK, room=500)
    assert_only_the_file(path)


def interrupt(site: Site, path: Path, **options: object) -> int:
    """Break a download off after its first chunks; return how many bytes had come."""
    url = site.add("set.zip", CONTENT, statuses=[200, 200, 200, 200, *[404] * 20])
    with pytest.raises(DataError, match="status 404"):
        download(remote(url, **options), path, replace(QUICK, parts=1))
    assert part_of(path).is_file()
    site.files["/set.zip"].statuses.clear()
    return site.sent


def test_the_next_run_goes_on_where_the_last_one_stopped(site: Site, path: Path) -> None:
    before = interrupt(site, path)
    assert before == 3 * QUICK.chunk + 1
    assert not path.exists()
    download(remote(f"{site.url}/set.zip"), path, QUICK)
    assert_only_the_file(path)
    assert site.sent == len(CONTENT) + 2


def test_another_version_of_the_file_is_not_mixed_with_the_first(site: Site, path: Path) -> None:
    interrupt(site, path, checksum=None)
    other = CONTENT[::-1]
    url = site.add("set.zip", other, etag='"two"')
    download(remote(url, checksum=None), path, QUICK)
    assert_only_the_file(path, other)


def test_bytes_that_were_spoilt_between_two_runs_come_again(site: Site, path: Path) -> None:
    interrupt(site, path)
    with part_of(path).open("r+b") as part:
        part.write(b"spoilt")
    download(remote(f"{site.url}/set.zip"), path, QUICK)
    assert_only_the_file(path)


@pytest.mark.parametrize("note", ["", "[]", '{"done": 3}', '{"done": [0, 1, 2]', "\0", NONSENSE])
def test_a_damaged_note_starts_from_the_beginning(note: str, site: Site, path: Path) -> None:
    interrupt(site, path)
    note_of(path).write_text(note)
    download(remote(f"{site.url}/set.zip"), path, QUICK)
    assert_only_the_file(path)


def test_the_note_never_claims_more_than_is_written(site: Site, path: Path) -> None:
    interrupt(site, path)
    done = json.loads(note_of(path).read_text())["done"]
    content = part_of(path).read_bytes()
    for number in done:
        chunk = slice(number * QUICK.chunk, (number + 1) * QUICK.chunk)
        assert content[chunk] == CONTENT[chunk]


def test_a_version_that_changes_under_way_is_brought_as_one(site: Site, path: Path) -> None:
    url = site.add("set.zip", CONTENT, seconds_per_block=0.01)
    served = site.files["/set.zip"]
    served_again = replace(served, content=CONTENT[::-1], etag='"two"', seconds_per_block=0.0)
    original_pop = site.requests.append

    class Watch(list[tuple[str, str]]):
        def append(self, request: tuple[str, str]) -> None:
            original_pop(request)
            if len(site_requests) == 4:
                site.files["/set.zip"] = served_again

    site_requests = site.requests
    site.requests = Watch()
    download(remote(url, checksum=None), path, replace(QUICK, parts=1))
    assert_only_the_file(path, CONTENT[::-1])


def test_a_file_that_is_there_is_not_asked_for_again(site: Site, path: Path) -> None:
    url = site.add("set.zip", CONTENT)
    download(remote(url), path, QUICK)
    count = len(site.requests)
    download(remote(url), path, QUICK)
    assert len(site.requests) == count
    path.write_bytes(b"edited")
    download(remote(url), path, QUICK)
    assert_only_the_file(path)


def test_md5_is_enough_where_only_that_is_published(site: Site, path: Path) -> None:
    url = site.add("set.zip", CONTENT)
    right = f"md5:{hashlib.md5(CONTENT, usedforsecurity=False).hexdigest()}"
    download(remote(url, checksum=right), path, QUICK)
    assert_only_the_file(path)
    path.unlink()
    with pytest.raises(DataError, match=r"expected md5 0{32}, found"):
        download(remote(url, checksum="md5:" + "0" * 32), path, QUICK)


def test_an_empty_file_comes(site: Site, path: Path) -> None:
    url = site.add("set.zip", b"", has_ranges=False)
    download(remote(url, content=b""), path, QUICK)
    assert_only_the_file(path, b"")


def test_the_bar_shows_rate_and_time_left(
    site: Site, path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    url = site.add("set.zip", CONTENT, seconds_per_block=0.1)
    download(remote(url), path, replace(QUICK, bar=True))
    shown = capfd.readouterr()
    assert shown.out == ""
    assert "set.zip" in shown.err
    assert "B/s" in shown.err
