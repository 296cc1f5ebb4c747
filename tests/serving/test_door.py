"""Every request has an id and a line in the log, shows the key where there is one, is counted."""

import json
import logging
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from superres.checkpoint import save_model
from superres.config import ServingParams
from superres.models import build
from superres.serving.logs import JsonLines, configure, request_id
from superres.serving.measures import metrics
from superres.serving.models import Models
from superres.serving.runtime import Runtime

Serve = Any


@pytest.fixture
def guarded(serve: Serve, tmp_path: Path) -> TestClient:
    params = ServingParams()
    client: TestClient = serve(
        runtime=Runtime(params, Models(tmp_path, "nearest", params), key="s3")
    )
    return client


def test_a_request_keeps_its_id(serve: Serve) -> None:
    client = serve()
    given = client.get("/models", headers={"X-Request-ID": "mine-1"})
    assert given.headers["x-request-id"] == "mine-1"


@pytest.mark.parametrize("given", ["", "two words", "x" * 65, "<script>", "a\tb"])
def test_other_ids_are_replaced(serve: Serve, given: str) -> None:
    found = serve().get("/nothing", headers={"X-Request-ID": given}).headers["x-request-id"]
    assert len(found) == 32
    assert found.isalnum()


def test_without_the_key_nothing_is_done(guarded: TestClient, png: bytes) -> None:
    for headers in ({}, {"X-API-Key": "s"}, {"Authorization": "Bearer s33"}, {"X-API-Key": "ü"}):
        raw = {name: value.encode() for name, value in headers.items()}
        refused = guarded.post("/upscale", files={"image": png}, headers=raw)
        assert (refused.status_code, refused.json()["error"]["code"]) == (401, "unauthorized")
        assert refused.headers["www-authenticate"] == "Bearer"
    assert guarded.get("/upscale_video/status?task_id=1").status_code == 401
    assert guarded.get("/models").status_code == 401


@pytest.mark.parametrize("headers", [{"X-API-Key": "s3"}, {"Authorization": "bearer s3"}])
def test_with_the_key_all_is_done(guarded: TestClient, png: bytes, headers: dict[str, str]) -> None:
    assert guarded.post("/upscale", files={"image": png}, headers=headers).status_code == 200


@pytest.mark.parametrize("path", ["/", "/docs.json", "/limits"])
def test_the_description_needs_no_key(guarded: TestClient, path: str) -> None:
    assert guarded.get(path).status_code == 200


def test_a_request_is_one_line_of_json(
    serve: Serve, png: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    client = serve()
    with caplog.at_level(logging.INFO, "superres"):
        client.post("/upscale", files={"image": png}, headers={"X-Request-ID": "mine-2"})
    (record,) = [each for each in caplog.records if each.name == "superres.serving.door"]
    token = request_id.set("mine-2")
    line = json.loads(JsonLines().format(record))
    request_id.reset(token)
    assert line["request_id"] == "mine-2"
    assert (line["method"], line["path"], line["status"]) == ("POST", "/upscale", 200)
    assert (line["model"], line["version"], line["level"]) == ("nearest", "nearest", "info")
    assert line["bytes_in"] > len(png)
    assert line["milliseconds"] > 0


def test_a_defect_is_logged_with_the_id_of_its_request(
    serve: Serve, png: bytes, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*args: Any, **options: Any) -> None:
        raise ZeroDivisionError("here it is")

    monkeypatch.setattr("superres.inference.upscaler.Upscaler.image", broken)
    ours = logging.getLogger("superres")
    before = (ours.handlers, ours.propagate, ours.level)
    try:
        configure({})
        answer = serve().post("/upscale", files={"image": png}, headers={"X-Request-ID": "mine-3"})
    finally:
        ours.handlers, ours.propagate = before[:2]
        ours.setLevel(before[2])
    assert (answer.status_code, answer.headers["x-request-id"]) == (500, "mine-3")
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    (told,) = [line for line in lines if line["level"] == "error"]
    assert told["request_id"] == "mine-3"
    assert "ZeroDivisionError: here it is" in told["error"]


def value(metric: str, /, **labels: str) -> float:
    from prometheus_client import REGISTRY

    return REGISTRY.get_sample_value(metric, labels) or 0.0


def test_answers_pixels_and_tiles_are_counted(serve: Serve, png: bytes) -> None:
    metrics()
    who = {"model": "nearest", "version": "nearest", "network": "nearest"}
    which = {**who, "kind": "picture"}
    client = serve()

    def now() -> list[float]:
        return [
            value("superres_requests_total", path="/upscale", status="200"),
            value("superres_requests_total", path="other", status="404"),
            value("superres_input_pixels_total", **which),
            value("superres_output_pixels_total", **which),
            value("superres_tiles_total", **who),
        ]

    before = now()
    client.post("/upscale", files={"image": png})
    client.get("/nothing")
    pixels = 40 * 56
    grown = [after - old for after, old in zip(now(), before, strict=True)]
    assert grown == [1, 1, pixels, 16 * pixels, 1]
    assert value("superres_model_loaded", **who) == 1
    assert (value("superres_waiting"), value("superres_computing")) == (0, 0)


def test_models_of_the_same_network_are_told_apart(
    serve: Serve, png: bytes, tmp_path: Path
) -> None:
    metrics()
    for name in ("plain", "fancy"):
        folder = tmp_path / "models" / "runs" / name
        save_model(folder, build("bicubic", scale=2), {"version": f"{name}-1"})
    client = serve()

    def tiles(name: str) -> float:
        which = {"model": name, "version": f"{name}-1", "network": "bicubic"}
        return value("superres_tiles_total", **which)

    before = {name: tiles(name) for name in ("plain", "fancy")}
    client.post("/upscale", files={"image": png}, params={"model": "fancy"})
    assert {name: tiles(name) - before[name] for name in before} == {"plain": 0, "fancy": 1}
