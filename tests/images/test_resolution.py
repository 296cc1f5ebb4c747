"""How large a picture is on paper survives from file to file."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from superres import images
from superres.images import Picture
from superres.images.decoding import size_of
from superres.images.exif import dpi_of
from superres.images.png_rows import open_strips

PIXELS = np.full((6, 9, 3), 90, np.uint8)
SUFFIXES = [suffix for suffix in images.FORMATS if suffix not in (".jpeg", ".tiff")]


def saved(path: Path, **options: Any) -> Path:
    Image.fromarray(PIXELS).save(path, **options)
    return path


def turned(orientation: int) -> bytes:
    content = Image.Exif()
    content[0x0112] = orientation
    return content.tobytes()


@pytest.mark.parametrize("suffix", [".jpg", ".tif", ".png", ".bmp"])
def test_what_a_file_says_is_read(tmp_path: Path, suffix: str) -> None:
    found = images.read(saved(tmp_path / f"in{suffix}", dpi=(300, 150))).dpi
    assert found == pytest.approx((300, 150), abs=0.02)
    assert images.read(saved(tmp_path / "none.png")).dpi is None


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_it_is_written_into_every_format(tmp_path: Path, suffix: str) -> None:
    images.write(tmp_path / f"out{suffix}", Picture(PIXELS, dpi=(300, 150)), text={"a": "b"})
    with Image.open(tmp_path / f"out{suffix}") as image:
        if suffix in (".webp", ".avif"):
            told = (image.getexif()[0x011A], image.getexif()[0x011B])
            assert image.getexif()[0x0128] == 2  # inches
        else:
            told = image.info["dpi"]
    assert tuple(map(float, told)) == pytest.approx((300, 150), abs=0.02)


def test_a_picture_on_its_side_swaps_across_and_down(tmp_path: Path) -> None:
    path = saved(tmp_path / "in.jpg", dpi=(300, 150), exif=turned(6))
    found = images.read(path)
    assert (found.width, found.height, found.dpi) == (6, 9, (150, 300))
    assert size_of(path) == (6, 9)


def test_a_png_in_strips_says_it_too(tmp_path: Path) -> None:
    strips = open_strips(saved(tmp_path / "in.png", dpi=(300, 300)))
    assert strips is not None
    assert strips.like.dpi == (300, 300)


@pytest.mark.parametrize("stated", [(0, 300), (-1, 3), ("a", "b"), (float("nan"), 2), (9e9, 9e9)])
def test_what_cannot_be_is_not_believed(stated: Any) -> None:
    image = Image.new("RGB", (2, 2))
    image.info["dpi"] = stated
    assert dpi_of(image, 1) is None


@pytest.mark.parametrize("suffix", [".tif", ".png", ".jpg"])
def test_size_is_that_of_the_upright_picture(tmp_path: Path, suffix: str) -> None:
    assert size_of(saved(tmp_path / f"in{suffix}", exif=turned(8))) == (6, 9)
    assert size_of(saved(tmp_path / f"up{suffix}", exif=turned(3))) == (9, 6)
