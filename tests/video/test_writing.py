"""Frames are streamed into a file; timestamps, sound and colours survive."""

import itertools
import shutil
import subprocess
import sys
import weakref
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from films import CLIPS, UNEVEN, clip, flat, flat_frames, frame, milliseconds, packets

from superres import video
from superres.errors import InputError
from superres.video import Frame


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".m4v"])
def test_written_files_are_h264_that_browsers_play(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    assert video.write(path, flat_frames()) == 8
    assert [p.name for p in tmp_path.iterdir()] == [path.name]
    with av.open(str(path)) as container:
        codec = container.streams.video[0].codec_context
        assert (codec.name, codec.pix_fmt) == ("h264", "yuv420p")
    frames = list(video.read(path))
    assert milliseconds(frames) == [40 * i for i in range(8)]
    for back in frames:
        assert np.abs(back.pixels.astype(int) - flat(back.index))[[4, 20, 28, 44]].max() <= 8


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".webm"])
def test_the_rate_is_stated(tmp_path: Path, suffix: str) -> None:
    """Else a Matroska file claims its clock's thousand frames a second."""
    video.write(tmp_path / "24.mp4", flat_frames(24))
    source = tmp_path / "24.mp4"
    path = tmp_path / f"a{suffix}"
    video.write(path, video.read(source), source=source)
    assert float(video.probe(path).fps) == pytest.approx(25, rel=0.03)
    with av.open(str(path)) as container:
        assert float(container.streams.video[0].average_rate) == pytest.approx(25, rel=0.03)


def test_a_file_can_be_played_while_it_is_loaded(tmp_path: Path) -> None:
    video.write(tmp_path / "a.mp4", flat_frames())
    content = (tmp_path / "a.mp4").read_bytes()
    assert content.index(b"moov") < content.index(b"mdat")


@pytest.mark.parametrize("name", CLIPS)
def test_real_clips_keep_timestamps_sound_and_colour(
    shared_data: Path, tmp_path: Path, name: str
) -> None:
    source, copy = shared_data / "clips" / name, tmp_path / "copy.mp4"
    frames = list(itertools.islice(video.read(source), 6))
    assert video.write(copy, iter(frames), source=source) == 6
    backs = list(video.read(copy))
    assert len(backs) == 6
    for back, given in zip(backs, frames, strict=True):
        assert back.seconds == pytest.approx(given.seconds, abs=1e-4)
        difference = back.pixels.astype(int) - given.pixels
        assert np.abs(difference).mean() < 4
        assert np.abs(difference.mean((0, 1))).max() < 1
    sound, sound_before = packets(copy), packets(source)
    assert [content for content, _ in sound] == [content for content, _ in sound_before]
    assert [s for _, s in sound] == pytest.approx([s for _, s in sound_before], abs=1e-4)
    assert video.probe(copy).has_audio == CLIPS[name][5]


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
@pytest.mark.parametrize("audio", ["aac", "libopus", "flac", "mp3"])
def test_uneven_frames_and_sound_stay_in_step(tmp_path: Path, suffix: str, audio: str) -> None:
    source = clip(tmp_path / f"source{suffix}", audio=audio, metadata={"title": "Tone"})
    copy = tmp_path / f"copy{suffix}"
    assert video.write(copy, video.read(source), source=source, metadata={"comment": "x4"}) == 8
    before, after = list(video.read(source)), list(video.read(copy))
    sound_before, sound = packets(source), packets(copy)
    assert [content for content, _ in sound] == [content for content, _ in sound_before]
    assert len(sound) > 5
    shift = after[0].seconds - before[0].seconds
    for given, back in zip(before, after, strict=True):
        assert back.seconds - given.seconds == pytest.approx(shift, abs=0.0015)
    for (_, given_at), (_, back_at) in zip(sound_before, sound, strict=True):
        assert back_at - given_at == pytest.approx(shift, abs=0.0015)
    with av.open(str(copy)) as container:
        tags = {key.lower(): value for key, value in container.metadata.items()}
    assert (tags["title"], tags["comment"]) == ("Tone", "x4")


def test_sound_that_does_not_fit_is_left_out_with_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    source = clip(tmp_path / "source.mkv", audio="wavpack")
    video.write(tmp_path / "copy.mp4", video.read(source), source=source)
    assert "wavpack" in caplog.text
    assert ".mkv" in caplog.text
    assert not video.probe(tmp_path / "copy.mp4").has_audio
    caplog.clear()
    video.write(tmp_path / "copy.mkv", video.read(source), source=source)
    assert packets(tmp_path / "copy.mkv")
    assert not caplog.records


