"""What benchmarks/service.py says of a video that runs beside its clients."""

from collections.abc import Iterator

import pytest
from client.conftest import Stand, said, stand

from benchmarks import service_video
from benchmarks.service_video import Film

__all__ = ["stand"]


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service_video, "EVERY_SECONDS", 0.05)
    monkeypatch.setattr(service_video, "STALLED_SECONDS", 0.15)


def state(status: str, frames: int) -> object:
    return said({"task_id": "t", "status": status, "frames_done": frames})


@pytest.fixture
def film(stand: Stand) -> Iterator[Film]:
    yield Film(stand.address, b"film")


def test_frames_are_counted_over_films_until_the_end(film: Film, stand: Stand) -> None:
    stand.say(
        *(state("pending", 0), state("in_progress", 3), state("completed", 9)),
        *(state("pending", 0), state("in_progress", 2), state("canceled", 2)),
    )
    with film.running():
        while len(film.frames) < 3:
            pass
    assert film.frames[:3] == [3, 9, 11]
    assert stand.asked[0][:2] == ("POST", "/upscale_video/submit")
    assert stand.asked[-1][:2] == ("PUT", "/upscale_video/cancel?task_id=t")
    assert film.told().startswith("the video had ")


@pytest.mark.parametrize(
    ("frames", "advances"),
    [([0, 0, 1, 2, 2, 2, 3], True), ([0, 1, 2, 2, 2, 2, 9], False), ([4], False), ([4, 4], False)],
)
def test_a_film_must_advance_all_the_time(film: Film, frames: list[int], advances: bool) -> None:
    film.frames = frames
    if advances:
        film.require_advance()
    else:
        with pytest.raises(SystemExit, match="did not advance"):
            film.require_advance()
