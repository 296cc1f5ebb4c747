"""The client and a service that misbehaves: what is asked again, what is not, what is said."""

import email.utils
import io
import json
import subprocess
import sys
import time
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from client.conftest import BREAK, Stand, error, said

import superres
from superres.client import PACK, Client, Task
from superres.client.folders import pack, packs, pictures_of, unpack
from superres.errors import InputError, ServiceError

PICTURE = (200, {"Content-Type": "image/png", "X-Superres-Model": "m"}, b"pixels")


@pytest.fixture
def client(stand: Stand) -> Any:
    with Client(stand.address, key="secret", timeout=5) as client:
        yield client


def test_importing_it_imports_no_torch() -> None:
    code = "import sys, superres; superres.Client; print('torch' in sys.modules)"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "False"
    assert superres.Client is Client
    with pytest.raises(AttributeError, match="Clients"):
        _ = superres.Clients


def test_the_key_and_the_choices_are_sent(client: Client, stand: Stand) -> None:
    stand.say(PICTURE)
    made = client.image(b"picture", model="fast", format="webp", scale=3)
    assert (made.content, made.model, made.media_type) == (b"pixels", "m", "image/png")
    method, path, headers = stand.asked[0]
    assert (method, path) == ("POST", "/upscale?model=fast&format=webp&scale=3")
    assert headers["authorization"] == "Bearer secret"
    assert b'name="image"' in stand.bodies[0]
    assert b"\r\n\r\npicture\r\n" in stand.bodies[0]


@pytest.mark.parametrize("status", [429, 503])
def test_a_busy_service_is_asked_again_after_the_seconds_it_names(
    client: Client, stand: Stand, status: int, tmp_path: Path
) -> None:
    (tmp_path / "photo.png").write_bytes(b"picture")
    stand.say(error(status, "busy", Retry_After="1"), PICTURE)
    begun = time.monotonic()
    assert client.image(tmp_path / "photo.png").content == b"pixels"
    assert 0.9 < time.monotonic() - begun < 4
    assert [b'filename="photo.png"' in body for body in stand.bodies] == [True, True]
    assert all(b"\r\npicture\r\n" in body for body in stand.bodies)  # the file, read anew


def test_the_time_to_wait_may_be_a_date(client: Client, stand: Stand) -> None:
    past = email.utils.formatdate(time.time() - 100, usegmt=True)
    stand.say(error(503, "busy", Retry_After=past), PICTURE)
    begun = time.monotonic()
    client.image(b"picture")
    assert time.monotonic() - begun < 2


def test_it_gives_up_in_the_end_with_the_words_of_the_service(stand: Stand) -> None:
    stand.say(error(503, "busy", Retry_After="0"))
    with Client(stand.address, retries=2) as client, pytest.raises(ServiceError) as raised:
        client.image(b"picture")
    assert (raised.value.code, raised.value.status) == ("busy", 503)
    assert str(raised.value) == "it is busy. Do better."
    assert len(stand.asked) == 3


def test_it_does_not_wait_longer_than_its_patience(stand: Stand) -> None:
    stand.say(error(503, "busy", Retry_After="50"))
    begun = time.monotonic()
    with Client(stand.address, patience=3) as client, pytest.raises(ServiceError, match="busy"):
        client.image(b"picture")
    assert time.monotonic() - begun < 2


@pytest.mark.parametrize(
    ("status", "code"),
    [(400, "empty"), (401, "unauthorized"), (404, "unknown_model"), (413, "too_many_bytes"),
     (415, "unsupported_type"), (422, "corrupt_image")],
)  # fmt: skip
def test_what_is_refused_is_not_asked_again(
    client: Client, stand: Stand, status: int, code: str
) -> None:
    stand.say(error(status, code))
    with pytest.raises(InputError, match=f"it is {code}. Do better.") as raised:
        client.image(b"picture")
    assert (raised.value.code, raised.value.status) == (code, status)
    assert len(stand.asked) == 1


@pytest.mark.parametrize(("status", "code"), [(500, "failed"), (503, "model_unavailable")])
def test_what_asking_again_cannot_mend(
    client: Client, stand: Stand, status: int, code: str
) -> None:
    stand.say(error(status, code, Retry_After="60"))
    with pytest.raises(ServiceError) as raised:
        client.models()
    assert raised.value.code == code
    assert len(stand.asked) == 1


