"""Frames come out in order, with their moment and scene; broken videos are named and left out."""

from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from superres import images, video
from superres.config import Source
from superres.data.clips import FrameRow, read_frames
from superres.data.fetch import fetch
from superres.data.frames import FramesReport, extract
from superres.data.scenes import CutFinder
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


def test_the_same_video_gives_the_same_bytes(film: Path, tmp_path: Path) -> None:
    def content(folder: Path) -> dict[str, bytes]:
        files = (path for path in sorted(folder.rglob("*")) if path.is_file())
        return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}

    run(film, tmp_path / "one", every=3)
    run(film, tmp_path / "two", every=3)
    assert content(tmp_path / "one/frames") == content(tmp_path / "two/frames")


def test_extracting_again_leaves_no_frame_of_before(film: Path, tmp_path: Path) -> None:
    run(film, tmp_path)
    (tmp_path / ".frames.partial/film").mkdir(parents=True)  # a killed run
    _, rows = run(film, tmp_path, max_frames=2)
    assert len(list((tmp_path / "frames").rglob("*.png"))) == len(rows) == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["frames", "raw"]


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


def test_motion_and_flicker_are_no_cuts() -> None:
    moving, flicker = CutFinder(), CutFinder()
    assert not any(moving.is_cut(scene(1, shift=4 * k)) for k in range(20))
    cuts = [flicker.is_cut(scene(1 + k % 2)) for k in range(20)]
    assert sum(cuts) <= 1


@pytest.mark.parametrize(
    ("name", "cuts"), [("bikes.mp4", [30, 76, 137, 187, 242]), ("cockatoo.mp4", [])]
)
def test_the_cuts_of_real_clips_are_found(shared_data: Path, name: str, cuts: list[int]) -> None:
    finder = CutFinder()
    frames = video.read(shared_data / "clips" / name)
    assert [frame.index for frame in frames if finder.is_cut(frame.pixels)] == cuts
