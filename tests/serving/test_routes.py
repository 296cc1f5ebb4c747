"""What the addresses answer: pictures, arrays, models, and one form of error for all the rest."""

import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from starlette.testclient import TestClient

from superres import images
from superres.checkpoint import save_model
from superres.images import Picture
from superres.inference.upscaler import Upscaler
from superres.models import build
from superres.serving.cures import AT, CURES, STATUS_CURES
from superres.serving.forms import WORDS

Serve = Any


def error_of(response: Any, status: int, code: str) -> dict[str, str]:
    """Check the one form of every error and return it."""
    assert response.status_code == status, response.text
    (error,) = response.json().values()
    assert list(response.json()) == ["error"]
    assert set(error) == {"code", "message", "cure"}
    assert error["code"] == code
    assert len(error["cure"]) > 10
    return dict(error)


def test_a_picture_comes_back_larger(serve: Serve, png: bytes, photo: NDArray[np.uint8]) -> None:
    response = serve().post("/upscale", files={"image": png})
    assert response.status_code == 200
    assert response.headers["content-type"] == "image/png"
    assert response.headers["x-superres-model"] == "nearest"
    assert response.headers["x-superres-version"] == "nearest"
    expected = photo.repeat(4, axis=0).repeat(4, axis=1)
    np.testing.assert_array_equal(images.decode(response.content).pixels, expected)


@pytest.mark.parametrize(("name", "magic"), [("jpg", b"\xff\xd8"), ("webp", b"RIFF")])
@pytest.mark.parametrize("place", ["query", "form"])
def test_the_format_can_be_chosen(
    serve: Serve, png: bytes, name: str, magic: bytes, place: str
) -> None:
    options: Any = {"params" if place == "query" else "data": {"format": name}}
    response = serve().post("/upscale", files={"image": png}, **options)
    assert response.status_code == 200
    assert response.content.startswith(magic)


def test_the_model_can_be_chosen(serve: Serve, png: bytes, tmp_path: Path) -> None:
    save_model(tmp_path / "models" / "runs" / "mine", build("bicubic", scale=2), {"version": "5"})
    client = serve()
    for options in ({"params": {"model": "mine"}}, {"data": {"model": "mine"}}):
        response = client.post("/upscale", files={"image": png}, **options)
        assert response.headers["x-superres-version"] == "5"
        assert images.decode(response.content).width == 2 * 56
    assert [m["name"] for m in client.get("/models").json()["models"]][:2] == ["nearest", "mine"]


def test_the_name_in_an_answer_can_be_sent_back(serve: Serve, png: bytes, tmp_path: Path) -> None:
    save_model(tmp_path / "models" / "runs" / "mine", build("bicubic", scale=2), {"version": "5"})
    client = serve(model="mine")
    array = {"instances": np.zeros((1, 2, 2, 3)).tolist()}
    for answer in (
        client.post("/upscale", files={"image": png}),
        client.post("/predict", json=array),
    ):
        told = answer.headers
        assert (told["x-superres-model"], told["x-superres-network"]) == ("mine", "bicubic")
    assert answer.json()["model"] == "mine"
    exactly = {"model": f"{told['x-superres-model']}@{told['x-superres-version']}"}
    assert client.post("/predict", json={**array, **exactly}).json()["model"] == "mine"
    (facts,) = [one for one in client.get("/models").json()["models"] if one["name"] == "mine"]
    assert facts["network"] == "bicubic"


@pytest.mark.parametrize(
    ("options", "size"),
    [
        ({"scale": "3"}, (168, 120)),
        ({"scale": "0.5"}, (28, 20)),
        ({"size": "100x90"}, (100, 90)),
        ({"size": "x80"}, (112, 80)),
    ],
)
@pytest.mark.parametrize("place", ["params", "data"])
def test_the_size_can_be_chosen(
    serve: Serve, png: bytes, options: dict[str, str], size: tuple[int, int], place: str
) -> None:
    response = serve().post("/upscale", files={"image": png}, **{place: options})
    assert response.status_code == 200
    picture = images.decode(response.content)
    assert (picture.width, picture.height) == size
    assert float(response.headers["x-superres-seconds"]) > 0


@pytest.mark.parametrize(
    "options",
    [
        {"scale": "0"},
        {"scale": "nan"},
        {"scale": "-1"},
        {"scale": "1e9"},
        {"scale": "many"},
        {"size": "0x9"},
        {"size": "9"},
        {"size": "x"},
        {"size": "9x9", "scale": "2"},
    ],
)
def test_sizes_that_make_no_sense(serve: Serve, png: bytes, options: dict[str, str]) -> None:
    error_of(serve().post("/upscale", files={"image": png}, params=options), 400, "bad_size")


def test_a_size_has_limits_too(serve: Serve, png: bytes) -> None:
    client = serve(max_output_pixels=100_000)
    for options in ({"scale": "64"}, {"size": "9999x9999"}, {"size": "1x80000"}, {"size": "9999x"}):
        response = client.post("/upscale", files={"image": png}, params=options)
        error_of(response, 413, "too_many_output_pixels")


