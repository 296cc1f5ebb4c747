"""Training pictures that show a benchmark picture are found, whole, changed or in part."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from small import scene
from typer.testing import CliRunner

from superres.__main__ import app
from superres.data.leak_search import MIN_CORNERS, corners, search, shared_corners
from superres.images import Picture, read, write

Pixels = NDArray[np.uint8]


@pytest.fixture(scope="module")
def photographs(shared_data: Path) -> Path:
    return shared_data / "training" / "BSDS400"


def test_the_known_leak_of_the_classic_sets_is_found(shared_data: Path) -> None:
    """BSDS 302003 is Set5's woman (shared/data/MANIFEST.md)."""
    leak = shared_data / "leak_check" / "302003.jpg"
    others = sorted((shared_data / "training" / "BSDS400").iterdir())[:5]
    found = search([leak, *others], sorted((shared_data / "benchmarks/Set5/HR").iterdir()))
    assert found.leaks
    assert {(Path(one.train).name, Path(one.test).stem) for one in found.leaks} == {
        ("302003.jpg", "woman")
    }
    assert (found.trained, found.tested) == (6, 5)


@pytest.mark.parametrize("change", ["crop", "half", "jpeg", "turned"])
def test_a_changed_picture_shares_its_corners(photographs: Path, change: str) -> None:
    for file in sorted(photographs.iterdir())[10:16]:
        whole = read(file).pixels
        assert shared_corners(corners(whole), corners(_changed(whole, change))) >= MIN_CORNERS


def _changed(whole: Pixels, change: str) -> Pixels:
    height, width = whole.shape[:2]
    crop = whole[height // 4 : height // 4 * 3, width // 4 : width // 4 * 3]
    if change == "crop":
        return np.ascontiguousarray(crop)
    if change == "half":
        return cv2.resize(whole, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    if change == "jpeg":
        return cv2.imdecode(cv2.imencode(".jpg", whole, [cv2.IMWRITE_JPEG_QUALITY, 50])[1], 1)
    return np.ascontiguousarray(np.rot90(whole))


def test_a_mirrored_part_is_found_by_its_corners_alone(photographs: Path, tmp_path: Path) -> None:
    file = sorted(photographs.iterdir())[10]
    crop = _changed(read(file).pixels, "crop")[:, ::-1]
    write(tmp_path / "part.png", Picture(np.ascontiguousarray(crop)))
    (leak,) = search([tmp_path / "part.png"], [file]).leaks
    assert leak.how.endswith("corners in common")


def test_other_pictures_share_next_to_none(photographs: Path) -> None:
    seen = [corners(read(file).pixels) for file in sorted(photographs.iterdir())[:12]]
    most = max(
        shared_corners(one, other) for at, one in enumerate(seen) for other in seen[at + 1 :]
    )
    assert most < MIN_CORNERS


def test_the_command_names_the_pair_and_fails(tmp_path: Path) -> None:
    first, second = scene(0, 120, 160), scene(1, 120, 160)
    for name, picture in {"train/a": first, "train/b": second, "test/c": first[:, ::-1]}.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        write(tmp_path / f"{name}.png", Picture(np.ascontiguousarray(picture)))
    words = ["leaks", str(tmp_path / "train"), "--against", str(tmp_path / "test")]
    told = CliRunner().invoke(app, words)
    assert told.exit_code == 1
    assert f"{tmp_path / 'train/a.png'} = {tmp_path / 'test/c.png'} (near copy)" in told.stderr
    words[1] = str(tmp_path / "train" / "b.png")
    told = CliRunner().invoke(app, words)
    assert told.exit_code == 0
    assert "0 leaks: 1 training pictures against 1" in told.stderr
