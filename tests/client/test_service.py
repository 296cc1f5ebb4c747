"""The client and the real service."""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from served import environment, noise, png_of, started
from small import scene, write_model

from superres import images, video
from superres.client import Client, Task
from superres.errors import InputError
from superres.images import Picture
from superres.video import Frame

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    folder = tmp_path_factory.mktemp("client")
    model = write_model(folder / "sharp", 0.05)
    settings = {"MODEL": str(model), "API_KEY": "let-me-in", "MAX_FILES": "3"}
    env = environment(folder, **{f"SUPERRES_{key}": value for key, value in settings.items()})
    with (
        started(folder, env) as server,
        Client(f"http://127.0.0.1:{server.port}", key="let-me-in") as client,
    ):
        yield client


def test_a_picture_from_a_file_bytes_an_array_and_a_picture(client: Client, tmp_path: Path) -> None:
    pixels = scene(1)
    images.write(tmp_path / "scene.png", Picture(pixels))
    made = client.image(tmp_path / "scene.png")
    assert (made.version, made.media_type) == ("sharp-v", "image/png")
    assert made.pixels.shape == (96, 128, 3)
    for source in (str(tmp_path / "scene.png"), png_of(pixels), pixels, Picture(pixels)):
        np.testing.assert_array_equal(client.image(source).pixels, made.pixels)
    made.save(tmp_path / "large.png")
    np.testing.assert_array_equal(images.read(tmp_path / "large.png").pixels, made.pixels)


def test_model_format_and_size_are_chosen(client: Client) -> None:
    made = client.image(scene(1), model="bicubic", format="jpg", size="100x")
    assert (made.model, made.media_type, made.picture.width) == ("bicubic", "image/jpeg", 100)
    assert client.image(scene(1), scale=3).pixels.shape == (144, 192, 3)
    assert (made.seconds or 0) > 0
    assert made.request_id


def test_tensors_there_and_back(client: Client) -> None:
    lr = np.broadcast_to(np.float32([[[[0.1]], [[0.2]], [[0.3]]]]), (2, 3, 5, 6))
    made = client.tensor(lr, model="bicubic")
    assert made.sr.dtype == np.float32
    np.testing.assert_allclose(made.sr, lr.repeat(2, axis=2).repeat(2, axis=3), atol=1e-5)
    with pytest.raises(InputError, match="Divide") as raised:
        client.tensor(lr + 1)
    assert raised.value.code == "out_of_range"


def test_a_folder_with_a_bad_picture(client: Client, tmp_path: Path) -> None:
    source, target = tmp_path / "in", tmp_path / "out"
    (source / "deep").mkdir(parents=True)
    for number in range(4):
        images.write(source / "deep" / f"{number}.png", Picture(scene(number)))
    (source / "bad.png").write_bytes(b"no picture")
    steps: list[tuple[int, int]] = []
    report = client.batch(source, target, progress=lambda *step: steps.append(step))
    assert (report.done, report.failed) == (4, 1)
    assert steps == [(3, 5), (5, 5)]  # the service takes three files at a time
    assert [*report.errors] == ["bad.png"]
    written = {path.relative_to(target).as_posix() for path in target.rglob("*.png")}
    assert written == {f"deep/{number}.png" for number in range(4)}
    expected = client.image(source / "deep" / "0.png").pixels
    np.testing.assert_array_equal(images.read(target / "deep" / "0.png").pixels, expected)


def test_a_video_with_its_progress_and_again_from_its_id(client: Client, tmp_path: Path) -> None:
    frames = (Frame(noise(48, 64), n, n / 10, n, Fraction(1, 10)) for n in range(20))
    video.write(tmp_path / "in.mp4", frames)
    told: list[Task] = []
    done = client.video(tmp_path / "in.mp4", tmp_path / "out.mp4", progress=told.append)
    assert told[-1].percent == 100
    assert [task.percent for task in told] == sorted(task.percent or 0 for task in told)
    assert video.probe(tmp_path / "out.mp4").frames == 20
    client.wait(done.task_id)
    client.result(done.task_id, tmp_path / "again.mp4")
    assert (tmp_path / "again.mp4").read_bytes() == (tmp_path / "out.mp4").read_bytes()


def test_models_limits_and_a_wrong_key(client: Client) -> None:
    assert client.is_ready()
    assert client.models()[0]["name"] == "sharp"
    assert client.limits()["max_files"] == 3
    address = str(client._http.base_url)
    with Client(address, key="wrong") as stranger, pytest.raises(InputError) as raised:
        stranger.models()
    assert (raised.value.status, raised.value.code) == (401, "unauthorized")
