"""A PNG read in strips is the PNG read at once, and a damaged one is refused."""

import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from superres import images
from superres.errors import InputError
from superres.images import Picture, png_rows
from superres.images.png_rows import open_strips


@pytest.fixture(autouse=True)
def _short_strips(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(png_rows, "STRIP_BYTES", 2000)
    monkeypatch.setattr(png_rows, "READ_BYTES", 700)


def photograph(height: int = 90, width: int = 61) -> Any:
    rows, columns = np.mgrid[0:height, 0:width]
    smooth = np.stack([rows * 2, columns * 3, rows + columns], axis=-1)
    grain = np.random.default_rng(7).integers(0, 9, smooth.shape)
    return np.clip(smooth + grain, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("mode", ["RGB", "L", "I;16", "RGBA", "LA"])
@pytest.mark.parametrize("level", [0, 1, 9])
def test_every_filter_of_another_program_is_undone(tmp_path: Path, mode: str, level: int) -> None:
    path = tmp_path / "photo.png"
    planes = photograph()
    grey = planes[..., 0]
    shown = {
        "RGB": planes,
        "L": grey,
        "I;16": grey.astype(np.uint16) * 200,
        "RGBA": np.dstack([planes, planes[::-1, :, 1]]),
        "LA": np.dstack([grey, planes[::-1, :, 1]]),
    }[mode]
    Image.fromarray(shown).save(path, compress_level=level)
    found = open_strips(path)
    assert found is not None
    strips = list(found.strips())
    assert len(strips) > 2
    whole = images.read(path)
    made = np.concatenate(strips)
    np.testing.assert_array_equal(made[..., :3], whole.pixels)
    if whole.alpha is None:
        assert made.shape[2] == 3
    else:
        np.testing.assert_array_equal(made[..., 3], whole.alpha)
    assert (found.like.grey, found.like.bit_depth) == (whole.grey, whole.bit_depth)


def test_sixteen_bit_colour_with_profile_and_exif(tmp_path: Path) -> None:
    path = tmp_path / "deep.png"
    content = Image.Exif()
    content[0x010F] = "Camera"
    pixels = photograph().astype(np.uint16) * 256 + 3
    images.write(path, Picture(pixels, icc=b"profile", exif=content.tobytes()))
    found = open_strips(path)
    assert found is not None
    np.testing.assert_array_equal(np.concatenate(list(found.strips())), pixels)
    whole = images.read(path)
    assert (found.like.icc, found.like.exif) == (b"profile", whole.exif)


@pytest.mark.parametrize("grey", [False, True])
def test_sixteen_bits_and_alpha(tmp_path: Path, grey: bool) -> None:
    path = tmp_path / "deep.png"
    pixels = photograph().astype(np.uint16) * 256 + 3
    if grey:
        pixels = np.repeat(pixels[..., :1], 3, axis=2)
    alpha = pixels[::-1, :, 2].copy()
    images.write(path, Picture(pixels, alpha=alpha, grey=grey))
    found = open_strips(path)
    assert found is not None
    planes = np.concatenate([pixels, alpha[..., None]], axis=2)
    np.testing.assert_array_equal(np.concatenate(list(found.strips())), planes)


def saved(path: Path, image: Image.Image, **options: Any) -> Path:
    image.save(path, **options)
    return path


def test_what_strips_cannot_hold_is_left_to_the_ordinary_decoder(tmp_path: Path) -> None:
    picture = Image.fromarray(photograph())
    turned = Image.Exif()
    turned[0x0112] = 6
    key = PngImagePlugin.PngInfo()
    key.add(b"tRNS", struct.pack(">HHH", 1, 2, 3))
    for name, image, options in (
        ("palette", picture.quantize(16), {}),
        ("turned", picture, {"exif": turned}),
        ("bits", picture.convert("1"), {}),
        ("key", picture, {"transparency": (1, 2, 3)}),
    ):
        assert open_strips(saved(tmp_path / f"{name}.png", image, **options)) is None, name
    assert open_strips(saved(tmp_path / "a.jpg", picture)) is None


def damaged(path: Path, change: Any) -> Path:
    images.write(path, Picture(np.random.default_rng(0).integers(0, 256, (90, 61, 3), np.uint8)))
    data = bytearray(path.read_bytes())
    path.write_bytes(bytes(change(data)))
    return path


def flipped(data: bytearray) -> bytearray:
    data[len(data) // 2] ^= 255
    return data


@pytest.mark.parametrize("change", [lambda data: data[: len(data) // 2], lambda data: data[:40]])
def test_a_truncated_file_is_refused_when_it_is_opened(tmp_path: Path, change: Any) -> None:
    with pytest.raises(InputError, match=r"photo\.png: .* damaged or truncated"):
        open_strips(damaged(tmp_path / "photo.png", change))


def test_damaged_pixels_are_refused_when_they_are_met(tmp_path: Path) -> None:
    found = open_strips(damaged(tmp_path / "photo.png", flipped))
    assert found is not None
    with pytest.raises(InputError, match="damaged or truncated"):
        list(found.strips())


def test_a_claim_that_no_file_of_the_size_can_keep_is_refused(tmp_path: Path) -> None:
    start = struct.pack(">IIBBBBB", 12_000, 12_000, 8, 2, 0, 0, 0)
    body = zlib.compress(bytes(10_000))
    chunks = ((b"IHDR", start), (b"IDAT", body), (b"IEND", b""))
    path = tmp_path / "claim.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(png_rows.png_chunk(*one) for one in chunks))
    with pytest.raises(InputError, match="claims 12000x12000"):
        open_strips(path)
    with pytest.raises(InputError, match="claims 12000x12000"):
        images.read(path, images.Limits(max_pixels=1 << 30))
