"""A GIF, WebP or PNG that moves: all of it comes back larger, or a refusal that says what helps."""

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from superres.checkpoint import load_model
from superres.inference.pictures import upscale_picture
from superres.inference.upscaler import Upscaler

Serve = Any
FRAMES = 4


def moving(format_name: str, frames: int = FRAMES, side: int = 20) -> bytes:
    chance = np.random.default_rng(0)
    made = [
        Image.fromarray(chance.integers(0, 256, (side, side + 4, 3), np.uint8))
        for _ in range(frames)
    ]
    stream = io.BytesIO()
    times = [100 * number for number in range(1, frames + 1)]
    made[0].save(stream, format_name, save_all=True, append_images=made[1:], duration=times, loop=0)
    return stream.getvalue()


def sent(client: Any, content: bytes, **params: str) -> Any:
    return client.post("/upscale", files={"image": ("a", content)}, params=params)


def refused(response: Any, status: int, code: str) -> str:
    error = response.json()["error"]
    assert (response.status_code, error["code"]) == (status, code), response.text
    return str(error["cure"])


@pytest.mark.parametrize("format_name", ["GIF", "WEBP", "PNG"])
def test_an_animation_is_what_the_command_line_makes_of_it(
    serve: Serve, tmp_path: Path, format_name: str
) -> None:
    suffix = format_name.lower()
    (tmp_path / f"in.{suffix}").write_bytes(moving(format_name))
    answer = sent(serve(model="bicubic"), moving(format_name))
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == f"image/{suffix}"
    assert answer.headers["x-superres-model"] == "bicubic"
    upscaler = Upscaler(load_model("bicubic", scale=4))
    upscale_picture(upscaler, tmp_path / f"in.{suffix}", tmp_path / f"out.{suffix}")
    assert answer.content == (tmp_path / f"out.{suffix}").read_bytes()
    with Image.open(io.BytesIO(answer.content)) as image:
        assert (image.size, image.n_frames) == ((96, 80), FRAMES)


def test_another_format_that_moves_and_another_size(serve: Serve) -> None:
    client = serve()
    with Image.open(io.BytesIO(sent(client, moving("GIF"), format="webp", scale="2").content)) as a:
        assert (a.format, a.n_frames, a.size) == ("WEBP", FRAMES, (48, 40))
    with Image.open(io.BytesIO(sent(client, moving("PNG"), format="gif").content)) as b:
        assert (b.format, b.n_frames) == ("GIF", FRAMES)


def test_a_format_that_does_not_move_is_refused(serve: Serve, png: bytes) -> None:
    client = serve()
    assert "gif, webp or png" in refused(sent(client, moving("GIF"), format="jpg"), 422, "animated")
    refused(sent(client, png, format="gif"), 415, "unsupported_format")  # nor does a still move


@pytest.mark.parametrize(
    ("limits", "code", "cure"),
    [
        ({"max_pixels": 400}, "too_many_pixels", "SUPERRES_MAX_PIXELS"),
        ({"max_frames": 3}, "too_many_frames", "SUPERRES_MAX_FRAMES"),
        ({"max_output_pixels": 30_000}, "animation_too_large", "/upscale_video/submit"),
        ({"max_bytes": 1000}, "too_many_bytes", "SUPERRES_MAX_BYTES"),
    ],
)
def test_all_frames_together_have_limits(
    serve: Serve, limits: dict[str, int], code: str, cure: str
) -> None:
    assert cure in refused(sent(serve(**limits), moving("GIF")), 413, code)


def test_many_large_frames_are_refused_however_small_they_shall_be(serve: Serve) -> None:
    client = serve(max_output_pixels=10_000)
    content = moving("WEBP", side=60)
    refused(sent(client, content, scale="0.1"), 413, "animation_too_large")


def test_a_damaged_animation(serve: Serve) -> None:
    content = moving("GIF")
    client = serve()
    codes = {sent(client, content[: len(content) * part // 8]).status_code for part in range(2, 8)}
    assert codes <= {200, 422}
    assert 422 in codes


def test_an_animation_in_an_archive(serve: Serve) -> None:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as target:
        target.writestr("a.gif", moving("GIF"))
    answer = serve().post("/upscale_batch", files={"archive": ("a.zip", archive.getvalue())})
    with zipfile.ZipFile(io.BytesIO(answer.content)) as found:
        assert json.loads(found.read("report.json"))["files"][0]["result"] == "a.gif"
        with Image.open(io.BytesIO(found.read("a.gif"))) as image:
            assert image.n_frames == FRAMES