def test_another_programs_answers(client: Client, stand: Stand) -> None:
    stand.say((502, {}, b"<html>Bad gateway"))
    with pytest.raises(ServiceError, match="answered 502"):
        client.models()
    stand.say((200, {}, b"<html>Welcome"))
    with pytest.raises(ServiceError, match="no superres service"):
        client.models()


def test_a_broken_connection_is_made_again_where_that_does_no_harm(
    client: Client, stand: Stand, tmp_path: Path
) -> None:
    stand.say(BREAK, PICTURE)
    assert client.image(b"picture").content == b"pixels"
    (tmp_path / "clip.mp4").write_bytes(b"video")
    stand.say(BREAK, said({"task_id": "t", "status": "pending"}))
    with pytest.raises(ServiceError) as raised:
        client.submit(tmp_path / "clip.mp4")  # it may be there already
    assert raised.value.code == "unreachable"


def test_nobody_there() -> None:
    with Client("http://127.0.0.1:9", retries=1) as client:
        assert not client.is_ready()
        with pytest.raises(ServiceError, match=r"127\.0\.0\.1:9.*no answer"):
            client.models()


@pytest.mark.parametrize(
    "address", ["127.0.0.1:39111", "localhost:3000", "ftp://host/", "http://", "host", "http://a:b"]
)
def test_what_is_no_address_is_said_at_once(address: str) -> None:
    begun = time.monotonic()
    with pytest.raises(InputError) as raised:
        Client(address)
    assert f"'{address}'" in str(raised.value)
    assert "http://HOST:PORT or https://HOST" in str(raised.value)
    assert raised.value.code == "bad_address"
    assert time.monotonic() - begun < 1


def test_a_request_that_is_wrong_in_itself_is_not_sent_again(stand: Stand) -> None:
    begun = time.monotonic()
    with Client(stand.address, key="two\nlines") as client, pytest.raises(ServiceError):
        client.models()
    assert time.monotonic() - begun < 0.4
    assert stand.asked == []


def test_a_service_that_does_not_answer_in_time(stand: Stand) -> None:
    stand.delay = 1.0
    with Client(stand.address, timeout=0.2) as client, pytest.raises(ServiceError):
        client.models()
    assert len(stand.asked) == 1


def job(status: str, done: int, **more: Any) -> Any:
    content = {"task_id": "t", "status": status, "percent": 10.0 * done, "frames_done": done}
    return said({**content, **more})


def test_a_video_is_waited_for_over_a_restart(client: Client, stand: Stand, tmp_path: Path) -> None:
    stand.say(job("in_progress", 1), BREAK, job("interrupted", 1), job("in_progress", 5),
              job("completed", 10))  # fmt: skip
    told: list[Task] = []
    assert client.wait("t", progress=told.append, every=0.01).status == "completed"
    assert [task.frames_done for task in told] == [1, 1, 5, 10]
    stand.say((200, {}, b"film"))
    client.result("t", tmp_path / "deep" / "out.mp4")
    assert (tmp_path / "deep" / "out.mp4").read_bytes() == b"film"


def test_a_failed_video_says_why(client: Client, stand: Stand) -> None:
    why = {"code": "corrupt_video", "message": "frame 3 is damaged.", "cure": "Convert it."}
    stand.say(job("failed", 2, error=why))
    with pytest.raises(ServiceError, match=r"frame 3 is damaged\. Convert it\.") as raised:
        client.wait("t")
    assert raised.value.code == "corrupt_video"


def test_who_stops_waiting_with_ctrl_c_cancels(
    client: Client, stand: Stand, tmp_path: Path
) -> None:
    (tmp_path / "clip.mp4").write_bytes(b"video")
    stand.say(job("pending", 0), job("in_progress", 1), job("canceled", 1))

    def interrupt(task: Task) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        client.video(tmp_path / "clip.mp4", tmp_path / "out.mp4", progress=interrupt)
    assert stand.asked[-1][:2] == ("PUT", "/upscale_video/cancel?task_id=t")
    assert not (tmp_path / "out.mp4").exists()


