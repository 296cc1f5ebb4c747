"""A zip of pictures goes in; a zip of larger ones comes out, with what was wrong with the rest."""

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from superres import images
from superres.images import Picture
from superres.serving import archive
from superres.serving.archive import safe_name

Serve = Any


def zipped(files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", method) as made:
        for name, content in files.items():
            made.writestr(name, content)
    return target.getvalue()


def sent(client: Any, content: bytes, **options: Any) -> Any:
    return client.post("/upscale_batch", files={"archive": ("a.zip", content)}, **options)


def opened(response: Any) -> tuple[zipfile.ZipFile, dict[str, Any]]:
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "application/zip"
    found = zipfile.ZipFile(io.BytesIO(response.content))
    assert found.testzip() is None
    return found, json.loads(found.read("report.json"))


def error_of(response: Any) -> tuple[int, str]:
    return response.status_code, response.json()["error"]["code"]


def test_pictures_come_back_larger_and_bad_ones_are_reported(
    serve: Serve, png: bytes, photo: NDArray[np.uint8]
) -> None:
    jpeg = images.encode(Picture(photo), "JPEG")
    files = {"a/1.png": png, "2.jpeg": jpeg, "notes.txt": b"text", "torn.png": png[:200]}
    response = sent(serve(), zipped(files))
    found, report = opened(response)
    assert found.namelist() == ["a/1.png", "2.jpg", "report.json"]
    expected = photo.repeat(4, axis=0).repeat(4, axis=1)
    np.testing.assert_array_equal(images.decode(found.read("a/1.png")).pixels, expected)
    assert (report["done"], report["failed"], report["scale"]) == (2, 2, 4)
    assert (response.headers["x-superres-done"], response.headers["x-superres-failed"]) == (
        "2",
        "2",
    )
    assert response.headers["x-superres-version"] == "nearest"
    rows = {row["name"]: row for row in report["files"]}
    assert rows["a/1.png"] == {
        "name": "a/1.png",
        "result": "a/1.png",
        "width": 224,
        "height": 160,
    }
    assert rows["notes.txt"]["error"]["code"] == "unsupported_type"
    assert rows["torn.png"]["error"]["code"] == "corrupt_image"
    assert len(rows["torn.png"]["error"]["cure"]) > 10


def test_format_and_model_can_be_chosen_and_names_stay_apart(serve: Serve, png: bytes) -> None:
    params = {"format": "webp", "model": "bicubic"}
    response = sent(serve(), zipped({"x.png": png, "x.bmp": png}), params=params)
    found, report = opened(response)
    assert found.namelist() == ["x.webp", "x-2.webp", "report.json"]
    assert report["model"] == "bicubic"
    assert error_of(sent(serve(), zipped({}), params={"format": "exe"})) == (
        415,
        "unsupported_format",
    )
    assert error_of(sent(serve(), zipped({}), params={"model": "no"})) == (404, "unknown_model")


def test_an_archive_of_nothing_is_answered(serve: Serve) -> None:
    found, report = opened(sent(serve(), zipped({"folder/": b"", "__MACOSX/._x": b"", ".DS": b""})))
    assert (found.namelist(), report["files"]) == (["report.json"], [])


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("../../etc/passwd.png", "etc/passwd.png"),
        ("/abs.png", "abs.png"),
        ("C:\\x\\..\\y.png", "C_/x/y.png"),
        ("a\0b\n.png", "a_b_.png"),
        ("...", "picture"),
    ],
)
def test_names_stay_below_the_folder(name: str, safe: str) -> None:
    assert safe_name(name) == safe


def test_a_picture_that_unpacks_to_more_than_is_accepted(serve: Serve, png: bytes) -> None:
    bomb = zipped({"bomb.png": b"\0" * 3_000_000, "x.png": png})
    assert len(bomb) < 20_000
    _, report = opened(sent(serve(max_bytes=100_000), bomb))
    assert [row.get("error", {}).get("code") for row in report["files"]] == ["too_many_bytes", None]


def test_archives_that_claim_too_much_are_refused_unread(serve: Serve, png: bytes) -> None:
    bomb = zipped({"bomb.png": b"\0" * 3_000_000})
    answer = sent(serve(max_video_bytes=100_000), bomb)
    assert error_of(answer) == (413, "archive_too_large")
    many = zipped({f"{number}.png": b"" for number in range(6)})
    assert error_of(sent(serve(max_files=5), many)) == (413, "archive_too_large")


def test_a_list_of_millions_is_refused_before_it_is_read(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive, "_MOST_DIRECTORY", 100)
    many = zipped({f"{number}.png": b"" for number in range(6)})
    assert error_of(sent(serve(), many)) == (413, "archive_too_large")


def test_what_is_no_archive(serve: Serve, png: bytes) -> None:
    whole = zipped({"x.png": png})
    client = serve()
    assert error_of(sent(client, b"")) == (400, "bad_archive")
    assert error_of(sent(client, png)) == (415, "bad_archive")
    assert error_of(sent(client, whole[:-30])) == (415, "bad_archive")
    torn = whole.replace(b"PK\x01\x02", b"PK\x01\x09", 1)
    assert error_of(sent(client, torn)) == (422, "bad_archive")
    assert error_of(client.post("/upscale_batch", files={"image": whole})) == (400, "missing_field")


@pytest.mark.parametrize("method", [zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2])
def test_methods_that_ask_for_memory_are_refused(serve: Serve, png: bytes, method: int) -> None:
    _, report = opened(sent(serve(), zipped({"x.png": png}, method)))
    assert report["files"][0]["error"]["code"] == "bad_archive"


def test_nothing_stays_on_disk(
    serve: Serve, png: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "work"))
    (tmp_path / "work").mkdir()
    client = serve()
    before = sorted((tmp_path / "work").rglob("*"))
    opened(sent(client, zipped({"x.png": png})))
    assert sorted((tmp_path / "work").rglob("*")) == before
