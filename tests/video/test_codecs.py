"""Which codec goes into which file, at which quality, depth and speed."""

import itertools
import subprocess
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from films import flat
from numpy.typing import NDArray

from superres import video
from superres.errors import ConfigError, InputError
from superres.video import Frame, Part, VideoOptions
from superres.video.codecs import Codec

HELD = {
    ".mp4": {"h264": "h264", "h265": "hevc", "av1": "av1", "vp9": "vp9"},
    ".mov": {"h264": "h264", "h265": "hevc"},
    ".mkv": {"h264": "h264", "h265": "hevc", "av1": "av1", "vp9": "vp9"},
    ".webm": {"vp9": "vp9", "av1": "av1"},
}
DEFAULTS = {".mp4": "h264", ".m4v": "h264", ".mov": "h264", ".mkv": "h264", ".webm": "vp9"}


def moving(count: int = 9, size: tuple[int, int] = (72, 96), depth: Any = np.uint8) -> list[Frame]:
    """A ramp that moves, at uneven times in a clock of 1/90000 s."""
    rows, columns = np.mgrid[: size[0], : size[1]]
    most = np.iinfo(depth).max
    frames = []
    for index in range(count):
        pts = 3003 * index + 700 * (index % 3)
        ramp = (rows + columns + 5 * index) / (sum(size) + 5 * count)
        pixels = np.stack([ramp, ramp**2, 1 - ramp], axis=-1) * most
        frames.append(
            Frame(pixels.astype(depth), index, pts / 90_000, pts, Fraction(1, 90_000), 3003)
        )
    return frames


def codec_of(path: Path) -> Any:
    with av.open(str(path)) as container:
        return container.streams.video[0].codec_context


@pytest.mark.parametrize(("suffix", "codec"), [(s, c) for s, held in HELD.items() for c in held])
def test_every_codec_in_every_container(tmp_path: Path, suffix: str, codec: Any) -> None:
    path = tmp_path / f"a{suffix}"
    given = moving()
    options = VideoOptions(codec=codec, segment=4)  # three segments, the last of one frame
    assert video.write(path, given, options=options) == 9
    assert codec_of(path).name in (HELD[suffix][codec], "libdav1d")
    backs = list(video.read(path))
    assert len(backs) == 9
    step = 0.0006 if suffix in (".mkv", ".webm") else 1e-6  # Matroska counts milliseconds
    for back, frame in zip(backs, given, strict=True):
        assert back.seconds == pytest.approx(frame.seconds, abs=step)
        assert np.abs(back.pixels.astype(int) - frame.pixels).mean() < 4


@pytest.mark.parametrize("suffix", DEFAULTS)
def test_the_container_chooses_the_codec(tmp_path: Path, suffix: str) -> None:
    video.write(tmp_path / f"a{suffix}", moving(2))
    assert codec_of(tmp_path / f"a{suffix}").name == DEFAULTS[suffix]


def test_h265_in_mp4_has_the_name_that_apple_plays(tmp_path: Path) -> None:
    video.write(tmp_path / "a.mp4", moving(2), options=VideoOptions(codec="h265"))
    assert codec_of(tmp_path / "a.mp4").codec_tag == "hvc1"


@pytest.mark.parametrize("codec", ["h264", "h265", "vp9", "av1"])
def test_a_worse_quality_is_a_smaller_file(tmp_path: Path, codec: Any) -> None:
    grain = np.random.default_rng(0).integers(0, 60, (9, 72, 96, 3), np.uint8)
    frames = [
        Frame(f.pixels // 2 + noise, f.index, f.seconds, f.pts, f.time_base)
        for f, noise in zip(moving(), grain, strict=True)
    ]
    sizes = []
    for crf in (10, 45):
        path = tmp_path / f"{crf}.mkv"
        video.write(path, frames, options=VideoOptions(codec=codec, crf=crf))
        sizes.append(path.stat().st_size)
    assert sizes[0] > 2 * sizes[1]


@pytest.mark.parametrize("preset", ["ultrafast", "veryslow"])
@pytest.mark.parametrize("codec", ["h264", "h265", "vp9", "av1"])
def test_the_presets_are_those_of_x264_for_all(tmp_path: Path, codec: Any, preset: Any) -> None:
    options = VideoOptions(codec=codec, preset=preset)
    assert video.write(tmp_path / "a.mkv", moving(3), options=options) == 3


@pytest.mark.parametrize(("codec", "bits"), [("h264", 10), ("h265", 10), ("av1", 10), ("vp9", 8)])
def test_sixteen_bits_become_ten_where_the_encoder_has_them(
    tmp_path: Path, codec: Any, bits: int
) -> None:
    path = tmp_path / "a.mkv"
    given = moving(3, depth=np.uint16)
    video.write(path, given, options=VideoOptions(codec=codec, crf=2))
    assert video.probe(path).bit_depth == bits
    backs = list(video.read(path, part=Part(deep=True)))
    assert backs[0].pixels.dtype == (np.uint16 if bits == 10 else np.uint8)
    if bits == 10:
        error = np.abs(backs[0].pixels.astype(float) - given[0].pixels) / 65535
        assert error.mean() < 1.3 / 255  # chroma has half the resolution
        assert len(np.unique(backs[0].pixels[..., 1])) > 256
    assert next(video.read(path)).pixels.dtype == np.uint8


def flat_deep(level: int) -> NDArray[np.uint16]:
    return np.full((64, 64, 3), level, np.uint16)


@pytest.mark.parametrize("level", [0, 4096, 20_000, 40_000, 65_535])
def test_ten_bits_go_round_without_a_shift(tmp_path: Path, level: int) -> None:
    frames = [Frame(flat_deep(level), 0, 0, 0, Fraction(1, 25))]
    video.write(tmp_path / "a.mkv", frames, options=VideoOptions(crf=0))
    back = next(video.read(tmp_path / "a.mkv", part=Part(deep=True))).pixels.astype(int)
    assert np.abs(back - level).max() <= 65_535 / 876 + 1  # one of 10-bit video's 877 levels


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"codec": "divx"}, "codec 'divx': accepted: h264, h265, vp9, av1"),
        ({"preset": "warp"}, "preset 'warp': accepted: ultrafast"),
        ({"on_interrupt": "ask"}, "accepted: keep, discard"),
        ({"crf": -1}, "crf -1: expected 0"),
        ({"crf": 64}, "crf 64"),
        ({"start": -2}, "start -2: expected seconds"),
        ({"start": float("inf")}, "start inf"),
        ({"duration": 0}, "duration 0: expected more"),
        ({"segment": 0}, "segment 0"),
    ],
)
def test_what_is_no_option(changes: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        VideoOptions(**changes)


def test_what_does_not_fit_together_is_refused_before_any_work(tmp_path: Path) -> None:
    def never() -> Any:
        raise AssertionError
        yield

    for name, options, told in (
        ("a.webm", VideoOptions(codec="h264"), "h264 does not go into .webm; accepted: vp9, av1"),
        ("a.mov", VideoOptions(codec="vp9"), "accepted: h264, h265"),
        ("a.mp4", VideoOptions(crf=60), "h264 takes 0 to 51"),
    ):
        with pytest.raises(ConfigError, match=told):
            video.write(tmp_path / name, never(), options=options)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("codec", "side"), [("h265", 40), ("av1", 8)])
