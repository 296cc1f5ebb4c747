"""The service as it is run: a real server, and the bento far from its source."""

import shutil
import socket
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from served import environment, noise, png_of, started

from superres import images, video
from superres.checkpoint import save_model
from superres.models import build
from superres.video import Frame, VideoOptions

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("served")


@pytest.fixture(scope="module")
def client(folder: Path) -> Iterator[httpx.Client]:
    options: dict[str, Any] = {"scale": 2, "channels": 8, "layers": 3}
    model = save_model(folder / "mine", build("compact", **options), {"version": "3"})
    env = environment(
        folder,
        SUPERRES_MODEL=str(model),
        SUPERRES_MAX_BYTES="400000",
        SUPERRES_MAX_VIDEO_BYTES="20000000",
        SUPERRES_THREADS="2",
        TMPDIR=str(folder / "volume" / "tmp"),  # which an empty volume does not have
    )
    with started(folder, env) as server:
        yield server.client


@pytest.mark.e2e
def test_a_picture_and_where_it_comes_from(client: httpx.Client) -> None:
    response = client.post("/upscale", files={"image": png_of(noise(40, 60))})
    assert response.status_code == 200
    assert response.headers["x-superres-model"] == "mine"
    assert response.headers["x-superres-network"] == "compact"
    assert response.headers["x-superres-version"] == "3"
    assert images.decode(response.content).pixels.shape == (80, 120, 3)


@pytest.mark.e2e
def test_what_it_writes_lies_in_the_folder_that_it_is_told(
    client: httpx.Client, folder: Path
) -> None:
    assert client.get("/readyz").status_code == 200
    assert list((folder / "volume" / "tmp").glob("superres-jobs-*/.lock"))


@pytest.mark.e2e
def test_bad_uploads_are_4xx_in_one_form(client: httpx.Client) -> None:
    picture = png_of(noise(40, 60))
    for content, status in ((b"", 400), (b"text", 415), (picture[:700], 422)):
        response = client.post("/upscale", files={"image": ("a.png", content, "image/png")})
        assert response.status_code == status
        assert set(response.json()["error"]) == {"code", "message", "cure"}
    assert client.get("/nothing").json()["error"]["code"] == "not_found"
    assert client.put("/upscale").json()["error"]["code"] == "method_not_allowed"


@pytest.mark.e2e
def test_a_body_too_large_is_refused_early(client: httpx.Client) -> None:
    start = time.monotonic()
    response = client.post("/upscale", files={"image": b"x" * 50_000_000})
    assert (response.status_code, response.json()["error"]["code"]) == (413, "too_many_bytes")
    part = b'--x\r\nContent-Disposition: form-data; name="image"; filename="a"\r\n\r\n'
    chunks = (part if number == 0 else b"x" * 100_000 for number in range(500))
    kind = {"content-type": "multipart/form-data; boundary=x"}
    response = client.post("/upscale", content=chunks, headers=kind)
    assert (response.status_code, response.json()["error"]["code"]) == (413, "too_many_bytes")
    assert time.monotonic() - start < 15


@pytest.mark.e2e
def test_an_upload_that_breaks_off_does_no_harm(client: httpx.Client) -> None:
    with socket.create_connection((client.base_url.host, client.base_url.port or 0)) as connection:
        head = "POST /upscale HTTP/1.1\r\nHost: x\r\nContent-Length: 5000\r\n"
        connection.sendall(
            (head + "Content-Type: multipart/form-data; boundary=x\r\n\r\n--x").encode()
        )
    assert client.get("/livez").status_code == 200
    assert client.post("/upscale", files={"image": png_of(noise(8, 8))}).status_code == 200


@pytest.mark.e2e
def test_arrays_there_and_back(client: httpx.Client) -> None:
    batch = np.full((2, 6, 5, 3), 0.5).tolist()
    response = client.post("/predict", json={"instances": batch})
    assert response.status_code == 200
    predictions = np.array(response.json()["predictions"])
    assert predictions.shape == (2, 12, 10, 3)
    np.testing.assert_allclose(predictions, 0.5, atol=1e-5)


@pytest.mark.e2e
def test_pictures_and_health_are_answered_while_a_video_runs(
    client: httpx.Client, tmp_path: Path
) -> None:
    pixels = noise(240, 320)
    frames = (Frame(np.roll(pixels, n, 1), n, n / 25, n, Fraction(1, 25)) for n in range(150))
    video.write(tmp_path / "long.mp4", frames, options=VideoOptions(crf=40))
    content = (tmp_path / "long.mp4").read_bytes()
    response = client.post("/upscale_video/submit", files={"video": ("long.mp4", content)})
    task = {"task_id": response.json()["task_id"]}
    while client.get("/upscale_video/status", params=task).json()["frames_done"] < 2:
        time.sleep(0.1)

    start = time.monotonic()
    assert client.get("/livez").status_code == 200
    assert client.post("/upscale", files={"image": png_of(noise(8, 8))}).status_code == 200
    assert time.monotonic() - start < 5

    stopped = client.put("/upscale_video/cancel", params=task).json()
    assert stopped["status"] == "canceled"
    assert stopped["frames_done"] < 150
    again = client.get("/upscale_video/status", params=task).json()
    assert again["frames_done"] == stopped["frames_done"]