@pytest.mark.parametrize("name", ["none", "../models/runs/mine", "/etc", "runs/mine"])
def test_a_model_that_is_not_served(serve: Serve, png: bytes, tmp_path: Path, name: str) -> None:
    save_model(tmp_path / "models" / "runs" / "mine", build("bicubic"), {})
    response = serve().post("/upscale", files={"image": png}, params={"model": name})
    assert "mine" in error_of(response, 404, "unknown_model")["message"]


@pytest.mark.parametrize(
    ("content", "status", "code"),
    [
        (b"", 400, "empty"),
        (b"plain text", 415, "unsupported_type"),
        (b"\x89PNG\r\n\x1a\n and no more", 422, "corrupt_image"),
        (b"GIF89a", 422, "corrupt_image"),
        (b"\xff\xd8\xff\xe0", 422, "corrupt_image"),
    ],
)
def test_bad_pictures(serve: Serve, content: bytes, status: int, code: str) -> None:
    response = serve().post("/upscale", files={"image": ("photo.png", content, "image/png")})
    error_of(response, status, code)


def test_a_damaged_picture_is_told_of_in_words(serve: Serve, png: bytes) -> None:
    response = serve().post("/upscale", files={"image": png[:10]})
    message = error_of(response, 422, "corrupt_image")["message"]
    assert message == "the PNG file is damaged or truncated: its parts do not fit together"


