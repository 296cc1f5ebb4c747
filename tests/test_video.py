"""Videos are streamed frame by frame; timestamps, sound and colours survive."""

import itertools
import logging
import shutil
import subprocess
import sys
import weakref
from collections.abc import Iterable, Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from superres import video
from superres.errors import InputError
from superres.video import Frame, VideoLimits

CLIPS = {
    # name: width, height, frames per second, frames, seconds, has audio
    "bigbuckbunny.mp4": (1280, 720, Fraction(25), 132, 5.28, True),
    "bikes.mp4": (640, 272, Fraction(25), 250, 10.0, False),
    "cockatoo.mp4": (1280, 720, Fraction(20), 280, 14.0, True),
    "flower.mp4": (960, 540, Fraction(30000, 1001), 150, 5.005, True),
    "friday.mp4": (640, 480, Fraction(30), 185, 6.166, True),
    "tears-of-steel-battle-clip-medium.webm": (800, 332, Fraction(24), None, 70.542, True),
}
# Milliseconds, as a phone would write them: no two gaps are alike.
UNEVEN = (0, 70, 103, 136, 300, 333, 401, 402)
TOPS = ((200, 30, 40), (30, 60, 200), (40, 180, 60), (128, 128, 128))


def frame(index: int, pixels: NDArray[np.uint8], milliseconds: int | None = None) -> Frame:
    pts = 40 * index if milliseconds is None else milliseconds
    return Frame(pixels, index, pts / 1000, pts, Fraction(1, 1000))


