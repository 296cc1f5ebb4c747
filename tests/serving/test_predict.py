"""`POST /predict`: a batch of arrays in JSON, both ways (report R2)."""

import json
from typing import Any

import numpy as np
import pytest

from superres.errors import InputError
from superres.serving.predict import parse

Serve = Any


def test_a_batch_comes_back_larger(serve: Serve) -> None:
    batch = np.random.default_rng(0).random((2, 5, 6, 3)).round(3)
    response = serve(model="nearest").post("/predict", json={"instances": batch.tolist()})
    assert response.status_code == 200
    content = response.json()
    assert set(content) == {"predictions", "model", "version"}
    expected = batch.repeat(4, axis=1).repeat(4, axis=2)
    np.testing.assert_allclose(content["predictions"], expected, atol=1e-6)


def test_a_batch_equals_its_pictures_one_by_one(serve: Serve) -> None:
    client = serve(model="lanczos")
    batch = np.random.default_rng(1).random((3, 7, 5, 3))
    together = client.post("/predict", json={"instances": batch.tolist()}).json()["predictions"]
    for picture, expected in zip(batch, together, strict=True):
        alone = client.post("/predict", json={"instances": [picture.tolist()]}).json()
        np.testing.assert_allclose(alone["predictions"][0], expected, atol=2e-6)


@pytest.mark.parametrize("place", ["query", "body"])
def test_the_model_can_be_chosen(serve: Serve, place: str) -> None:
    content: dict[str, Any] = {"instances": np.zeros((1, 2, 2, 3)).tolist()}
    params = {"model": "bicubic"} if place == "query" else {}
    if place == "body":
        content["model"] = "bicubic"
    assert serve().post("/predict", json=content, params=params).json()["model"] == "bicubic"


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"", 400, "malformed_json"),
        (b"{", 400, "malformed_json"),
        (b"\xff\xfe", 400, "malformed_json"),
        (b"[" * 100_000, 400, "malformed_json"),
        (b"[]", 400, "missing_instances"),
        (b'{"instances": 3}', 400, "missing_instances"),
        (b'{"inputs": []}', 400, "missing_instances"),
        (b'{"instances": [], "model": 3}', 400, "malformed"),
        (b'{"instances": []}', 422, "wrong_shape"),
        (b'{"instances": [[[0.1]]]}', 422, "wrong_shape"),
        (b'{"instances": [[[[0.1]]]]}', 422, "wrong_shape"),
        (b'{"instances": [[[[0, 0, 0]], [[0, 0, 0], [0, 0, 0]]]]}', 422, "ragged"),
        (b'{"instances": [[[["0", "0", "0"]]]]}', 422, "not_numbers"),
        (b'{"instances": [[[[true, true, true]]]]}', 422, "not_numbers"),
        (b'{"instances": [[[[null, 0, 0]]]]}', 422, "not_numbers"),
        (b'{"instances": [[[[NaN, 0, 0]]]]}', 422, "out_of_range"),
        (b'{"instances": [[[[Infinity, 0, 0]]]]}', 422, "out_of_range"),
        (b'{"instances": [[[[255, 0, 0]]]]}', 422, "out_of_range"),
        (b'{"instances": [[[[-0.01, 0, 0]]]]}', 422, "out_of_range"),
        (b'{"instances": [[[[1' + b"0" * 400 + b", 0, 0]]]]}", 422, "not_numbers"),
    ],
)
def test_bad_bodies(body: bytes, status: int, code: str) -> None:
    with pytest.raises(InputError) as raised:
        parse(body)
    assert (raised.value.status, raised.value.code) == (status, code)


def test_bad_requests_over_http(serve: Serve) -> None:
    client = serve(max_output_pixels=100)
    large = json.dumps({"instances": np.zeros((1, 3, 3, 3)).tolist()})
    assert client.post("/predict", content=large).status_code == 413
    assert client.post("/predict", content="{").json()["error"]["code"] == "malformed_json"
    wrong = client.post("/predict", content=large, headers={"content-type": "text/csv"})
    assert wrong.json()["error"]["code"] == "unsupported_media_type"
    assert client.post("/predict", json={"instances": [[]]}).status_code == 422