def test_pictures_too_small_for_an_encoder(tmp_path: Path, codec: Any, side: int) -> None:
    frames = [Frame(flat(0, side, side), 0, 0, 0, Fraction(1, 25))]
    with pytest.raises(InputError, match=f"{codec} needs .* {side}x{side}; use h264"):
        video.write(tmp_path / "a.mkv", frames, options=VideoOptions(codec=codec))
    assert not list(tmp_path.iterdir())


def test_an_encoder_that_is_not_there_or_not_willing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("superres.video.codecs._CODECS", {"h264": Codec("h264", "x", 18, 51, True)})
    with pytest.raises(InputError, match="encoder of h264 is not there or refuses"):
        video.write(tmp_path / "a.mkv", moving(2))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("codec", ["h264", "h265", "vp9", "av1"])
def test_the_same_frames_give_the_same_pictures(tmp_path: Path, codec: Any) -> None:
    for name in ("a.mkv", "b.mkv"):
        video.write(tmp_path / name, moving(20), options=VideoOptions(codec=codec, segment=7))
    pairs = zip(video.read(tmp_path / "a.mkv"), video.read(tmp_path / "b.mkv"), strict=True)
    assert all(np.array_equal(a.pixels, b.pixels) for a, b in pairs)


def test_every_segment_begins_with_a_key_frame(tmp_path: Path) -> None:
    video.write(tmp_path / "a.mp4", moving(20), options=VideoOptions(segment=8))
    with av.open(str(tmp_path / "a.mp4")) as container:
        packets = [p for p in container.demux(video=0) if p.pts is not None]
    keys = sorted(p.pts for p in packets if p.is_keyframe)
    times = sorted(p.pts for p in packets)
    assert [times.index(key) for key in keys] == [0, 8, 16]
    dts = [p.dts for p in packets]
    assert all(a < b for a, b in itertools.pairwise(dts))
    assert all(p.dts <= p.pts for p in packets)


def test_the_encoders_are_quiet(tmp_path: Path) -> None:
    code = (
        "from pathlib import Path; from fractions import Fraction; import numpy as np\n"
        "from superres import video\n"
        "for codec in ('h264', 'h265', 'vp9', 'av1'):\n"
        "    frames = [video.Frame(np.zeros((64, 64, 3), np.uint8), 0, 0, 0, Fraction(1, 25))]\n"
        "    options = video.VideoOptions(codec=codec)\n"
        "    video.write(Path(codec + '.mkv'), frames, options=options)\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], cwd=tmp_path, capture_output=True, check=True
    )
    assert (done.stdout, done.stderr) == (b"", b"")


@pytest.mark.parametrize("count", [1, 2, 3, 16, 17])
def test_a_short_run_of_h265_has_decoding_times(tmp_path: Path, count: int) -> None:
    """libx265 leaves them to chance when the run is shorter than its reordering."""
    for turn in range(5):
        file = tmp_path / f"{turn}.mp4"
        pixels = [np.full((128, 128, 3), 7 * index, np.uint8) for index in range(count)]
        frames = [
            video.Frame(one, index, index / 25, index, Fraction(1, 25))
            for index, one in enumerate(pixels)
        ]
        assert video.write(file, frames, options=video.VideoOptions(codec="h265")) == count
        assert len(list(video.read(file))) == count