def flat(index: int, height: int = 48, width: int = 64) -> NDArray[np.uint8]:
    """The upper half a colour that changes with the frame, the lower half white."""
    pixels = np.full((height, width, 3), 235, np.uint8)
    pixels[: height // 2] = TOPS[index % len(TOPS)]
    return pixels


def flat_frames(count: int = 8, height: int = 48, width: int = 64) -> Iterator[Frame]:
    return (frame(i, flat(i, height, width)) for i in range(count))


def clip(path: Path, *, audio: str | None = None, rotation: int = 0, **facts: Any) -> Path:
    """A clip of eight uneven frames made with PyAV alone, with a tone if `audio` is a codec."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(facts.get("codec", "libx264"), rate=30)
        height, width = facts.get("height", 48), facts.get("width", 64)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.time_base = stream.codec_context.time_base = Fraction(1, 1000)
        if "shape" in facts:
            stream.codec_context.sample_aspect_ratio = facts["shape"]
        if rotation:
            stream.set_display_rotation(rotation)
        container.metadata.update(facts.get("metadata", {}))
        sound = container.add_stream(audio, rate=48_000, layout="mono") if audio else None
        start = facts.get("start", 0)  # seconds
        for index, milliseconds in enumerate(UNEVEN):
            picture = av.VideoFrame.from_ndarray(flat(index, height, width), "rgb24")
            picture.pts, picture.time_base = start * 1000 + milliseconds, Fraction(1, 1000)
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
        if sound is not None:
            tone = np.sin(np.arange(24_000) / 20).astype(np.float32)[None]
            samples = av.AudioFrame.from_ndarray(tone, "fltp", "mono")
            samples.sample_rate, samples.pts = 48_000, start * 48_000
            samples.time_base = Fraction(1, 48_000)
            container.mux(sound.encode(samples))
            container.mux(sound.encode(None))
    return path


def packets(path: Path, kind: str = "audio") -> list[tuple[bytes, float]]:
    """Content and time in seconds of every packet of the first stream of a kind."""
    with av.open(str(path)) as container:
        streams = getattr(container.streams, kind)
        if not streams:
            return []
        return [
            (bytes(packet), float(packet.pts * packet.time_base))
            for packet in container.demux(streams[0])
            if packet.dts is not None
        ]


def milliseconds(frames: Iterable[Frame]) -> list[int]:
    return [round(frame.seconds * 1000) for frame in frames]


# --- reading ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CLIPS)
def test_facts_of_real_clips(shared_data: Path, name: str) -> None:
    info = video.probe(shared_data / "clips" / name)
    found = (info.width, info.height, info.fps, info.frames, info.seconds, info.has_audio)
    assert found[:4] == CLIPS[name][:4]
    assert found[4] == pytest.approx(CLIPS[name][4], abs=0.001)
    assert (found[5], info.rotation) == (CLIPS[name][5], 0)


@pytest.mark.parametrize("name", CLIPS)
def test_frames_of_real_clips_are_evenly_timed(shared_data: Path, name: str) -> None:
    width, height, fps, *_ = CLIPS[name]
    frames = list(itertools.islice(video.read(shared_data / "clips" / name), 5))
    assert [frame.index for frame in frames] == [0, 1, 2, 3, 4]
    for frame in frames:
        assert frame.pixels.shape == (height, width, 3)
        assert frame.pixels.dtype == np.uint8
        assert frame.seconds == pytest.approx(frame.index / fps, abs=0.001)
        assert frame.seconds == pytest.approx(float(frame.pts * frame.time_base))


def test_a_whole_clip_without_frame_count(
    shared_data: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    source = shared_data / "clips" / "bikes.mp4"
    copy = tmp_path / "copy.mkv"  # Matroska states no number of frames
    with av.open(str(source)) as given, av.open(str(copy), "w") as container:
        stream = container.add_stream_from_template(given.streams.video[0])
        for packet in given.demux(given.streams.video[0]):
            if packet.dts is not None:
                packet.stream = stream
                container.mux(packet)
    assert video.probe(copy).frames is None
    assert sum(1 for _ in video.read(copy)) == 250
    assert not caplog.records


def test_uneven_timestamps_are_kept(tmp_path: Path) -> None:
    frames = list(video.read(clip(tmp_path / "uneven.mp4")))
    assert milliseconds(frames) == list(UNEVEN)


def test_nothing_is_decoded_before_it_is_asked_for(shared_data: Path) -> None:
    frames = video.read(shared_data / "clips" / "tears-of-steel-battle-clip-medium.webm")
    assert next(frames).index == 0
    frames.close()  # type: ignore[attr-defined]


@pytest.mark.parametrize(("rotation", "corner"), [(-90, "right"), (90, "left"), (180, "bottom")])
def test_frames_are_upright(tmp_path: Path, rotation: int, corner: str) -> None:
    """-90 = a phone held upright: stored pictures are turned clockwise, their top is right."""
    path = clip(tmp_path / "turned.mp4", rotation=rotation)
    info = video.probe(path)
    assert (info.width, info.height) == ((64, 48) if rotation == 180 else (48, 64))
    assert info.rotation % 360 == rotation % 360
    pixels = next(video.read(path)).pixels.astype(int)
    assert pixels.shape == (info.height, info.width, 3)
    halves = {
        "right": (pixels[:, 30:], pixels[:, :18]),
        "left": (pixels[:, :18], pixels[:, 30:]),
        "bottom": (pixels[30:], pixels[:18]),
    }
    coloured, white = halves[corner]
    assert np.abs(coloured.mean((0, 1)) - TOPS[0]).max() < 8
    assert white.mean() > 225


@pytest.mark.parametrize("matrix", [1, 6])
@pytest.mark.parametrize("full_range", [False, True])
def test_the_files_colour_matrix_and_range_are_used(
    tmp_path: Path, matrix: int, full_range: bool
) -> None:
    colour_range = 2 if full_range else 1
    path = tmp_path / "tagged.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"crf": "1"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.codec_context.colorspace = matrix
        stream.codec_context.color_range = colour_range
        picture = av.VideoFrame.from_ndarray(flat(0), "rgb24").reformat(
            format="yuv420p", dst_colorspace=matrix, dst_color_range=colour_range
        )
        container.mux([*stream.encode(picture), *stream.encode(None)])
    pixels = next(video.read(path)).pixels.astype(int)
    assert np.abs(pixels - flat(0))[[4, 20, 28, 44]].max() <= 4


def test_depth_interlacing_and_codec_are_facts(tmp_path: Path) -> None:
    facts = {
        "plain.mp4": ("yuv420p", {}, (8, False)),
        "deep.mkv": ("yuv420p10le", {}, (10, False)),
        "combed.mkv": ("yuv420p", {"x264-params": "interlaced=1:tff=1"}, (8, True)),
    }
    for name, (pix_fmt, options, expected) in facts.items():
        with av.open(str(tmp_path / name), "w") as container:
            stream = container.add_stream("libx264", rate=25, options=options)
            stream.width, stream.height, stream.pix_fmt = 64, 48, pix_fmt
            for index in range(3):
                picture = av.VideoFrame.from_ndarray(flat(index), "rgb24")
                container.mux(stream.encode(picture))
            container.mux(stream.encode(None))
        info = video.probe(tmp_path / name)
        assert (info.bit_depth, info.is_interlaced) == expected, name
        assert (info.codec, info.streams) == ("h264", 1)


@pytest.mark.parametrize("default", [0, 1])
def test_of_two_streams_the_default_one_is_read(tmp_path: Path, default: int) -> None:
    path = tmp_path / "two.mkv"
    with av.open(str(path), "w") as container:
        streams = [container.add_stream("libx264", rate=25) for _ in range(2)]
        for number, stream in enumerate(streams):
            stream.width, stream.height, stream.pix_fmt = 64, 48 + 16 * number, "yuv420p"
            marked = av.stream.Disposition.default if number == default else 0
            stream.disposition = av.stream.Disposition(marked)
        for number, stream in enumerate(streams):
            picture = av.VideoFrame.from_ndarray(flat(0, 48 + 16 * number), "rgb24")
            container.mux([*stream.encode(picture), *stream.encode(None)])
    assert video.probe(path).height == 48 + 16 * default
    assert video.probe(path).streams == 2
    assert next(video.read(path)).pixels.shape == (48 + 16 * default, 64, 3)


def test_recompressed_frames_keep_number_order_and_size() -> None:
    frames = [flat(index, 47, 63) for index in range(30)]
    backs = list(video.recompressed(iter(frames), 20))
    assert len(backs) == 30
    for back, pixels in zip(backs, frames, strict=True):
        assert back.shape == (47, 63, 3)
        assert np.abs(back.astype(int) - pixels)[[4, 18, 28, 44]].max() <= 10
    again = list(video.recompressed(frames, 20))
    assert all(np.array_equal(a, b) for a, b in zip(again, backs, strict=True))
    worse = list(video.recompressed(frames, 50))
    errors = [
        np.mean([np.abs(a.astype(int) - b).mean() for a, b in zip(side, frames, strict=True)])
        for side in (backs, worse)
    ]
    assert errors[1] > 2 * errors[0]
    assert list(video.recompressed([], 20)) == []


# --- refused or damaged -----------------------------------------------------------------------


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


# --- writing ----------------------------------------------------------------------------------


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
    with pytest.raises(InputError, match=r"suffix '\.webm' is no container to write") as refused:
        video.write(tmp_path / "a.webm", flat_frames())
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