def test_a_truncated_picture(serve: Serve, png: bytes) -> None:
    response = serve().post("/upscale", files={"image": png[: len(png) // 2]})
    error_of(response, 422, "corrupt_image")


def test_bad_forms(serve: Serve, png: bytes) -> None:
    client = serve()
    error_of(client.post("/upscale", files={"picture": png}), 400, "missing_field")
    error_of(client.post("/upscale", content=png), 415, "unsupported_media_type")
    form = {"content-type": "multipart/form-data; boundary=x"}
    error_of(client.post("/upscale", content=b"--x\r\n...", headers=form), 400, "missing_field")
    error_of(client.post("/upscale", content=b"nothing", headers=form), 400, "malformed")
    form = {"content-type": "multipart/form-data"}
    error_of(client.post("/upscale", content=b"--x--", headers=form), 400, "malformed")
    response = client.post("/upscale", files={"image": png}, data={"format": "exe"})
    error_of(response, 415, "unsupported_format")


@pytest.mark.parametrize("place", ["params", "data"])
def test_a_misspelt_word_is_refused_with_those_accepted(
    serve: Serve, png: bytes, place: str
) -> None:
    client = serve()
    for path, field, accepted in (
        ("/upscale", "image", "model, format, scale, size"),
        ("/upscale_batch", "archive", "model, format, scale, size"),
        ("/upscale_video/submit", "video", "model"),
    ):
        response = client.post(path, files={field: png}, **{place: {"modell": "bicubic"}})
        message = error_of(response, 400, "unknown_word")["message"]
        assert message.endswith(f"has 'modell'; accepted: {accepted}")


@pytest.mark.parametrize(
    ("path", "accepted"),
    [
        ("/models", "none"),
        ("/limits", "none"),
        ("/models/card", "model"),
        ("/models/picture", "model, name"),
        ("/upscale_video/status", "task_id"),
        ("/upscale_video/get", "task_id"),
    ],
)
def test_a_misspelt_question_is_refused(serve: Serve, path: str, accepted: str) -> None:
    response = serve().get(path, params={"i" * 99: ""})
    message = error_of(response, 400, "unknown_word")["message"]
    assert message == f"the query has '{'i' * 40}'; accepted: {accepted}"


def test_every_word_of_the_description_is_accepted_and_no_other(serve: Serve) -> None:
    described = {
        path: tuple(one["name"] for one in operation.get("parameters", ()) if one["in"] == "query")
        for path, item in serve().get("/docs.json").json()["paths"].items()
        for operation in item.values()
    }
    assert {path: described[path] for path in WORDS} == WORDS
    assert {path for path, words in described.items() if words} <= {*WORDS}


def test_sizes_are_refused_before_the_work(serve: Serve, png: bytes) -> None:
    few_pixels = serve(max_pixels=2000).post("/upscale", files={"image": png})
    error_of(few_pixels, 413, "too_many_pixels")
    few_out = serve(max_output_pixels=10_000).post("/upscale", files={"image": png})
    error_of(few_out, 413, "too_many_output_pixels")
    few_bytes = serve(max_bytes=1000).post("/upscale", files={"image": png})
    error_of(few_bytes, 413, "too_many_bytes")


def test_other_addresses_and_methods(serve: Serve) -> None:
    client = serve()
    error_of(client.get("/nothing/here"), 404, "not_found")
    refused = client.get("/upscale")
    error_of(refused, 405, "method_not_allowed")
    assert refused.headers["allow"] == "POST"


def test_not_ready_is_said_with_a_time_to_wait(serve: Serve, png: bytes) -> None:
    response = serve(warm=False).post("/upscale", files={"image": png})
    error_of(response, 503, "loading")
    assert int(response.headers["retry-after"]) > 0


def test_a_model_that_cannot_be_served_is_said(serve: Serve, png: bytes) -> None:
    response = serve(model="champion").post("/upscale", files={"image": png})
    assert "champion" in error_of(response, 503, "model_unavailable")["message"]


class Slow:
    """Lets upscaling wait until it is released or cancelled."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.release = threading.Event()
        self.given_up = threading.Event()
        monkeypatch.setattr(Upscaler, "image", self.image)

    def image(self, picture: Any, *, cancelled: Any) -> Any:
        while not self.release.wait(0.02):
            if cancelled():
                self.given_up.set()
                raise RuntimeError("cancelled")
        return picture


def test_more_requests_than_may_wait_are_refused(
    serve: Serve, png: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    client: TestClient = serve(threads=1, max_waiting=4)
    slow = Slow(monkeypatch)
    answers: list[Any] = []

    def ask() -> None:
        answers.append(client.post("/upscale", files={"image": png}))

    threads = [threading.Thread(target=ask) for _ in range(7)]
    for thread in threads:
        thread.start()
    while len(answers) < 2:
        time.sleep(0.02)
    slow.release.set()
    for thread in threads:
        thread.join()
    assert sorted(answer.status_code for answer in answers) == [200] * 5 + [503] * 2
    refused = next(answer for answer in answers if answer.status_code == 503)
    error_of(refused, 503, "busy")
    assert int(refused.headers["retry-after"]) > 0


def test_too_slow_work_is_stopped(
    serve: Serve, png: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = serve(timeout_seconds=1)
    slow = Slow(monkeypatch)
    error_of(client.post("/upscale", files={"image": png}), 503, "timeout")
    assert slow.given_up.wait(2)


def test_a_defect_is_a_500_without_its_details(
    serve: Serve, png: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*args: Any, **options: Any) -> None:
        raise ZeroDivisionError("secret")

    client: TestClient = serve()
    client._transport.raise_server_exceptions = False
    monkeypatch.setattr(Upscaler, "image", broken)
    response = client.post("/upscale", files={"image": png})
    assert "secret" not in error_of(response, 500, "failed")["message"]


def test_the_description_has_every_address(serve: Serve) -> None:
    client = serve()
    document = client.get("/docs.json").json()
    described = {
        (method.upper(), path) for path, item in document["paths"].items() for method in item
    }
    served = {
        (method, route.path.replace(":path}", "}"))
        for route in client.app.routes
        for method in route.methods - {"HEAD"}
        if route.path not in ("/", "/docs.json", "/{path:path}", "/ui", "/ui/", "/ui/{name}")
    }
    probes = {("GET", "/livez"), ("GET", "/readyz"), ("GET", "/metrics")}
    assert described == served | probes


def test_limits_and_versions_are_told(serve: Serve) -> None:
    client = serve(max_pixels=123)
    limits = client.get("/limits").json()
    assert limits["max_pixels"] == 123
    assert "png" in limits["formats"]
    answer = client.get("/models/nearest/versions").json()
    assert answer == {"name": "nearest", "versions": [{"version": "nearest", "current": True}]}
    error_of(client.get("/models/none/versions"), 404, "unknown_model")


def test_a_result_that_its_format_cannot_hold(serve: Serve) -> None:
    tall = images.encode(Picture(np.zeros((20_000, 1, 3), np.uint8)))
    response = serve().post("/upscale", files={"image": tall}, params={"format": "jpg"})
    error_of(response, 422, "too_wide")


def test_the_page_asks_no_other_host(serve: Serve) -> None:
    page = serve().get("/").text
    assert "swagger-ui-bundle.js" in page
    assert "http" not in page


def test_every_cure_is_a_sentence() -> None:
    for cures in (CURES, STATUS_CURES, *AT.values()):
        assert all(cure.endswith(".") and cure[0].isupper() for cure in cures.values())


def test_a_cure_fits_the_address(serve: Serve, png: bytes, clip: bytes) -> None:
    client = serve(max_bytes=50_000, max_video_bytes=50_000)
    film = client.post("/upscale", files={"image": ("a.mp4", clip)})
    assert "/upscale_video/submit" in error_of(film, 415, "unsupported_type")["cure"]
    still = client.post("/upscale_video/submit", files={"video": ("a.png", png)})
    assert "POST /upscale." in error_of(still, 415, "unsupported_type")["cure"]
    for path, field in (("upscale", "image"), ("upscale_batch", "archive")):
        nothing = client.post(f"/{path}", files={"other": png})
        assert f"-F {field}=@" in error_of(nothing, 400, "missing_field")["cure"]
        other = client.post(f"/{path}", content=b"x")
        assert f"-F {field}=@" in error_of(other, 415, "unsupported_media_type")["cure"]
    large = client.post("/upscale", files={"image": b"x" * 200_000})
    assert error_of(large, 413, "too_many_bytes")["cure"].endswith("raise SUPERRES_MAX_BYTES.")
    array = client.post("/predict", content=b"x" * 200_000)
    assert "arrays" in error_of(array, 413, "too_many_bytes")["cure"]
