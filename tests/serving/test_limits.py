"""Limits come from params.yaml and the environment, and hold while a body streams in."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest

from superres.errors import ConfigError
from superres.inference.upscaler import CancelledError, Upscaler
from superres.serving import limits, runtime
from superres.serving.limits import serving_params

Serve = Any


def test_the_environment_overrides_the_file_which_overrides_the_defaults(tmp_path: Path) -> None:
    assert serving_params(tmp_path, {}).max_bytes == 32 << 20
    (tmp_path / "params.yaml").write_text("scale: 2\nserving: {max_bytes: 5, threads: 3}\n")
    assert serving_params(tmp_path, {}).max_bytes == 5
    params = serving_params(tmp_path, {"SUPERRES_MAX_BYTES": "7", "SUPERRES_TILE": "64"})
    assert (params.max_bytes, params.threads, params.tile) == (7, 3, 64)
    assert serving_params(tmp_path, {"SUPERRES_TILE": "auto"}).tile == "auto"


def test_a_wrong_limit_names_where_it_stands(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"SUPERRES_(.|\n)*max_pixels(.|\n)*'many'"):
        serving_params(tmp_path, {"SUPERRES_MAX_PIXELS": "many"})
    (tmp_path / "params.yaml").write_text("serving: {max_byte: 5}\n")
    with pytest.raises(ConfigError, match=r"params\.yaml(.|\n)*max_byte(.|\n)*max_bytes"):
        serving_params(tmp_path, {})


def pieces(count: int, read: list[int]) -> Iterator[bytes]:
    for number in range(count):
        read.append(number)
        yield b"x" * 10_000


@pytest.mark.parametrize("announced", [True, False])
def test_a_body_above_the_limit_is_refused_as_it_comes(
    serve: Serve, announced: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "DRAIN_SECONDS", 0.0)
    headers = {"content-type": "multipart/form-data; boundary=x"}
    headers |= {"content-length": "10000000"} if announced else {}
    client = serve(max_bytes=50_000)
    response = client.post("/upscale", content=pieces(1000, []), headers=headers)
    assert response.status_code == 413
    assert response.json()["error"]["code"] == "too_many_bytes"


UPLOAD = {
    "type": "http",
    "method": "POST",
    "path": "/upscale",
    "headers": [(b"content-type", b"multipart/form-data; boundary=x")],
    "query_string": b"",
    "root_path": "",
}


async def _answer(scope: Any, messages: list[Any], app: Any) -> list[Any]:
    sent: list[Any] = []

    async def receive() -> Any:
        if not messages:
            await anyio.sleep_forever()
        return messages.pop(0)

    async def send(message: Any) -> None:
        sent.append(message)

    await app(dict(scope), receive, send)
    return sent


def test_an_upload_that_stalls_is_given_up(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "IDLE_SECONDS", 0.1)
    begun = {"type": "http.request", "body": b"--x", "more_body": True}
    sent = anyio.run(_answer, UPLOAD, [begun], serve().app)
    assert sent[0]["status"] == 408
    assert b"stalled" in sent[1]["body"]


def test_an_upload_that_drips_is_given_up_too(serve: Serve) -> None:
    drops = [{"type": "http.request", "body": letter, "more_body": True} for letter in (b"-", b"-")]
    sent = anyio.run(_answer, UPLOAD, drops, serve(upload_seconds=1).app)
    assert sent[0]["status"] == 408
    assert b"took more than 1 seconds" in sent[1]["body"]


def test_only_so_many_uploads_at_a_time(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MOST_UPLOADS", 0)
    client = serve()
    refused = client.post("/upscale", files={"image": b"x"})
    assert (refused.status_code, refused.json()["error"]["code"]) == (503, "busy")
    assert int(refused.headers["retry-after"]) > 0
    assert client.get("/models").status_code == 200


def test_a_client_that_leaves_is_no_defect(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    sent = anyio.run(_answer, UPLOAD, [{"type": "http.disconnect"}], serve().app)
    assert sent[0]["status"] == 400
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


def test_work_for_a_client_that_has_left_is_stopped(
    serve: Serve, png: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    noticed = threading.Event()

    def image(self: Upscaler, picture: Any, *, cancelled: Any) -> Any:
        for _ in range(500):
            time.sleep(0.01)
            if cancelled():
                noticed.set()
                raise CancelledError("nobody waits")
        return picture

    monkeypatch.setattr(runtime, "WATCH_SECONDS", 0.05)
    monkeypatch.setattr(Upscaler, "image", image)
    part = b'Content-Disposition: form-data; name="image"; filename="a.png"\r\n\r\n'
    body = b"--x\r\n" + part + png + b"\r\n--x--\r\n"
    messages = [{"type": "http.request", "body": body}, {"type": "http.disconnect"}]
    anyio.run(_answer, UPLOAD, messages, serve().app)
    assert noticed.is_set()
