"""Frames come out in order, with their moment and scene; broken videos are named and left out."""

import itertools
import json
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from superres import images, video
from superres.config import Source
from superres.data.catalog import resolve
from superres.data.clips import (
    ClipRow,
    FrameRow,
    read_clips,
    read_frames,
    septuplets,
    windows,
)
from superres.data.fetch import fetch
from superres.data.frames import FramesReport, extract, notes_of
from superres.data.manifest import read_manifest
from superres.data.pairs import build
from superres.data.prepare import PairOptions
from superres.errors import DataError

Pixels = NDArray[np.uint8]


def scene(seed: int, shift: int = 0) -> Pixels:
    """A picture of large coloured fields, moved sideways by `shift` pixels."""
    levels = np.random.default_rng(seed).integers(0, 256, (4, 6, 3), dtype=np.uint8)
    return np.roll(np.kron(levels, np.ones((16, 16, 1), np.uint8)), shift, axis=1)


def write_video(path: Path, frames: Iterable[Pixels], fps: int = 25) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=fps)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        stream.options = {"crf": "10", "preset": "ultrafast"}
        for index, pixels in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(pixels, "rgb24")
            frame.pts, frame.time_base = index, Fraction(1, fps)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """30 frames: 3 black ones, then three scenes, cut at frames 12 and 21."""
    path = tmp_path_factory.mktemp("film") / "film.mp4"
    black = [np.zeros((64, 96, 3), np.uint8)] * 3
    shots = [scene(1 + (k >= 12) + (k >= 21), shift=k) for k in range(3, 30)]
    write_video(path, black + shots)
    return path


def run(path: Path, folder: Path, **options: object) -> tuple[FramesReport, list[FrameRow]]:
    source = Source.model_validate({"name": "film", "kind": "video", "path": str(path), **options})
    fetch([source], folder / "raw")
    report = extract(folder / "raw", folder / "frames", [source])
    return report, read_frames(folder / "frames")[0]


def test_every_nth_frame_is_kept_from_the_first_on(film: Path, tmp_path: Path) -> None:
    report, rows = run(film, tmp_path, first=4, every=5)
    assert [row.index for row in rows] == [4, 9, 14, 19, 24, 29]
    assert [row.seconds for row in rows] == [pytest.approx(row.index / 25) for row in rows]
    assert report.frames == {"film": 6}
    assert run(film, tmp_path, first=4, every=5, max_frames=2)[1] == rows[:2]


def test_a_png_is_the_decoded_frame_of_its_number(film: Path, tmp_path: Path) -> None:
    _, rows = run(film, tmp_path, first=5, every=10)
    decoded = {frame.index: frame.pixels for frame in video.read(film)}
    for row in rows:
        assert row.file == f"film/{row.index:06d}.png"
        saved = images.read(tmp_path / "frames" / row.file).pixels
        np.testing.assert_array_equal(saved, decoded[row.index])
    files = sorted(path.name for path in (tmp_path / "frames/film").iterdir())
    assert files == [Path(row.file).name for row in rows]


def test_scenes_are_counted_at_the_cuts_also_between_kept_frames(
    film: Path, tmp_path: Path
) -> None:
    _, rows = run(film, tmp_path, first=3)
    scenes = [row.scene for row in rows]
    first = scenes[0]
    assert scenes == [first + (row.index >= 12) + (row.index >= 21) for row in rows]
    _, sparse = run(film, tmp_path, first=3, every=13)
    assert [row.scene - first for row in sparse] == [0, 1, 2]


def test_black_frames_are_left_out(film: Path, tmp_path: Path) -> None:
    _, rows = run(film, tmp_path)
    assert [row.index for row in rows] == list(range(3, 30))


def content(folder: Path) -> dict[str, bytes]:
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def test_the_same_video_gives_the_same_bytes(film: Path, tmp_path: Path) -> None:
    run(film, tmp_path / "one", every=3)
    run(film, tmp_path / "two", every=3)
    assert content(tmp_path / "one/frames") == content(tmp_path / "two/frames")


