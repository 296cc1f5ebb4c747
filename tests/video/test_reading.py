"""Videos are read frame by frame, upright, in their own colours, at their own times."""

import itertools
from pathlib import Path

import av
import numpy as np
import pytest
from films import CLIPS, TOPS, UNEVEN, clip, flat, milliseconds

from superres import video


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
    frames.close()


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
