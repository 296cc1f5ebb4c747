"""No training clip crosses a cut: cuts are found, and windows stay between them."""

import itertools
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from superres import video
from superres.data.clips import FrameRow, septuplets, windows
from superres.data.scenes import CutFinder, likeness

Pixels = NDArray[np.uint8]
# Looked at frame by frame; muzzle flashes and explosions lie between those of the last.
CUTS = {
    "bigbuckbunny.mp4": [],
    "bikes.mp4": [30, 76, 137, 187, 242],
    "cockatoo.mp4": [],
    "flower.mp4": [],
    "friday.mp4": [],
    "tears-of-steel-battle-clip-medium.webm": [52, 122, 158, 221, 309],
}
LOOKED_AT = {"bikes.mp4": 250, "cockatoo.mp4": 200, "tears-of-steel-battle-clip-medium.webm": 330}


def scene(seed: int, shift: int = 0) -> Pixels:
    """A picture of large coloured fields, moved sideways by `shift` pixels."""
    levels = np.random.default_rng(seed).integers(0, 256, (4, 6, 3), dtype=np.uint8)
    return np.roll(np.kron(levels, np.ones((16, 16, 1), np.uint8)), shift, axis=1)


def cuts(frames: Iterator[Pixels] | list[Pixels]) -> list[int]:
    finder = CutFinder()
    return [number for number, pixels in enumerate(frames) if finder.is_cut(pixels)]


def row(index: int, scene: int = 0, clip: str = "film") -> FrameRow:
    return FrameRow(clip, index, index / 25, f"{clip}/{index:06d}.png", scene)


# --- cuts -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CUTS)
def test_the_cuts_of_real_clips_are_found_and_nothing_else(shared_data: Path, name: str) -> None:
    frames = itertools.islice(video.read(shared_data / "clips" / name), LOOKED_AT.get(name, 120))
    assert cuts(frame.pixels for frame in frames) == CUTS[name]


@cache
def opening(path: Path) -> list[Pixels]:
    """The first frames of a clip, all clips in one size."""
    frames = itertools.islice(video.read(path), 14)
    return [np.asarray(cv2.resize(f.pixels, (160, 90)), np.uint8) for f in frames]


def test_real_clips_joined_in_every_order_are_cut_where_they_are_joined(shared_data: Path) -> None:
    openings = [opening(shared_data / "clips" / name) for name in CUTS]
    for first, second in itertools.permutations(openings, 2):
        assert cuts(first[4:] + second[:10]) == [10]


def test_motion_and_flicker_are_no_cuts() -> None:
    assert cuts([scene(1, shift=4 * k) for k in range(20)]) == []
    assert len(cuts([scene(1 + k % 2) for k in range(20)])) <= 1


def test_a_flash_is_no_cut() -> None:
    frames = [scene(4).astype(int) for _ in range(12)]
    for number, light in ((5, 90), (6, 120), (7, 60)):
        frames[number] = frames[number] + light
    assert cuts([np.clip(frame, 0, 255).astype(np.uint8) for frame in frames]) == []


def test_a_cut_between_pictures_of_the_same_colours_is_found_by_their_structure() -> None:
    turned = [np.ascontiguousarray(scene(4)[::-1, ::-1])] * 6
    assert cuts([scene(4)] * 6 + turned) == [6]


def test_another_size_starts_a_scene() -> None:
    assert cuts([scene(1)] * 3 + [scene(1)[:, :64]] * 3) == [3]


def test_likeness_knows_no_brightness_and_no_small_shift() -> None:
    small = np.random.default_rng(2).normal(100, 30, (18, 32)).astype(np.float32)
    assert likeness(small, small * 0.5 + 90) == pytest.approx(1, abs=1e-5)
    assert likeness(small, np.roll(small, (2, -1), (0, 1))) == pytest.approx(1, abs=1e-5)
    assert likeness(small, small[::-1]) < 0.3


# --- windows ----------------------------------------------------------------------------------


def test_septuplets_are_seven_frames_of_one_scene() -> None:
    rows = [row(k, scene=(k >= 10) + (k >= 24)) for k in range(40)]
    found = septuplets(rows)
    assert [window[0].index for window in found] == [0, 10, 17, 24, 31]
    for window in found:
        assert [one.index for one in window] == list(range(window[0].index, window[0].index + 7))
        assert len({one.scene for one in window}) == 1


def test_septuplets_may_overlap() -> None:
    rows = [row(k) for k in range(9)]
    assert [window[0].index for window in septuplets(rows, stride=1)] == [0, 1, 2]
    assert [window[0].index for window in septuplets(rows, stride=2)] == [0, 2]


def test_a_missing_frame_or_another_clip_ends_a_run() -> None:
    rows = [row(k) for k in range(20) if k != 8] + [row(k, clip="other") for k in range(7)]
    starts = [(window[0].clip, window[0].index) for window in septuplets(rows)]
    assert starts == [("film", 0), ("film", 9), ("other", 0)]


def test_every_third_frame_may_be_a_neighbour() -> None:
    rows = [row(k) for k in range(0, 60, 3)]
    assert [window[0].index for window in windows(rows, 5)] == [0, 15, 30, 45]
    gap = [one for one in rows if one.index != 27]
    assert [window[0].index for window in windows(gap, 5)] == [0, 30, 45]


def test_rows_in_any_order_and_too_few() -> None:
    rows = [row(k) for k in range(7)]
    assert septuplets(rows[::-1]) == [tuple(rows)]
    assert septuplets(rows[:6]) == septuplets([]) == []
    cut = [replace(one, scene=int(one.index > 3)) for one in rows]
    assert septuplets(cut) == []
