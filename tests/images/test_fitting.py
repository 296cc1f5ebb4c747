"""What cannot be written is refused before anybody computes it."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from superres.errors import InputError, StorageError
from superres.images import Picture
from superres.images.fitting import check_fits

COLOUR = Picture(np.zeros((1, 1, 3), np.uint8))
DEEP = Picture(np.zeros((1, 1, 3), np.uint16), alpha=np.zeros((1, 1), np.uint16))


@pytest.fixture(autouse=True)
def _large_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    free(monkeypatch, 1 << 60)


def free(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    def usage(place: Path) -> SimpleNamespace:
        assert place.is_dir()
        return SimpleNamespace(free=count)

    monkeypatch.setattr("superres.images.fitting.shutil.disk_usage", usage)


@pytest.mark.parametrize(
    ("format_name", "height", "width", "told"),
    [
        ("PNG", 300_000, 300_000, "300000x300000 are 90000000000 pixels, .* at most 17179869184"),
        ("JPEG", 70_000, 10, "10x70000 does not fit into JPEG, whose sides end at 65500"),
        ("WEBP", 10, 17_000, "sides end at 16383"),
        ("TIFF", 100_000, 60_000, r"60000x100000 in TIFF take about 4\.5 GB, .* ends at 4\.3 GB"),
        ("BMP", 40_000, 40_000, r"about 4\.8 GB, the format ends at 4\.3 GB; write a PNG"),
    ],
)
def test_a_format_has_an_end(
    tmp_path: Path, format_name: str, height: int, width: int, told: str
) -> None:
    with pytest.raises(InputError, match=told):
        check_fits(tmp_path / "out", format_name, (height, width), COLOUR)


def test_a_disk_has_one_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "not yet" / "there" / "out.png"
    free(monkeypatch, 1_000_000)
    check_fits(target, "PNG", (1000, 1000), COLOUR)
    with pytest.raises(StorageError, match=r"2000x2000 in PNG take about 0\.0 GB, .* 0\.0 GB left"):
        check_fits(target, "PNG", (2000, 2000), COLOUR)
    with pytest.raises(StorageError):  # four channels of 16 bits
        check_fits(target, "PNG", (1000, 1000), DEEP)


def test_what_fits_is_not_refused(tmp_path: Path) -> None:
    check_fits(tmp_path / "out.png", "PNG", (100_000, 100_000), COLOUR)
    check_fits(tmp_path / "out.jpg", "JPEG", (65_500, 65_500), COLOUR)
    check_fits(Path("out.tif"), "TIFF", (60_000, 60_000), COLOUR)
