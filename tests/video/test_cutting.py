"""A part of a video, and one frame of it, are found by time."""

import itertools
from pathlib import Path

import av
import numpy as np
import pytest
from films import UNEVEN, clip, flat, milliseconds, packets

from superres import video
from superres.errors import InputError
from superres.video import Part, Position, VideoOptions, checksum_of

TEARS = "tears-of-steel-battle-clip-medium.webm"


@pytest.mark.parametrize("name", ["bikes.mp4", "friday.mp4", TEARS])
@pytest.mark.parametrize("start", [0.5, 3.21])
def test_a_part_is_what_reading_on_would_give(shared_data: Path, name: str, start: float) -> None:
    path = shared_data / "clips" / name
    whole = itertools.takewhile(lambda frame: frame.seconds < start + 0.3, video.read(path))
    wanted = [(f.pts, checksum_of(f.pixels)) for f in whole if f.seconds >= start]
    part = list(video.read(path, part=Part(start=start, duration=0.3)))
    assert [(f.pts, checksum_of(f.pixels)) for f in part] == wanted
    assert [f.index for f in part] == list(range(len(wanted)))
    assert len(wanted) > 5


def test_a_part_counts_from_where_the_file_begins(tmp_path: Path) -> None:
    path = clip(tmp_path / "late.ts", start=5, audio="mp2")
    info = video.probe(path)
    assert info.start > 4.9
    frames = list(video.read(path, part=Part(start=0.13, duration=0.2)))
    shown = [frame.seconds - float(info.start) for frame in frames]
    whole = [frame.seconds - float(info.start) for frame in video.read(path)]
    assert shown == [at for at in whole if 0.13 <= at < 0.33]
    assert shown


def test_a_raw_stream_that_cannot_be_searched(tmp_path: Path) -> None:
    path = clip(tmp_path / "a.h264")
    frames = list(video.read(path))
    part = list(video.read(path, part=Part(start=frames[3].seconds)))
    assert [f.pts for f in part] == [f.pts for f in frames[3:]]


def test_sound_and_frames_of_a_part_stay_in_step(shared_data: Path, tmp_path: Path) -> None:
    source, cut = shared_data / "clips/flower.mp4", tmp_path / "cut.mp4"
    options = VideoOptions(start=1.5, duration=1)
    frames = video.read(source, part=Part(1.5, 1))
    count = video.write(cut, frames, source=source, options=options)
    assert count == 30
    wanted = [(content, at - 1.5) for content, at in packets(source) if 1.5 <= at < 2.5]
    kept = packets(cut)
    assert [content for content, _ in kept] == [content for content, _ in wanted]
    assert [at for _, at in kept] == pytest.approx([at for _, at in wanted], abs=1e-4)
    first = next(video.read(source, part=Part(1.5, 1)))
    assert next(video.read(cut)).seconds == pytest.approx(first.seconds - 1.5, abs=1e-4)
    with av.open(str(cut)) as container:
        assert container.duration / av.time_base == pytest.approx(1, abs=1 / 29)


@pytest.mark.parametrize(("at", "shown"), [(0, 0), (0.06, 0), (0.07, 1), (0.299, 3), (0.402, 7)])
def test_the_frame_shown_at_a_moment(tmp_path: Path, at: float, shown: int) -> None:
    path = clip(tmp_path / "a.mkv")
    frame = video.frame_at(path, at)
    assert round(frame.seconds * 1000) == UNEVEN[shown]
    assert np.abs(frame.pixels.astype(int) - flat(shown))[[4, 44]].max() < 12


def test_no_frame_after_the_end(tmp_path: Path) -> None:
    path = clip(tmp_path / "a.mp4")
    with pytest.raises(InputError, match=r"no frame at 9 s, the video is 0\.\d+ s long"):
        video.frame_at(path, 9)


@pytest.mark.parametrize("name", ["bikes.mp4", "cockatoo.mp4", TEARS])
def test_reading_goes_on_after_a_position(shared_data: Path, name: str) -> None:
    path = shared_data / "clips" / name
    frames = list(itertools.islice(video.read(path), 64))
    left = frames[59]
    position = Position(left.index, left.pts, checksum_of(left.pixels))
    rest = list(itertools.islice(video.read(path, part=Part(after=position)), 4))
    assert [f.index for f in rest] == [60, 61, 62, 63]
    for found, frame in zip(rest, frames[60:], strict=True):
        assert found.pts == frame.pts
        assert np.array_equal(found.pixels, frame.pixels)


@pytest.mark.parametrize("name", ["bikes.mp4", "cockatoo.mp4", TEARS])
@pytest.mark.parametrize(("at", "lead", "first"), [(59, 12, 48), (3, 12, 0), (59, 1, 59)])
def test_the_frames_before_a_position_are_given_once_more(
    shared_data: Path, name: str, at: int, lead: int, first: int
) -> None:
    path = shared_data / "clips" / name
    frames = list(itertools.islice(video.read(path), 64))
    position = Position(at, frames[at].pts, checksum_of(frames[at].pixels))
    found = list(itertools.islice(video.read(path, part=Part(after=position, lead=lead)), 15))
    assert [f.index for f in found] == list(range(first, first + 15))
    for one, frame in zip(found, frames[first:], strict=False):
        assert one.pts == frame.pts
        assert np.array_equal(one.pixels, frame.pixels)


@pytest.mark.parametrize("suffix", [".mkv", ".h264", ".ts"])
def test_a_position_that_is_not_found_by_its_time_is_counted_to(
    tmp_path: Path, suffix: str, caplog: pytest.LogCaptureFixture
) -> None:
    path = clip(tmp_path / f"a{suffix}")
    frames = list(video.read(path))
    position = Position(4, frames[4].pts, checksum=1)  # of other pixels
    rest = list(video.read(path, part=Part(after=position)))
    assert milliseconds(rest) == milliseconds(frames[5:])
    assert "not found by its time" in caplog.text
    again = list(video.read(path, part=Part(after=position, lead=3)))
    assert [one.index for one in again] == list(range(2, len(frames)))
    assert milliseconds(again) == milliseconds(frames[2:])