def test_extracting_again_leaves_no_frame_of_before(film: Path, tmp_path: Path) -> None:
    run(film, tmp_path)
    (tmp_path / ".frames.partial/film").mkdir(parents=True)  # a killed run
    _, rows = run(film, tmp_path, max_frames=2)
    assert len(list((tmp_path / "frames").rglob("*.png"))) == len(rows) == 2
    assert {path.name for path in tmp_path.iterdir()} == {".raw.lock", "frames", "raw"}


def test_a_folder_of_videos_gives_a_clip_each_and_a_broken_one_is_named(
    film: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "films"
    folder.mkdir()
    for name in ("a.mp4", "b.mp4"):
        (folder / name).write_bytes(film.read_bytes())
    (folder / "empty.mp4").write_bytes(b"")
    (folder / "text.mp4").write_text("no video")
    write_video(folder / "black.mp4", [np.zeros((64, 96, 3), np.uint8)] * 5)
    report, rows = run(folder, tmp_path, every=10)
    assert {row.clip for row in rows} == {"film/a.mp4", "film/b.mp4"}
    assert rows[0].file == "film/a.mp4/000010.png"
    reasons = {bad.path: bad.reason for bad in report.quarantined}
    assert sorted(reasons) == ["film/black.mp4", "film/empty.mp4", "film/text.mp4"]
    assert "empty" in reasons["film/empty.mp4"]
    assert "no video of a known type" in reasons["film/text.mp4"]
    assert "single colour" in reasons["film/black.mp4"]
    assert not any(str(tmp_path) in reason for reason in reasons.values())
    assert list(report.quarantined) == read_frames(tmp_path / "frames")[1]
    assert sorted(path.name for path in (tmp_path / "frames/film").iterdir()) == ["a.mp4", "b.mp4"]


def test_without_videos_there_are_no_frames(tmp_path: Path) -> None:
    (tmp_path / "album").mkdir()
    images.write(tmp_path / "album/a.png", images.Picture(scene(1)))
    source = Source(name="mine", path=str(tmp_path / "album"))
    fetch([source], tmp_path / "raw")
    assert extract(tmp_path / "raw", tmp_path / "frames", [source]).frames == {}
    assert read_frames(tmp_path / "frames") == ([], [])


def test_raw_that_does_not_fit_the_sources_asks_for_fetch(film: Path, tmp_path: Path) -> None:
    run(film, tmp_path, max_frames=1)
    before = sorted((tmp_path / "frames").rglob("*"))
    with pytest.raises(DataError, match=r"is no source of params\.yaml.*superres fetch"):
        extract(tmp_path / "raw", tmp_path / "frames", [Source(name="other", path="x")])
    (tmp_path / "raw/film/film.mp4").write_bytes(b"edited")
    source = Source(name="film", path=str(film))
    with pytest.raises(DataError, match=r"film\.mp4: not the content that was fetched"):
        extract(tmp_path / "raw", tmp_path / "frames", [source])
    assert sorted((tmp_path / "frames").rglob("*")) == before


# --- what real files are like -----------------------------------------------------------------


@pytest.fixture(scope="module")
def real(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first frames of all real clips, extracted at once."""
    folder = tmp_path_factory.mktemp("real")
    run(shared_data / "clips", folder, every=3, max_frames=4)
    return folder


def test_real_clips_are_extracted_in_order(shared_data: Path, real: Path) -> None:
    rows, bad = read_frames(real / "frames")
    clips = sorted(path.name for path in (shared_data / "clips").iterdir())
    assert bad == []
    assert len(clips) == 6
    for clip, name in zip(read_clips(real / "frames"), clips, strict=True):
        kept = [row for row in rows if row.clip == clip.clip]
        assert clip.clip == f"film/{name}"
        assert [row.index for row in kept] == [0, 3, 6, 9]
        seconds = [float(row.index / Fraction(clip.fps)) for row in kept]
        assert [row.seconds for row in kept] == pytest.approx(seconds, abs=0.002)
        decoded = list(itertools.islice(video.read(shared_data / "clips" / name), 10))
        for row in kept:
            saved = images.read(real / "frames" / row.file).pixels
            np.testing.assert_array_equal(saved, decoded[row.index].pixels)
        facts = (clip.width, clip.height, clip.kept, clip.scenes, clip.missing)
        assert facts == (saved.shape[1], saved.shape[0], 4, 1, "")
        assert notes_of(clip) == ()


def recoded(path: Path, frames: Iterable[Pixels], **facts: Any) -> Path:
    """Write a film with a codec, a pixel format, moments and flags of one's own."""
    shown = list(frames)
    with av.open(str(path), "w") as container:
        for _ in range(facts.get("streams", 1)):
            codec = facts.get("codec", "libx264")
            stream = container.add_stream(codec, rate=25, options=facts.get("options", {}))
            stream.height, stream.width = shown[0].shape[:2]
            stream.pix_fmt = facts.get("pix_fmt", "yuv420p")
            stream.time_base = stream.codec_context.time_base = Fraction(1, 1000)
            if facts.get("rotation"):
                stream.set_display_rotation(facts["rotation"])
        streams = container.streams.video
        for index, pixels in enumerate(shown):
            moment = facts["moments"][index] if "moments" in facts else 40 * index
            for number, stream in enumerate(streams):
                picture = av.VideoFrame.from_ndarray(pixels if number == 0 else ~pixels, "rgb24")
                picture.pts, picture.time_base = moment, Fraction(1, 1000)
                container.mux(stream.encode(picture))
        for stream in streams:
            container.mux(stream.encode())
    return path


def shots(count: int = 12) -> list[Pixels]:
    return [scene(1, shift=k) for k in range(count)]


def only_clip(folder: Path) -> ClipRow:
    (clip,) = read_clips(folder / "frames")
    return clip


def test_an_uneven_rate_keeps_its_moments(tmp_path: Path) -> None:
    moments = [0, 70, 103, 136, 300, 333, 401, 431, 500, 560, 561, 700]
    path = recoded(tmp_path / "film.mkv", shots(), moments=moments)
    report, rows = run(path, tmp_path)
    assert [row.seconds for row in rows] == pytest.approx([m / 1000 for m in moments])
    assert only_clip(tmp_path).uneven
    assert "variable frame rate" in report.notes["film"][0]
    even = recoded(tmp_path / "even.mkv", shots(), moments=[42 * k - k // 3 for k in range(12)])
    run(even, tmp_path / "even")
    assert not only_clip(tmp_path / "even").uneven


def test_a_turned_film_is_upright(tmp_path: Path) -> None:
    report, rows = run(recoded(tmp_path / "film.mp4", shots(), rotation=-90), tmp_path)
    assert images.read(tmp_path / "frames" / rows[0].file).pixels.shape == (96, 64, 3)
    clip = only_clip(tmp_path)
    assert (clip.width, clip.height, clip.rotation % 360) == (64, 96, 270)
    assert "turned upright" in report.notes["film"][0]


def test_interlacing_is_said(tmp_path: Path) -> None:
    options = {"x264-params": "interlaced=1:tff=1"}
    report, rows = run(recoded(tmp_path / "film.mkv", shots(), options=options), tmp_path)
    assert len(rows) == 12
    assert only_clip(tmp_path).interlaced
    assert "interlaced" in report.notes["film"][0]


def test_ten_bits_become_eight(tmp_path: Path) -> None:
    facts = {"pix_fmt": "yuv420p10le", "options": {"crf": "4"}}
    report, rows = run(recoded(tmp_path / "film.mkv", shots(), **facts), tmp_path)
    assert only_clip(tmp_path).bit_depth == 10
    assert report.notes["film"] == ("10 bits per channel, converted to 8",)
    saved = images.read(tmp_path / "frames" / rows[5].file)
    assert saved.bit_depth == 8
    inside = np.kron(
        np.ones((4, 6, 1), bool), np.pad(np.ones((8, 8, 1), bool), ((4, 4), (4, 4), (0, 0)))
    )
    difference = np.abs(saved.pixels.astype(int) - scene(1, shift=5))
    assert difference[np.roll(inside, 5, axis=1)[..., 0]].mean() < 3


@pytest.mark.parametrize(("height", "width"), [(63, 95), (64, 95), (63, 96)])
def test_odd_sizes_stay_odd(tmp_path: Path, height: int, width: int) -> None:
    frames = [pixels[:height, :width] for pixels in shots(5)]
    facts = {"codec": "ffv1", "pix_fmt": "bgr0"}
    path = recoded(tmp_path / "film.mkv", map(np.ascontiguousarray, frames), **facts)
    _, rows = run(path, tmp_path)
    for row, pixels in zip(rows, frames, strict=True):
        saved = images.read(tmp_path / "frames" / row.file).pixels
        np.testing.assert_array_equal(saved, pixels)  # this codec loses nothing


def test_of_two_streams_one_is_taken_and_said(tmp_path: Path) -> None:
    report, rows = run(recoded(tmp_path / "film.mkv", shots(), streams=2), tmp_path)
    assert [row.index for row in rows] == list(range(12))
    assert only_clip(tmp_path).streams == 2
    assert "2 video streams" in report.notes["film"][0]
    saved = images.read(tmp_path / "frames" / rows[0].file).pixels
    assert np.abs(saved.astype(int) - scene(1)).mean() < 12


def test_a_webm_without_a_frame_count(tmp_path: Path) -> None:
    path = recoded(
        tmp_path / "film.webm", shots(), codec="libvpx", options={"deadline": "realtime"}
    )
    assert video.probe(path).frames is None
    report, rows = run(path, tmp_path)
    assert [row.index for row in rows] == list(range(12))
    assert report.notes["film"] == ()


def test_a_truncated_film_gives_what_is_there_and_says_so(
    shared_data: Path, tmp_path: Path
) -> None:
    path = tmp_path / "film.webm"
    name = "tears-of-steel-battle-clip-medium.webm"
    path.write_bytes((shared_data / "clips" / name).read_bytes()[:120_000])
    report, rows = run(path, tmp_path)
    assert [row.index for row in rows] == list(range(len(rows)))
    assert len(rows) > 20
    assert "ends after" in only_clip(tmp_path).missing
    assert "damaged or truncated: ends after" in report.notes["film"][-1]
    cut_short, _ = run(path, tmp_path / "few", max_frames=5)
    assert cut_short.notes["film"] == ()  # nothing that is wanted is missing


def test_no_septuplet_crosses_a_join_of_real_clips(shared_data: Path, tmp_path: Path) -> None:
    stretches = [
        list(itertools.islice(video.read(shared_data / "clips" / name), 16))
        for name in ("flower.mp4", "friday.mp4", "bikes.mp4")
    ]
    joined = [
        np.asarray(cv2.resize(frame.pixels, (192, 128)), np.uint8)
        for stretch in stretches
        for frame in stretch
    ]
    _, rows = run(recoded(tmp_path / "film.mkv", joined), tmp_path)
    assert [row.scene for row in rows] == [0] * 16 + [1] * 16 + [2] * 16
    assert [window[0].index for window in septuplets(rows)] == [0, 7, 16, 23, 32, 39]


# --- killed -----------------------------------------------------------------------------------

KILLS = """
import json, os, random, signal, sys, time
from pathlib import Path
from superres.config import Source
from superres.data.frames import extract
folder, kills, seed = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
source = Source.model_validate(json.loads(sys.argv[4]))

def content():
    files = sorted(path for path in (folder / "frames").rglob("*") if path.is_file())
    return [(path.as_posix(), path.read_bytes()) for path in files]

def run():
    child = os.fork()
    if child == 0:
        extract(folder / "raw", folder / "frames", [source])
        os._exit(0)
    return child

start = time.perf_counter()
assert os.waitpid(run(), 0)[1] == 0
usual = time.perf_counter() - start
before = content()
moments = random.Random(seed)
killed = 0
for _ in range(kills):
    child = run()
    time.sleep(moments.uniform(0, 1.1 * usual))
    os.kill(child, signal.SIGKILL)
    killed += os.waitpid(child, 0)[1] == signal.SIGKILL
    assert content() in ([], before)  # between two moves there is none for a moment
    assert os.waitpid(run(), 0)[1] == 0
    assert content() == before
print(killed)
"""


def test_the_run_after_kills_at_random_moments_gives_the_same_bytes(
    film: Path, tmp_path: Path
) -> None:
    run(film, tmp_path)
    before = content(tmp_path / "frames")
    shutil.rmtree(tmp_path / "frames")
    source = json.dumps({"name": "film", "kind": "video", "path": str(film)})
    command = [sys.executable, "-c", KILLS, str(tmp_path), "10", "1", source]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert int(done.stdout) >= 5
    assert content(tmp_path / "frames") == before
    assert {path.name for path in tmp_path.iterdir()} == {".raw.lock", "frames", "raw"}


def test_only_whole_groups_inside_one_scene_are_kept(film: Path, tmp_path: Path) -> None:
    """Scenes of the film: frames 3-11, 12-20 and 21-29."""
    everything = run(film, tmp_path / "all")[1]
    report, rows = run(film, tmp_path / "groups", clip_length=4)
    expected = windows(everything, 4)
    assert [row.index for row in rows] == [row.index for window in expected for row in window]
    assert [row.index for row in rows[:8]] == [3, 4, 5, 6, 7, 8, 9, 10]
    assert Counter(row.clip for row in rows) == {
        f"film/{window[0].index:06d}": 4 for window in expected
    }
    assert report.frames == {"film": len(rows)}
    files = sorted(path.name for path in (tmp_path / "groups/frames/film").iterdir())
    assert files == [Path(row.file).name for row in rows], "the rest is not written"


@pytest.mark.parametrize(("every", "stride"), [(1, 5), (1, 7), (2, None), (3, 4)])
def test_groups_are_those_of_windows(
    film: Path, tmp_path: Path, every: int, stride: int | None
) -> None:
    length = 3
    everything = run(film, tmp_path / "all", every=every)[1]
    rows = run(film, tmp_path / "groups", every=every, clip_length=length, clip_stride=stride)[1]
    expected = windows(everything, length, stride)
    assert [row.index for row in rows] == [row.index for window in expected for row in window]


def test_max_frames_ends_with_a_whole_group(film: Path, tmp_path: Path) -> None:
    rows = run(film, tmp_path, clip_length=4, max_frames=11)[1]
    assert [row.clip for row in rows] == ["film/000003"] * 4 + ["film/000007"] * 4


def test_septuplets_become_clips_of_the_pack_in_order(film: Path, tmp_path: Path) -> None:
    run(film, tmp_path, clip_length=7, split="train")
    build(tmp_path / "raw", tmp_path / "frames", tmp_path / "pairs", PairOptions(2, min_side=16))
    rows = read_manifest(tmp_path / "pairs")
    assert [row.clip for row in rows] == [
        name for name in ("film/000003", "film/000012", "film/000021") for _ in range(7)
    ]
    assert [row.index for row in rows[7:14]] == list(range(12, 19))
    assert {row.source for row in rows} == {"film"}
    assert {row.split for row in rows} == {"train"}


def test_a_video_without_a_whole_group_is_named(film: Path, tmp_path: Path) -> None:
    report, rows = run(film, tmp_path, clip_length=10)
    assert rows == []
    assert "no scene has 10 neighbouring ones" in report.quarantined[0].reason


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"clip_length": 7, "clip_stride": 3}, "clip_stride must be at least clip_length"),
        ({"clip_stride": 3}, "clip_stride must be at least clip_length"),
        ({"clip_length": 7, "max_frames": 5}, "max_frames must be at least clip_length"),
        ({"clip_length": 1}, "greater than or equal to 2"),
    ],
)
def test_groups_that_cannot_be_are_refused(options: dict[str, int], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        Source.model_validate({"name": "film", "path": "film.mp4", **options})


def test_pictures_are_not_cut_into_groups() -> None:
    with pytest.raises(DataError, match="clip_length cuts videos"):
        resolve(Source(name="set5", clip_length=7))
