"""A zip of pictures goes in; a zip of larger ones comes out, with what was wrong with the rest."""

import io
import json
import threading
import time
import zipfile
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import numpy as np
import pytest
from numpy.typing import NDArray
from serving.conftest import told

from superres import images
from superres.images import Picture
from superres.inference.upscaler import CancelledError, Upscaler
from superres.serving import archive, limits, runtime
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
    assert (report["model"], report["network"]) == ("bicubic", "bicubic")
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


class Stuck:
    """Upscaling that ends for wide pictures only when nobody waits any more."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, width: int) -> None:
        self.begun: list[int] = []
        self.noticed = threading.Event()
        self._width = width
        self._image = Upscaler.image
        monkeypatch.setattr(Upscaler, "image", lambda *given, **more: self(*given, **more))

    def __call__(self, upscaler: Upscaler, picture: Any, *, cancelled: Callable[[], bool]) -> Any:
        self.begun.append(picture.width)
        while picture.width >= self._width:
            time.sleep(0.01)
            if cancelled():
                self.noticed.set()
                raise CancelledError("nobody waits")
        return self._image(upscaler, picture, cancelled=cancelled)


def sized(height: int, width: int) -> bytes:
    return images.encode(Picture(np.zeros((height, width, 3), np.uint8)))


def test_a_member_that_takes_too_long_costs_only_itself(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    stuck = Stuck(monkeypatch, width=50)
    files = {"1.png": sized(8, 8), "large.png": sized(8, 50), "2.png": sized(9, 9)}
    found, report = opened(sent(serve(timeout_seconds=1), zipped(files)))
    assert found.namelist() == ["1.png", "2.png", "report.json"]
    assert [row.get("error", {}).get("code") for row in report["files"]] == [None, "timeout", None]
    assert (report["done"], report["failed"]) == (2, 1)
    assert stuck.begun == [8, 50, 9]


def test_a_defect_of_one_member_is_logged_and_costs_only_itself(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    image = Upscaler.image

    def broken(self: Upscaler, picture: Any, **more: Any) -> Any:
        if picture.width == 50:
            raise ZeroDivisionError("secret")
        return image(self, picture, **more)

    monkeypatch.setattr(Upscaler, "image", broken)
    files = {"bad.png": sized(8, 50), "good.png": sized(8, 8)}
    _, report = opened(sent(serve(), zipped(files)))
    assert [row.get("error", {}).get("code") for row in report["files"]] == ["failed", None]
    assert "secret" not in json.dumps(report)
    assert "secret" in caplog.text


BODY = b'--x\r\nContent-Disposition: form-data; name="archive"; filename="a.zip"\r\n\r\n'
asked = partial(told, path="/upscale_batch")


@pytest.mark.parametrize("width", [8, 50])
def test_a_client_that_leaves_ends_its_archive(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    """Whether a member takes long then or none of them does."""
    monkeypatch.setattr(runtime, "WATCH_SECONDS", 0.05)
    stuck = Stuck(monkeypatch, width=50)
    client = serve()
    content = BODY + zipped({f"{n}.png": sized(8, width) for n in range(9)}) + b"\r\n--x--\r\n"

    async def leaves() -> Any:
        while not stuck.begun:
            await anyio.sleep(0.01)
        return {"type": "http.disconnect"}

    assert anyio.run(asked, client.app, content, leaves) == 400
    assert len(stuck.begun) == 1 if width == 50 else len(stuck.begun) < 9
    assert stuck.noticed.is_set() == (width == 50)
    client.app.state.runtime.archives.require()  # the place is free again


def test_uploads_that_never_end_keep_no_archive_waiting(serve: Serve) -> None:
    app = serve().app

    async def three() -> int:
        async with anyio.create_task_group() as group:
            for _ in range(2):
                stalled = partial(asked, app, BODY, anyio.sleep_forever, is_whole=False)
                group.start_soon(stalled)
            await anyio.sleep(0.1)
            whole = BODY + zipped({"a.png": sized(8, 8)}) + b"\r\n--x--\r\n"
            status = await asked(app, whole, anyio.sleep_forever)
            group.cancel_scope.cancel()
        return status

    assert anyio.run(three) == 200


def test_one_archive_too_many_is_refused_before_it_is_read(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "DRAIN_SECONDS", 0.0)
    app = serve().app

    with ExitStack() as stack:
        for _ in range(runtime.MOST_ARCHIVES):
            stack.enter_context(app.state.runtime.archives.taken())
        assert anyio.run(asked, app, b"", anyio.sleep_forever) == 503
