"""Films through networks of video: pieces join, scenes stay apart, memory stays flat."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from films import frame
from numpy.typing import NDArray
from scenery import moved, scenery
from video_specification import stirred

from superres import video
from superres.checkpoint import Model, load_model, save_model
from superres.errors import ConfigError, ModelError
from superres.inference.footage import _upscaled
from superres.inference.remembered import lead_of
from superres.inference.sizing import Wanted
from superres.inference.temporal import VideoBackend, through
from superres.inference.upscaler import Upscaler
from superres.models import build
from superres.video import Frame, Part

Pixels = NDArray[Any]
FORMS: dict[str, dict[str, Any]] = {
    "causal": {"name": "recurrent", "scale": 2, "channels": 4, "layers": 2},
    "both": {"name": "recurrent", "scale": 2, "channels": 4, "layers": 2, "ahead": 3},
    "window": {"name": "volume", "scale": 2, "channels": 4, "blocks": 1, "skip": "bicubic"},
    "lstm": {
        **{"name": "video_srgan", "scale": 2, "channels": 4, "blocks": 1, "skip": "bicubic"},
        **{"recurrent": True, "align": "dis"},
    },
}


def model(form: str) -> Model:
    torch.manual_seed(6)
    network = stirred(build(**FORMS[form])).eval()
    return Model(network, network.info, {"version": form})


def pan(count: int, seed: int = 3, height: int = 24, width: int = 32) -> list[Pixels]:
    whole = scenery(seed, 96, 128)
    return [
        moved(whole, -k, -2 * k)[20 : 20 + height, 20 : 20 + width].copy() for k in range(count)
    ]


def never(_: object) -> bool:
    return False


def whole(form: str, frames: list[Pixels]) -> list[Pixels]:
    """Compute all frames at once, as levels."""
    lr = torch.from_numpy(np.stack(frames)).permute(0, 3, 1, 2)[None].float() / 255
    with torch.inference_mode():
        sr = model(form).generator(lr)[0].clamp(0, 1).mul(255).add(0.5).floor()
    return list(sr.permute(0, 2, 3, 1).to(torch.uint8).numpy())


def differ(found: list[Pixels], wanted: list[Pixels]) -> int:
    """Return the largest difference in levels."""
    assert len(found) == len(wanted)
    pairs = zip(found, wanted, strict=True)
    return max(int(np.abs(a.astype(int) - b.astype(int)).max()) for a, b in pairs)


@pytest.mark.parametrize("form", ["causal", "window", "lstm"])
@pytest.mark.parametrize("count", [1, 2, 10, 29])
def test_pieces_are_the_whole(form: str, count: int) -> None:
    frames = pan(count)
    found = list(through(VideoBackend(model(form)), frames, never))
    assert differ(found, whole(form, frames)) <= 1  # a sum of other order may round otherwise


def test_a_network_that_looks_both_ways_sees_as_far_ahead_as_it_says() -> None:
    frames = pan(20)
    network = VideoBackend(model("both"))
    found = list(through(network, frames, never))
    short = pan(20)[: network.frames + network.ahead]
    wanted = whole("both", short)[: network.frames]
    assert differ(found[: network.frames], wanted) <= 1


@pytest.mark.parametrize("form", FORMS)
def test_nothing_of_a_scene_is_in_the_next(form: str) -> None:
    before, after = pan(11, seed=3), pan(9, seed=8)
    cuts = iter([True] + [False] * 10 + [True] + [False] * 8)
    found = list(through(VideoBackend(model(form)), before + after, lambda _: next(cuts)))
    alone = list(through(VideoBackend(model(form)), after, never))
    assert differ(found[11:], alone) == 0
    assert differ(found[:11], list(through(VideoBackend(model(form)), before, never))) == 0


@pytest.mark.parametrize("form", FORMS)
def test_few_frames_wait_however_long_the_film(form: str) -> None:
    network, given, most = VideoBackend(model(form)), 0, 0

    def endless() -> Iterator[Pixels]:
        nonlocal given
        still = scenery(3, 12, 16)
        for _ in range(40):
            given += 1
            yield still

    for done, _ in enumerate(through(network, endless(), never), start=1):
        most = max(most, given - done)
    assert most <= network.frames + network.ahead


def as_frames(pixels: list[Pixels], first: int = 0) -> list[Frame]:
    return [frame(first + k, one) for k, one in enumerate(pixels)]


def upscaled_film(
    upscaler: Upscaler, film: list[Pixels], segment: int = 120, first: int = 0
) -> list[Pixels]:
    """Upscale a film as a run that goes on before frame `first`, in segments."""
    lead = min(first, lead_of(upscaler))
    given = as_frames(film[first - lead :], first=first - lead)
    return [one.pixels for one in _upscaled(given, upscaler, segment, None, first)]


@pytest.mark.parametrize("form", FORMS)
def test_footage_begins_anew_at_a_cut(form: str) -> None:
    upscaler = Upscaler(model(form))
    film = pan(10, 3, 60, 80) + pan(10, 8, 60, 80)
    alone = upscaled_film(upscaler, film[10:])
    assert differ(upscaled_film(upscaler, film)[10:], alone) == 0


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("segment", [16, 25])
def test_a_run_that_goes_on_makes_the_same_film(form: str, segment: int) -> None:
    upscaler = Upscaler(model(form))
    film = pan(35, 3, 60, 80) + pan(20, 8, 60, 80)
    found = upscaled_film(upscaler, film, segment)
    assert len(found) == len(film)
    for first in (segment, 2 * segment):
        assert differ(found[first:], upscaled_film(upscaler, film, segment, first)) == 0


def test_a_window_does_not_notice_segments() -> None:
    upscaler, film = Upscaler(model("window")), pan(40, 3, 60, 80)
    assert differ(upscaled_film(upscaler, film, 9), upscaled_film(upscaler, film)) <= 1


@pytest.mark.parametrize("form", ["causal", "lstm"])
def test_a_state_goes_on_over_segments_as_well_as_a_short_warm_up_can(form: str) -> None:
    upscaler, film = Upscaler(model(form)), pan(40, 3, 60, 80)
    found, whole_film = upscaled_film(upscaler, film, 20), upscaled_film(upscaler, film)
    anew = upscaled_film(upscaler, film[20:])  # what a state that begins there makes
    assert differ(found[:20], whole_film[:20]) == 0

    def off(one: list[Pixels]) -> float:
        return float(np.abs(np.stack(one) - np.stack(whole_film[20:]).astype(float)).mean())

    assert off(found[20:]) < 0.1 * off(anew)


def test_two_real_clips_joined_leave_no_ghost(shared_data: Path) -> None:
    taken = []
    for name in ("bikes.mp4", "cockatoo.mp4"):
        shown = video.read(shared_data / "clips" / name, None, Part(1.0, 0.4))
        taken.append([np.ascontiguousarray(one.pixels[:240:2, :320:2]) for one in shown])
    upscaler = Upscaler(model("lstm"))
    found = [one.pixels for one in _upscaled(as_frames(taken[0] + taken[1]), upscaler, 120, None)]
    alone = [one.pixels for one in _upscaled(as_frames(taken[1]), upscaler, 120, None)]
    assert len(taken[0]) > 4
    assert len(alone) > 4
    assert differ(found[len(taken[0]) :], alone) == 0


@pytest.fixture
def small_film(tmp_path: Path) -> Path:
    path = tmp_path / "film.mp4"
    video.write(path, as_frames(pan(9, 3, 48, 64)))
    return path


@pytest.mark.parametrize("form", FORMS)
def test_the_upscaler_takes_films_and_pictures(form: str, small_film: Path, tmp_path: Path) -> None:
    folder = save_model(tmp_path / "model", model(form).generator, {})
    upscaler = Upscaler(load_model(folder))
    seen: list[int] = []
    info = upscaler.video(
        small_film, tmp_path / "out.mp4", progress=lambda done, _: seen.append(done)
    )
    assert (info.width, info.height, info.frames) == (128, 96, 9)
    assert seen[-1] == 9
    alone = pan(1)
    assert differ([upscaler.pixels(alone[0])], whole(form, alone)) <= 1


def test_another_size_is_made_by_a_resample(small_film: Path, tmp_path: Path) -> None:
    upscaler = Upscaler(model("causal"), wanted=Wanted(scale=1.5))
    info = upscaler.video(small_film, tmp_path / "out.mp4")
    assert (info.width, info.height) == (96, 72)


def test_the_ensemble_goes_through_a_film_both_ways(small_film: Path, tmp_path: Path) -> None:
    upscaler = Upscaler(model("causal"), ensemble=True)
    network = upscaler.backend
    assert isinstance(network, VideoBackend)
    assert (network.ahead, network.frames) == (6, 12)
    frames = pan(40)
    changed = [*frames[:30], *(255 - one for one in frames[30:])]
    found, other = (list(through(network, one, never)) for one in (frames, changed))
    moved = [k for k in range(40) if differ(found[k : k + 1], other[k : k + 1]) > 0]
    assert moved[0] >= 30 - network.frames - network.ahead
    assert upscaler.video(small_film, tmp_path / "out.mp4").frames == 9


def test_what_a_network_of_video_cannot_do_is_refused(small_film: Path, tmp_path: Path) -> None:
    for form in ("both", "window"):
        with pytest.raises(ModelError, match="both directions in time is for networks that keep"):
            Upscaler(model(form), ensemble=True)
    twice = Upscaler(model("causal"), wanted=Wanted(scale=4))
    with pytest.raises(ConfigError, match="runs once"):
        twice.video(small_film, tmp_path / "out.mp4")
