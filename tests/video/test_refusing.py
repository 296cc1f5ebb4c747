"""What is no video is refused; what is damaged gives what is there."""

import itertools
import logging
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest
from films import UNEVEN, clip, milliseconds, packets

from superres import video
from superres.errors import InputError
from superres.video import VideoLimits


def test_what_is_no_video_is_refused(tmp_path: Path) -> None:
    files = {
        "empty.mp4": (b"", "empty", 400),
        "text.mp4": (b"no video at all\n" * 50, "unsupported_type", 415),
        "picture.png": (b"\x89PNG\r\n\x1a\n" + bytes(100), "unsupported_type", 415),
        "list.m3u8": (b"#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1/a.ts\n", "unsupported_type", 415),
        "script.mp4": (b"ffconcat version 1.0\nfile other.mp4\n", "unsupported_type", 415),
    }
    for name, (content, code, status) in files.items():
        path = tmp_path / name
        path.write_bytes(content)
        for function in (video.probe, video.read):
            with pytest.raises(InputError, match=name) as refused:
                function(path)
            assert (refused.value.code, refused.value.status) == (code, status), name
    with pytest.raises(InputError, match=r"gone\.mp4: cannot be read") as refused:
        video.read(tmp_path / "gone.mp4")
    assert refused.value.status == 400


def test_sound_alone_is_no_video(tmp_path: Path) -> None:
    path = tmp_path / "sound.mp4"
    with av.open(str(path), "w") as container:
        sound = container.add_stream("aac", rate=48_000, layout="mono")
        samples = av.AudioFrame.from_ndarray(np.zeros((1, 4800), np.float32), "fltp", "mono")
        samples.sample_rate = 48_000
        container.mux([*sound.encode(samples), *sound.encode(None)])
    with pytest.raises(InputError, match="no video stream") as refused:
        video.probe(path)
    assert (refused.value.code, refused.value.status) == ("no_video_stream", 422)


def test_limits(tmp_path: Path) -> None:
    path = clip(tmp_path / "a.mp4")
    size = path.stat().st_size
    enough = VideoLimits(max_bytes=size, max_pixels=64 * 48, max_frames=8, max_seconds=1)
    assert sum(1 for _ in video.read(path, enough)) == 8
    for changes, code in (
        ({"max_bytes": size - 1}, "too_many_bytes"),
        ({"max_pixels": 64 * 48 - 1}, "too_many_pixels"),
        ({"max_frames": 7}, "too_many_frames"),
        ({"max_seconds": 0.3}, "too_many_seconds"),
    ):
        with pytest.raises(InputError, match="are accepted") as refused:
            video.read(path, replace(enough, **changes))
        assert (refused.value.code, refused.value.status) == (code, 413)


def test_limits_of_a_file_that_does_not_say_its_length(tmp_path: Path) -> None:
    path = clip(tmp_path / "a.h264")
    frames = video.read(path, VideoLimits(max_frames=3))
    assert len(list(itertools.islice(frames, 3))) == 3
    with pytest.raises(InputError, match="has 4 frames, at most 3"):
        next(frames)


@pytest.mark.parametrize("name", ["flower.mp4", "tears-of-steel-battle-clip-medium.webm"])
def test_a_truncated_file_gives_what_is_there_and_a_warning(
    shared_data: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    whole = (shared_data / "clips" / name).read_bytes()
    path = tmp_path / name
    path.write_bytes(whole[:200_000])
    with caplog.at_level(logging.WARNING):
        frames = list(video.read(path))
    assert 5 < len(frames) < 140
    assert [frame.index for frame in frames] == list(range(len(frames)))
    assert str(path) in caplog.text
    assert all(a.pts < b.pts for a, b in itertools.pairwise(frames))


def test_damage_in_the_middle_does_not_end_the_video(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = clip(tmp_path / "a.mkv", codec="mpeg4")
    content = bytearray(path.read_bytes())
    contents = [packet for packet, _ in packets(path, "video")]
    start = content.index(contents[3])
    content[start : start + len(contents[3])] = bytes(len(contents[3]))
    path.write_bytes(content)
    frames = list(video.read(path))
    assert milliseconds(frames)[-1] == UNEVEN[-1]
    assert len(frames) >= 6


def test_a_file_without_its_index_is_refused(shared_data: Path, tmp_path: Path) -> None:
    path = tmp_path / "half.mp4"
    clip(path)
    path.write_bytes(path.read_bytes()[:-700])
    with pytest.raises(InputError) as refused:
        video.read(path)
    assert refused.value.status in (415, 422)