def test_an_answer_that_breaks_off_is_asked_for_again_or_leaves_no_file(
    stand: Stand, tmp_path: Path
) -> None:
    half = (200, {"Content-Length": "1000", "Connection": "close"}, b"half")
    with Client(stand.address, timeout=5) as client:
        stand.say(half, PICTURE)
        assert client.image(b"picture").content == b"pixels"
        stand.say(half, half, (200, {}, b"film"))
        client.result("t", tmp_path / "out.mp4")
        assert (tmp_path / "out.mp4").read_bytes() == b"film"
        stand.say(half)
        with pytest.raises(ServiceError) as raised:
            client.result("t", tmp_path / "other.mp4")
        assert raised.value.code == "unreachable"
    assert [path.name for path in tmp_path.iterdir()] == ["out.mp4"]


def test_files_are_packed_within_the_limits(tmp_path: Path) -> None:
    for name, size in (("a.png", 10), ("b/c.jpg", 700), ("b/d.webp", 20), ("notes.txt", 5)):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x" * size)
    named = pictures_of(tmp_path)
    assert [name for name, _ in named] == ["a.png", "b/c.jpg", "b/d.webp"]
    groups = [[name for name, _ in group] for group in packs(named, 10, 700)]
    assert groups == [["a.png"], ["b/c.jpg"], ["b/d.webp"]]
    assert [len(group) for group in packs(named, 2, 10_000)] == [2, 1]
    with pytest.raises(InputError, match="same name"):
        pictures_of([tmp_path / "a.png", tmp_path / "b" / "a.png"])
    with pytest.raises(InputError, match="no picture"):
        pictures_of([])


LIMITS = {"max_files": 200, "max_video_bytes": 1 << 20, "timeout_seconds": 5}


def results(*names: str) -> Any:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name in names:
            archive.writestr(name, name)
        files = [{"name": name, "result": name} for name in names]
        report = {"done": len(names), "failed": 0, "files": files}
        archive.writestr("report.json", json.dumps(report))
    return 200, {"Content-Type": "application/zip"}, content.getvalue()


@pytest.mark.parametrize("given", ["folder", "zip"])
def test_an_archive_may_take_longer_than_one_answer(
    stand: Stand, tmp_path: Path, given: str
) -> None:
    """As long as the service may take for each of its pictures: it answers when all are done."""
    source = tmp_path / "in"
    source.mkdir()
    for name in ("1.png", "2.gif"):
        (source / name).write_bytes(b"picture")
    if given == "zip":
        pack(pictures_of(source), tmp_path / "in.zip")
        source = tmp_path / "in.zip"
    stand.say(said(LIMITS), results("1.png", "2.gif"))
    stand.delay, stand.slow = 1.0, "/upscale_batch"
    with Client(stand.address, timeout=0.3) as client:
        report = client.batch(source, tmp_path / "out", size="100x")
    assert (report.done, report.failed) == (2, 0)
    assert (tmp_path / "out" / "2.gif").read_text() == "2.gif"
    assert [path for _, path, _ in stand.asked] == ["/limits", "/upscale_batch?size=100x"]


def test_archives_are_small_so_that_none_is_waited_for_long(
    client: Client, stand: Stand, tmp_path: Path
) -> None:
    for number in range(PACK + 1):
        (tmp_path / f"{number:02}.png").write_bytes(b"picture")
    stand.say(said(LIMITS), results(), results())
    steps: list[tuple[int, int]] = []
    client.batch(tmp_path, tmp_path / "out", progress=lambda *step: steps.append(step))
    assert steps == [(PACK, PACK + 1), (PACK + 1, PACK + 1)]


@pytest.mark.parametrize("name", ["../out.png", "/etc/out.png", "..\\out.png"])
def test_an_answer_cannot_write_outside_its_folder(tmp_path: Path, name: str) -> None:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr(name, b"x")
        archive.writestr("report.json", json.dumps({"done": 1, "failed": 0, "files": []}))
    (tmp_path / "answer.zip").write_bytes(content.getvalue())
    with pytest.raises(ServiceError, match="outside"):
        unpack(tmp_path / "answer.zip", tmp_path / "deep" / "folder")
    assert [path.name for path in tmp_path.rglob("*")] == ["answer.zip"]


def test_arrays_of_another_shape_are_not_sent(client: Client, stand: Stand) -> None:
    with pytest.raises(InputError, match=r"\(N, 3, h, w\)"):
        client.tensor(np.zeros((2, 4, 4, 3)))
    with pytest.raises(InputError, match="cannot be read"):
        client.image("nowhere.png")
    assert stand.asked == []