@pytest.mark.e2e
def test_a_video_to_its_end(client: httpx.Client, tmp_path: Path) -> None:
    frames = (Frame(noise(32, 48), n, n / 10, n, Fraction(1, 10)) for n in range(8))
    video.write(tmp_path / "in.mp4", frames)
    upload = {"video": ("in.mp4", (tmp_path / "in.mp4").read_bytes())}
    task = {"task_id": client.post("/upscale_video/submit", files=upload).json()["task_id"]}
    for _ in range(200):
        status = client.get("/upscale_video/status", params=task).json()["status"]
        if status == "completed":
            break
        time.sleep(0.1)
    (tmp_path / "sr.mp4").write_bytes(client.get("/upscale_video/get", params=task).content)
    info = video.probe(tmp_path / "sr.mp4")
    assert (info.width, info.height, info.frames) == (96, 64, 8)


@pytest.mark.e2e
@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not here")
def test_the_loop_of_the_readme_tells_per_cent_until_the_end(
    client: httpx.Client, tmp_path: Path
) -> None:
    frames = (Frame(noise(32, 48), n, n / 10, n, Fraction(1, 10)) for n in range(8))
    video.write(tmp_path / "clip.mp4", frames)
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    _, begin, rest = text.partition("$ id=$(curl")
    script = (begin + rest).partition("$ curl -s -X PUT")[0]
    lines = [line.removeprefix("$ ") for line in script.splitlines()]
    here = "\n".join(lines).replace("http://127.0.0.1:3000", str(client.base_url).rstrip("/"))
    told = subprocess.run(
        ["bash", "-c", here], cwd=tmp_path, capture_output=True, text=True, check=True, timeout=60
    )
    assert told.stdout.splitlines()[-1] == '"percent":100.0'
    assert video.probe(tmp_path / "clip-x4.mp4").frames == 8


@pytest.mark.e2e
def test_bentoml_keeps_health_metrics_and_the_page(client: httpx.Client) -> None:
    for path in ("/livez", "/readyz", "/metrics", "/docs.json", "/", "/static_content/index.css"):
        assert client.get(path).status_code == 200, path
    metrics = client.get("/metrics").text
    for name in ("bentoml_service_request_total", "superres_output_pixels_total"):
        assert name in metrics
    assert 'superres_model_loaded{model="mine",network="compact",version="3"} 1.0' in metrics
    assert client.get("/models").json()["default"] == "mine"


@pytest.mark.e2e
def test_the_bento_serves_far_from_its_source(tmp_path: Path) -> None:
    """Built from a copy that is then removed, run by a Python that knows no superres."""
    source = tmp_path / "source"
    shutil.copytree(ROOT / "src", source / "src", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("bentofile.yaml", ".bentoignore", "params.yaml"):
        shutil.copy(ROOT / name, source)
    (source / "data").mkdir()
    (source / "data" / "large.bin").write_bytes(b"x")
    save_model(source / "models" / "champion", build("bicubic", scale=3), {"version": "11"})
    env = environment(tmp_path)
    subprocess.run(
        [sys.executable, "-m", "bentoml", "build", "--output", "tag"],
        cwd=source,
        env={**env, "PYTHONPATH": str(source / "src")},
        check=True,
        capture_output=True,
    )
    shutil.rmtree(source)

    python = _python_without_superres(tmp_path / "python")
    (bento,) = (
        path for path in (tmp_path / "bentoml/bentos/super-resolution").iterdir() if path.is_dir()
    )
    packed = {path.relative_to(bento / "src").parts[0] for path in (bento / "src").rglob("*.*")}
    assert packed == {"superres", "models", "params.yaml", "bentofile.yaml"}
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    with started(elsewhere, env, python, "super-resolution:latest") as server:
        client = server.client
        response = client.post("/upscale", files={"image": png_of(noise(10, 10))})
        assert response.headers["x-superres-version"] == "11"
        assert images.decode(response.content).width == 30
        assert client.get("/models").json()["default"] == "champion"


def _python_without_superres(folder: Path) -> Path:
    """Make an environment that sees this one's libraries but not the editable package."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    (site,) = folder.glob("lib/python*/site-packages")
    (site / "libraries.pth").write_text(sysconfig.get_path("purelib") + "\n")
    python = folder / "bin" / "python"
    found = subprocess.run([python, "-c", "import superres"], capture_output=True, check=False)
    assert found.returncode != 0
    return python