def test_subtitles_are_carried_where_they_fit(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    text = tmp_path / "text.srt"
    text.write_text("1\n00:00:00,100 --> 00:00:00,300\nHello\n")
    source = tmp_path / "source.mkv"
    plain = clip(tmp_path / "plain.mkv")
    with (
        av.open(str(plain)) as pictures,
        av.open(str(text)) as words,
        av.open(str(source), "w") as container,
    ):
        streams = [pictures.streams.video[0], words.streams.subtitles[0]]
        targets = [container.add_stream_from_template(given) for given in streams]
        for given, target in zip(streams, targets, strict=True):
            for packet in given.container.demux(given):
                if packet.pts is not None:
                    packet.stream = target
                    container.mux(packet)
    video.write(tmp_path / "copy.mkv", video.read(source), source=source)
    assert packets(tmp_path / "copy.mkv", "subtitles") == packets(source, "subtitles") != []
    assert not caplog.records
    video.write(tmp_path / "copy.mp4", video.read(source), source=source)
    assert not packets(tmp_path / "copy.mp4", "subtitles")
    assert "subtitle" in caplog.text


def test_a_broadcast_that_starts_late_starts_at_zero(tmp_path: Path) -> None:
    source = clip(tmp_path / "source.ts", audio="mp2", start=5)
    start = next(video.read(source)).seconds
    assert start >= 5
    copy = tmp_path / "copy.mp4"
    video.write(copy, video.read(source), source=source)
    gap_before = start - packets(source)[0][1]
    frames = list(video.read(copy))
    assert frames[0].seconds < 0.2
    assert frames[0].seconds - packets(copy)[0][1] == pytest.approx(gap_before, abs=0.001)
    assert milliseconds(frames)[-1] - milliseconds(frames)[0] == UNEVEN[-1]


@pytest.mark.parametrize(("height", "width"), [(47, 64), (48, 63), (47, 63), (1, 1), (2, 3)])
def test_odd_sides_get_one_more_row_or_column(tmp_path: Path, height: int, width: int) -> None:
    path = tmp_path / "odd.mp4"
    pixels = np.full((height, width, 3), (40, 180, 60), np.uint8)
    video.write(path, [frame(0, pixels), frame(1, pixels)])
    back = next(video.read(path)).pixels
    assert back.shape == (height + height % 2, width + width % 2, 3)
    assert np.abs(back.astype(int) - (40, 180, 60)).max() <= 4


def test_a_turned_source_is_written_upright(tmp_path: Path) -> None:
    source = clip(tmp_path / "source.mp4", rotation=-90, shape=Fraction(4, 3))
    video.write(tmp_path / "copy.mp4", video.read(source), source=source)
    info = video.probe(tmp_path / "copy.mp4")
    assert (info.width, info.height, info.rotation) == (48, 64, 0)
    with av.open(str(tmp_path / "copy.mp4")) as container:
        assert container.streams.video[0].sample_aspect_ratio == Fraction(3, 4)


@pytest.mark.parametrize(("height", "matrix"), [(480, 5), (720, 1)])
def test_the_colour_matrix_is_stated(tmp_path: Path, height: int, matrix: int) -> None:
    path = tmp_path / "a.mp4"
    video.write(path, flat_frames(2, height, 64))
    with av.open(str(path)) as container:
        codec = container.streams.video[0].codec_context
        codec_facts = (codec.colorspace, codec.color_range)
    assert codec_facts == (matrix, 1)
    back = next(video.read(path)).pixels.astype(int)
    assert np.abs(back - flat(0, height, 64))[[4, height - 4]].max() <= 4


def test_frames_out_of_order_are_put_in_order(tmp_path: Path) -> None:
    frames = [frame(i, flat(i), ms) for i, ms in enumerate((0, 40, 40, 30, 200))]
    video.write(tmp_path / "a.mp4", frames)
    assert milliseconds(video.read(tmp_path / "a.mp4")) == [0, 40, 41, 42, 200]


def test_frames_are_not_collected_in_memory(tmp_path: Path) -> None:
    given: list[weakref.ref[Frame]] = []

    def frames() -> Iterator[Frame]:
        for index in range(30):
            assert sum(known() is not None for known in given) <= 3
            current = frame(index, flat(index))
            given.append(weakref.ref(current))
            yield current

    assert video.write(tmp_path / "a.mp4", frames()) == 30
    assert len(given) == 30


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, GeneratorExit])
@pytest.mark.parametrize("after", [0, 1, 90])  # the encoder holds the first few back
def test_a_failure_leaves_nothing_behind(
    tmp_path: Path, error: type[BaseException], after: int
) -> None:
    def failing() -> Iterator[Frame]:
        yield from flat_frames(after)
        raise error("stop")

    path = tmp_path / "a.mp4"
    path.write_bytes(b"the old file")
    with pytest.raises(error):
        video.write(path, failing())
    assert [(p.name, p.read_bytes()) for p in tmp_path.iterdir()] == [("a.mp4", b"the old file")]


def test_what_cannot_be_written_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"suffix '\.avi' is no container to write") as refused:
        video.write(tmp_path / "a.avi", flat_frames())
    assert refused.value.code == "unsupported_type"
    with pytest.raises(InputError, match="no frame to write"):
        video.write(tmp_path / "a.mp4", [])
    with pytest.raises(InputError, match=r"frame 1 is \(24, 64, 3\), the first was \(48, 64, 3\)"):
        video.write(tmp_path / "a.mp4", [frame(0, flat(0)), frame(1, flat(1)[:24])])
    assert not list(tmp_path.iterdir())


def test_a_file_may_replace_its_own_source(tmp_path: Path) -> None:
    path = clip(tmp_path / "a.mp4", audio="aac")
    before = packets(path)
    video.write(path, video.read(path), source=path)
    assert [content for content, _ in packets(path)] == [content for content, _ in before]


def test_nothing_is_printed(tmp_path: Path) -> None:
    """FFmpeg and x264 log to the process's stderr unless they are told not to."""
    source = clip(tmp_path / "a.mp4")
    (tmp_path / "bad.mp4").write_bytes(source.read_bytes()[:-300])
    shutil.copy(source, tmp_path / "b.mp4")
    code = (
        "from pathlib import Path; from superres import video\n"
        "video.write(Path('c.mp4'), video.read(Path('b.mp4')), source=Path('b.mp4'))\n"
        "try: video.probe(Path('bad.mp4'))\n"
        "except Exception as error: assert 'bad.mp4' in str(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], cwd=tmp_path, capture_output=True, check=True
    )
    assert (done.stdout, done.stderr) == (b"", b"")
