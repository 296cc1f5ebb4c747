"""What GET /models tells of a model folder, its card and its pictures."""

from pathlib import Path
from typing import Any

import pytest
from small import write_model

from superres.serving.cards import facts

CARD = """# sharp

| fact | value |
|---|---|
| scale | 2 |

| set | model | PSNR-Y dB | SSIM-Y | LPIPS |
|---|---|--:|--:|--:|
| discs | sharp-v | 31.25 | 0.9001 | 0.1234 |
| discs | bicubic | 30.10 | 0.8802 |  |
| stripes | sharp-v | -1.5 | inf | 2e-05 |

| set | model | PSNR-Y dB |
|---|---|--:|
| others | other | 1.00 |
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = write_model(tmp_path / "models" / "runs" / "sharp", 0.05)
    (folder / "README.md").write_text(CARD, encoding="utf-8")
    (folder / "failures").mkdir()
    (folder / "failures" / "worst.png").write_bytes(b"a picture")
    (folder / "secret.txt").write_text("no picture")
    return folder


def test_the_facts_of_a_model(folder: Path) -> None:
    found = facts(folder)
    assert found["bytes"] == (folder / "model.safetensors").stat().st_size
    assert found["licences"] == ["CC0"]
    assert found["degradation"]["scale"] == 2
    assert found["pictures"] == ["failures/worst.png"]
    assert found["card"] is True


def test_the_figures_are_those_of_the_first_table_of_figures(folder: Path) -> None:
    assert facts(folder)["scores"] == {
        "discs": {
            "sharp-v": {"PSNR-Y dB": 31.25, "SSIM-Y": 0.9001, "LPIPS": 0.1234},
            "bicubic": {"PSNR-Y dB": 30.10, "SSIM-Y": 0.8802},
        },
        "stripes": {"sharp-v": {"PSNR-Y dB": -1.5, "LPIPS": 2e-05}},
    }


@pytest.mark.parametrize("content", ["", "[]", '{"provenance": 3}', '{"provenance": {"data": 7}}'])
def test_a_damaged_folder_has_no_facts(folder: Path, content: str) -> None:
    (folder / "model.json").write_text(content, encoding="utf-8")
    assert facts(folder) == {}
    assert facts(folder / "nowhere") == {}


def test_card_and_pictures_over_http(serve: Any, folder: Path) -> None:
    client = serve()
    listed = {one["name"]: one for one in client.get("/models").json()["models"]}
    assert listed["sharp"]["scores"]["discs"]["sharp-v"]["PSNR-Y dB"] == 31.25
    card = client.get("/models/card", params={"model": "sharp"})
    assert card.text == CARD
    assert card.headers["content-type"].startswith("text/markdown")
    picture = {"model": "sharp", "name": "failures/worst.png"}
    answer = client.get("/models/picture", params=picture)
    assert (answer.content, answer.headers["content-type"]) == (b"a picture", "image/png")


@pytest.mark.parametrize(
    ("path", "query", "code"),
    [
        ("/models/card", {"model": "bicubic"}, "no_card"),
        ("/models/card", {"model": "../sharp"}, "unknown_model"),
        ("/models/picture", {"model": "sharp", "name": "secret.txt"}, "no_picture"),
        (
            "/models/picture",
            {"model": "sharp", "name": "../sharp/failures/worst.png"},
            "no_picture",
        ),
        ("/models/picture", {"model": "sharp", "name": "/etc/hostname"}, "no_picture"),
        ("/models/picture", {"model": "sharp"}, "no_picture"),
    ],
)
def test_nothing_else_is_given_out(
    serve: Any, folder: Path, path: str, query: dict[str, str], code: str
) -> None:
    answer = serve().get(path, params=query)
    assert answer.status_code == 404
    assert answer.json()["error"]["code"] == code
