"""Every kind of picture file comes in as RGB, keeps its properties and goes out again."""

import io
import struct
import subprocess
import sys
import time
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageCms, ImageOps, TiffImagePlugin

from superres import images
from superres.errors import InputError
from superres.images import Limits, Picture, decode, encode

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
GREY_PROFILE = SRGB[:16] + b"GRAY" + SRGB[20:]


def saved(image: Image.Image, format_name: str = "PNG", **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, format_name, **options)
    return file.getvalue()


def png(planes: NDArray[Any], *chunks: tuple[bytes, bytes], colour_type: int = 2) -> bytes:
    """A PNG of 8 or 16 bits with the given chunks before its pixels."""
    height, width = planes.shape[:2]
    depth = 8 * planes.dtype.itemsize
    rows = np.ascontiguousarray(planes.astype(planes.dtype.newbyteorder(">"))).view(np.uint8)
    raw = b"".join(b"\0" + row.tobytes() for row in rows.reshape(height, -1))
    header = struct.pack(">IIBBBBB", width, height, depth, colour_type, 0, 0, 0)
    body = [(b"IHDR", header), *chunks, (b"IDAT", zlib.compress(raw)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in body
    )


def exif(**tags: Any) -> bytes:
    names = {"orientation": 0x0112, "make": 0x010F, "description": 0x010E}
    content = Image.Exif()
    for name, value in tags.items():
        content[names[name]] = value
    return content.tobytes()


# --- in ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("format_name", ["PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF"])
def test_the_content_decides_the_format(photo: NDArray[np.uint8], format_name: str) -> None:
    picture = decode(saved(Image.fromarray(photo), format_name))
    assert picture.format == format_name
    assert picture.pixels.shape == photo.shape
    assert picture.pixels.dtype == np.uint8
    assert np.abs(picture.pixels.astype(int) - photo).mean() < 12
    assert (picture.alpha, picture.grey, picture.icc, picture.exif) == (None, False, None, None)


@pytest.mark.parametrize("format_name", ["PNG", "TIFF", "BMP"])
def test_lossless_formats_give_every_pixel(photo: NDArray[np.uint8], format_name: str) -> None:
    picture = decode(saved(Image.fromarray(photo), format_name))
    np.testing.assert_array_equal(picture.pixels, photo)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA"])
def test_one_pixel(mode: str) -> None:
    picture = decode(saved(Image.new(mode, (1, 1))))
    assert picture.pixels.shape == (1, 1, 3)
    assert picture.grey == (mode in ("1", "L", "LA"))
    assert (picture.alpha is not None) == mode.endswith("A")


def test_grey_is_spread_and_remembered(photo: NDArray[np.uint8]) -> None:
    picture = decode(saved(Image.fromarray(photo[..., 0])))
    assert picture.grey
    assert picture.channels == 1
    for channel in range(3):
        np.testing.assert_array_equal(picture.pixels[..., channel], photo[..., 0])


def test_colour_file_with_equal_channels_is_not_grey() -> None:
    assert not decode(saved(Image.new("RGB", (2, 2), (9, 9, 9)))).grey


def test_sixteen_bit_grey() -> None:
    levels = np.array([[0, 1, 256], [40_000, 65_534, 65_535]], np.uint16)
    for data in (png(levels, colour_type=0), saved(Image.fromarray(levels), "TIFF")):
        picture = decode(data)
        assert (picture.grey, picture.bit_depth) == (True, 16)
        np.testing.assert_array_equal(picture.pixels[..., 1], levels)


@pytest.mark.parametrize(("channels", "colour_type"), [(1, 0), (2, 4), (3, 2), (4, 6)])
def test_sixteen_bit_png(channels: int, colour_type: int) -> None:
    planes = np.random.default_rng(0).integers(0, 65_536, (5, 7, channels), dtype=np.uint16)
    picture = decode(png(planes, colour_type=colour_type))
    assert picture.channels == channels
    colour = planes[..., :-1] if channels in (2, 4) else planes
    np.testing.assert_array_equal(picture.pixels, np.broadcast_to(colour, (5, 7, 3)))
    if channels in (2, 4):
        np.testing.assert_array_equal(picture.alpha, planes[..., -1])


@pytest.mark.parametrize("channels", [3, 4])
def test_sixteen_bit_tiff_of_another_program(
    channels: int, capfd: pytest.CaptureFixture[str]
) -> None:
    planes = np.random.default_rng(0).integers(0, 65_536, (5, 7, channels), dtype=np.uint16)
    data = cv2.imencode(".tiff", planes[..., [2, 1, 0, 3][:channels]])[1].tobytes()
    picture = decode(data)
    np.testing.assert_array_equal(picture.pixels, planes[..., :3])
    assert (picture.alpha is not None) == (channels == 4)
    assert capfd.readouterr() == ("", "")


def tiff(planes: NDArray[np.uint16], **tags: Any) -> bytes:
    """A plain TIFF of 16 bits with tags that the package does not write itself."""
    directory = TiffImagePlugin.ImageFileDirectory_v2()
    height, width, channels = planes.shape
    values = {"BITSPERSAMPLE": (16,) * channels, "SAMPLESPERPIXEL": channels, "STRIPOFFSETS": 0}
    values |= {"IMAGEWIDTH": width, "IMAGELENGTH": height, "STRIPBYTECOUNTS": planes.nbytes}
    for name, value in {"COMPRESSION": 1, **values, **tags}.items():
        directory[getattr(TiffImagePlugin, name)] = value
    file = io.BytesIO()
    directory.save(file)
    return file.getvalue() + planes.tobytes()


def test_sixteen_bit_tiff_where_white_is_zero() -> None:
    levels = np.array([[[0], [1000], [65_535]]], np.uint16)
    picture = decode(tiff(levels, PHOTOMETRIC_INTERPRETATION=0))
    np.testing.assert_array_equal(picture.pixels[0, :, 0], [65_535, 64_535, 0])


def test_sixteen_bit_tiff_multiplied_by_its_alpha() -> None:
    planes = np.array([[[100, 200, 300, 65_535], [100, 200, 300, 13_107], [0, 0, 0, 0]]], np.uint16)
    picture = decode(tiff(planes, PHOTOMETRIC_INTERPRETATION=2, EXTRASAMPLES=(1,)))
    np.testing.assert_array_equal(picture.pixels[0], [[100, 200, 300], [500, 1000, 1500], [0] * 3])
    np.testing.assert_array_equal(picture.alpha, planes[..., 3])


def test_palette_with_transparency() -> None:
    palette = Image.new("P", (3, 1))
    palette.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255])
    palette.putdata([0, 1, 2])
    for transparency, alpha in ((1, [255, 0, 255]), (b"\x80\x00\xff", [128, 0, 255])):
        picture = decode(saved(palette, transparency=transparency))
        np.testing.assert_array_equal(picture.pixels[0], [[255, 0, 0], [0, 255, 0], [0, 0, 255]])
        np.testing.assert_array_equal(picture.alpha, [alpha])
        assert not picture.grey


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_colour_key_becomes_alpha(dtype: type) -> None:
    full = np.iinfo(dtype).max
    colour = np.array([[[1, 2, 3], [4, 5, 6]]], dtype)
    picture = decode(png(colour, (b"tRNS", struct.pack(">HHH", 1, 2, 3))))
    np.testing.assert_array_equal(picture.alpha, [[0, full]])
    grey = decode(png(colour[..., 0], (b"tRNS", struct.pack(">H", 4)), colour_type=0))
    np.testing.assert_array_equal(grey.alpha, [[full, 0]])
    assert grey.grey


def test_cmyk_goes_through_its_profile(photo: NDArray[np.uint8]) -> None:
    cmyk = Image.fromarray(photo).convert("CMYK")
    plain = decode(saved(cmyk, "JPEG", quality=100, subsampling=0))
    assert np.abs(plain.pixels.astype(int) - photo).mean() < 4
    broken = decode(saved(cmyk, "JPEG", quality=100, subsampling=0, icc_profile=b"no profile"))
    np.testing.assert_array_equal(broken.pixels, plain.pixels)
    assert broken.icc is None


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied_and_removed(tiny: NDArray[np.uint8], orientation: int) -> None:
    # What Pillow itself makes of a file with this orientation.
    data = saved(Image.fromarray(tiny), exif=exif(orientation=orientation, make="Camera"))
    expected = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(data))))
    picture = decode(data)
    np.testing.assert_array_equal(picture.pixels, expected)
    kept = Image.Exif()
    kept.load(picture.exif)
    assert dict(kept) == {0x010F: "Camera"}


def test_orientation_by_hand() -> None:
    """6 = the camera was held upright: the stored left column is the top row, turned clockwise."""
    stored = np.array([[[1] * 3, [2] * 3], [[3] * 3, [4] * 3]], np.uint8)
    picture = decode(saved(Image.fromarray(stored), exif=exif(orientation=6)))
    np.testing.assert_array_equal(picture.pixels[..., 0], [[3, 1], [4, 2]])


@pytest.mark.parametrize("orientation", [3, 5, 6, 8])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("format_name", ["PNG", "TIFF"])
def test_orientation_of_alpha_and_sixteen_bits(
    orientation: int, dtype: type, format_name: str
) -> None:
    pixels = np.arange(18, dtype=dtype).reshape(2, 3, 3)
    alpha = np.arange(6, dtype=dtype).reshape(2, 3)
    picture = decode(
        encode(Picture(pixels, alpha, exif=exif(orientation=orientation)), format_name)
    )
    turned = {
        3: lambda planes: np.rot90(planes, 2),
        5: lambda planes: planes.swapaxes(0, 1),
        6: lambda planes: np.rot90(planes, -1),
        8: lambda planes: np.rot90(planes, 1),
    }[orientation]
    np.testing.assert_array_equal(picture.pixels, turned(pixels))
    np.testing.assert_array_equal(picture.alpha, turned(alpha))


@pytest.mark.parametrize("format_name", ["PNG", "JPEG", "WEBP", "TIFF"])
def test_profile_and_exif_are_read(photo: NDArray[np.uint8], format_name: str) -> None:
    data = saved(Image.fromarray(photo), format_name, icc_profile=SRGB, exif=exif(make="Camera"))
    picture = decode(data)
    assert picture.icc == SRGB
    kept = Image.Exif()
    kept.load(picture.exif)
    assert dict(kept) == {0x010F: "Camera"}


def test_damaged_exif_costs_the_exif_only(photo: NDArray[np.uint8]) -> None:
    picture = decode(saved(Image.fromarray(photo), "JPEG", exif=b"Exif\0\0MM\0*\xff\xff\xff\xff"))
    assert picture.exif is None
    assert picture.pixels.shape == photo.shape


def test_of_an_animation_the_first_frame(photo: NDArray[np.uint8]) -> None:
    frames = [Image.new("RGB", (8, 6), colour) for colour in ("red", "blue")]
    for format_name in ("GIF", "WEBP", "PNG"):
        options = {"save_all": True, "append_images": frames[1:]}
        picture = decode(saved(frames[0], format_name, **options))
        assert picture.pixels.shape == (6, 8, 3)
        assert np.abs(picture.pixels[3, 4].astype(int) - (255, 0, 0)).max() <= 2


# --- refused ----------------------------------------------------------------------------------

HUGE_PNG = png(np.zeros((1, 1, 3), np.uint8)).replace(
    struct.pack(">II", 1, 1), struct.pack(">II", 12_000, 12_000), 1
)
HUGE_PNG = HUGE_PNG[:29] + struct.pack(">I", zlib.crc32(HUGE_PNG[12:29])) + HUGE_PNG[33:]


def huge(format_name: str) -> bytes:
    """A small file whose header claims 65,000 x 12,000 or so."""
    small = Image.new("RGB", (16, 16))
    if format_name == "GIF":
        data = saved(small, "GIF")
        return data[:6] + struct.pack("<HH", 65_000, 65_000) + data[10:]
    if format_name == "BMP":
        data = saved(small, "BMP")
        return data[:18] + struct.pack("<ii", 65_000, 65_000) + data[26:]
    if format_name == "JPEG":
        data = saved(small, "JPEG")
        start = data.index(b"\xff\xc0") + 5
        return data[:start] + struct.pack(">HH", 65_000, 65_000) + data[start + 4 :]
    if format_name == "TIFF":
        data = encode(Picture(np.zeros((16, 16, 3), np.uint8)), "TIFF")
        for tag in (256, 257):
            start = data.index(struct.pack("<H", tag), 8)
            data = data[:start] + struct.pack("<HHII", tag, 4, 1, 65_000) + data[start + 12 :]
        return data
    return HUGE_PNG


@pytest.mark.parametrize("format_name", ["PNG", "GIF", "BMP", "JPEG", "TIFF"])
def test_a_huge_claim_is_refused_before_decoding(format_name: str) -> None:
    data = huge(format_name)
    started = time.perf_counter()
    with pytest.raises(InputError, match="at most 50000000 are accepted") as refused:
        decode(data)
    assert time.perf_counter() - started < 0.2
    assert (refused.value.code, refused.value.status) == ("too_many_pixels", 413)


def test_a_huge_webp_is_refused_before_decoding() -> None:
    data = saved(Image.new("RGB", (16_000, 4_000)), "WEBP", lossless=True, method=0)
    with pytest.raises(InputError) as refused:
        decode(data)
    assert refused.value.code == "too_many_pixels"


@pytest.mark.parametrize(
    ("data", "code", "status"),
    [
        (b"", "empty", 400),
        (b"this is a text, not a picture\n" * 9, "unsupported_type", 415),
        (b"BM is how this text begins, which is no bitmap", "unsupported_type", 415),
        (b"%PDF-1.7\n", "unsupported_type", 415),
        (b"\x89PNG\r\n\x1a\n", "corrupt_image", 422),
        (b"\xff\xd8\xff", "corrupt_image", 422),
        (b"RIFF\x10\0\0\0WEBPVP8 ", "corrupt_image", 422),
        (b"II*\0\x08\0\0\0", "corrupt_image", 422),
        (b"GIF89a", "corrupt_image", 422),
        (b"\0" * 70_000_000, "too_many_bytes", 413),
        (saved(Image.new("F", (2, 2)), "TIFF"), "unsupported_type", 415),
    ],
)
def test_what_is_no_picture_is_refused(data: bytes, code: str, status: int) -> None:
    with pytest.raises(InputError) as refused:
        decode(data)
    assert (refused.value.code, refused.value.status) == (code, status)


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
@pytest.mark.parametrize("format_name", ["PNG", "PNG16", "JPEG", "WEBP", "TIFF", "BMP", "GIF"])
def test_truncated_files_are_refused(format_name: str, share: float) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    if format_name == "PNG16":
        data = encode(Picture(noise.astype(np.uint16) * 257))
    else:
        data = saved(Image.fromarray(noise), format_name)
    with pytest.raises(InputError, match="damaged or truncated") as refused:
        decode(data[: int(len(data) * share)])
    assert (refused.value.code, refused.value.status) == ("corrupt_image", 422)


def test_limits_are_the_callers(photo: NDArray[np.uint8]) -> None:
    data = saved(Image.fromarray(photo))
    assert decode(data, Limits(max_bytes=len(data), max_pixels=40 * 56)).pixels.shape == (40, 56, 3)
    for limits, code in (
        (Limits(max_bytes=len(data) - 1), "too_many_bytes"),
        (Limits(max_pixels=40 * 56 - 1), "too_many_pixels"),
    ):
        with pytest.raises(InputError) as refused:
            decode(data, limits)
        assert (refused.value.code, refused.value.status) == (code, 413)


def test_damaged_bytes_never_give_another_error(photo: NDArray[np.uint8]) -> None:
    generator = np.random.default_rng(5)
    refused = 0
    for format_name in ("PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF"):
        data = saved(Image.fromarray(photo), format_name)
        for _ in range(40):
            damaged = bytearray(data)
            for position in generator.integers(0, min(len(data), 400), 4):
                damaged[position] = generator.integers(0, 256)
            try:
                decode(bytes(damaged), Limits(max_pixels=1_000_000))
            except InputError:
                refused += 1
    assert refused > 40


# --- out --------------------------------------------------------------------------------------


def picture_of(channels: int, dtype: type, photo: NDArray[np.uint8]) -> Picture:
    pixels = photo if dtype == np.uint8 else photo.astype(np.uint16) * 256 + 77
    if channels < 3:
        pixels = np.repeat(pixels[..., :1], 3, axis=2)
    alpha = np.ascontiguousarray(pixels[::-1, ::-1, 0]) if channels in (2, 4) else None
    return Picture(pixels, alpha, grey=channels < 3, icc=SRGB, exif=exif(make="Camera"))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("format_name", ["PNG", "TIFF"])
def test_lossless_round_trip(
    photo: NDArray[np.uint8], format_name: str, channels: int, dtype: type
) -> None:
    picture = picture_of(channels, dtype, photo)
    back = decode(encode(picture, format_name))
    np.testing.assert_array_equal(back.pixels, picture.pixels)
    assert back.pixels.dtype == dtype
    np.testing.assert_array_equal(back.alpha, picture.alpha)
    assert (back.icc, back.format) == (picture.icc, format_name)
    assert back.exif == picture.exif
    # No reader knows 16-bit grey with alpha in a TIFF, so that goes out as colour.
    assert back.grey == (picture.grey and (format_name, channels, dtype) != ("TIFF", 2, np.uint16))


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("format_name", ["PNG", "TIFF"])
def test_other_programs_read_what_is_written(
    photo: NDArray[np.uint8], format_name: str, channels: int
) -> None:
    picture = picture_of(channels, np.uint8, photo)
    with Image.open(io.BytesIO(encode(picture, format_name))) as image:
        assert image.mode == ["L", "LA", "RGB", "RGBA"][channels - 1]
        np.testing.assert_array_equal(np.asarray(image.convert("RGB")), picture.pixels)
        assert image.info["icc_profile"] == SRGB


@pytest.mark.parametrize("format_name", ["JPEG", "WEBP", "BMP"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_eight_bit_formats(photo: NDArray[np.uint8], format_name: str, dtype: type) -> None:
    picture = picture_of(3, dtype, photo)
    back = decode(encode(picture, format_name))
    assert np.abs(back.pixels.astype(int) - photo).mean() < 5
    expected = (None, None) if format_name == "BMP" else (picture.icc, picture.exif)
    assert (back.icc, back.exif) == expected


def test_grey_jpeg_stays_grey(photo: NDArray[np.uint8]) -> None:
    assert decode(encode(picture_of(1, np.uint8, photo), "JPEG")).grey


def test_webp_keeps_alpha_and_is_lossless_at_100(photo: NDArray[np.uint8]) -> None:
    picture = picture_of(4, np.uint8, photo)
    lossy, lossless = (decode(encode(picture, "WEBP", quality=quality)) for quality in (90, 100))
    np.testing.assert_array_equal(lossy.alpha, picture.alpha)
    np.testing.assert_array_equal(lossless.pixels, picture.pixels)


@pytest.mark.parametrize("format_name", ["JPEG", "BMP"])
def test_without_alpha_in_the_format_the_ground_is_white(format_name: str) -> None:
    pixels = np.zeros((16, 16, 3), np.uint8)
    alpha = np.zeros((16, 16), np.uint8)
    alpha[8:] = 255
    back = decode(encode(Picture(pixels, alpha), format_name, quality=100))
    assert back.pixels[:8].min() > 250
    assert back.pixels[8:].max() < 5


def test_sixteen_bits_are_rounded_half_up_to_eight() -> None:
    levels = np.array([[0, 128, 129, 257, 65_535]], np.uint16)
    back = decode(encode(Picture(np.repeat(levels[..., None], 3, axis=2)), "BMP"))
    np.testing.assert_array_equal(back.pixels[0, :, 0], [0, 0, 1, 1, 255])


def test_grey_profile_is_not_written_with_colour(photo: NDArray[np.uint8]) -> None:
    grey = replace(picture_of(1, np.uint8, photo), icc=GREY_PROFILE)
    assert decode(encode(grey)).icc == GREY_PROFILE
    assert decode(encode(replace(grey, grey=False))).icc is None


def test_text_in_png(photo: NDArray[np.uint8]) -> None:
    text = {"Software": "superres 0.1", "model": "srgan-ß", "note": "Größe 4 → 16"}
    with Image.open(io.BytesIO(encode(Picture(photo), text=text))) as image:
        image.load()
        assert image.info == text


@pytest.mark.parametrize("format_name", ["JPEG", "WEBP", "TIFF"])
def test_text_in_exif(photo: NDArray[np.uint8], format_name: str) -> None:
    text = {"Software": "superres 0.1", "model": "srgan", "run": "abc"}
    picture = Picture(photo, exif=exif(make="Camera", description="A cat"))
    with Image.open(io.BytesIO(encode(picture, format_name, text=text))) as image:
        written = image.getexif()
    assert written[0x0131] == "superres 0.1"
    assert written[0x010E] == "A cat\nmodel: srgan\nrun: abc"
    assert written[0x010F] == "Camera"


def test_exif_states_the_new_size(photo: NDArray[np.uint8]) -> None:
    content = Image.Exif()
    content.get_ifd(0x8769).update({0xA002: 7, 0xA003: 5, 0x829D: 2.8})
    for format_name in ("PNG", "JPEG", "TIFF"):
        picture = Picture(photo, exif=content.tobytes())
        back = decode(encode(picture, format_name))
        kept = Image.Exif()
        kept.load(back.exif)
        assert kept.get_ifd(0x8769) == {0xA002: 56, 0xA003: 40, 0x829D: 2.8}, format_name


def test_unusable_metadata_does_not_cost_the_picture(photo: NDArray[np.uint8]) -> None:
    for broken in (b"Exif\0\0nonsense", b"Exif\0\0" + b"MM\0*\0\0\0\x08" + b"x" * 70_000):
        assert decode(encode(Picture(photo, exif=broken), "JPEG")).pixels.shape == photo.shape


@pytest.mark.parametrize(
    ("side", "format_name", "code"),
    [
        (16_384, "WEBP", "too_many_pixels"),
        (65_501, "JPEG", "too_many_pixels"),
        (1, "GIF", "unsupported_type"),
    ],
)
def test_what_a_format_cannot_hold_is_refused(side: int, format_name: str, code: str) -> None:
    with pytest.raises(InputError) as refused:
        encode(Picture(np.zeros((1, side, 3), np.uint8)), format_name)
    assert refused.value.code == code


# --- files ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["a.png", "a.JPG", "a.webp", "a.tif", "ü ä.bmp"])
def test_files_by_suffix(photo: NDArray[np.uint8], tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    images.write(path, Picture(photo), quality=90)
    picture = images.read(path)
    assert picture.format == images.FORMATS[path.suffix.lower()]
    assert np.abs(picture.pixels.astype(int) - photo).mean() < 5
    assert list(tmp_path.iterdir()) == [path]


def test_a_failed_write_leaves_the_old_file(
    photo: NDArray[np.uint8], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(b"old")

    def fail(self: Path, target: Path) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        images.write(path, Picture(photo))
    assert [(p.name, p.read_bytes()) for p in tmp_path.iterdir()] == [("a.png", b"old")]


def test_errors_name_the_file(tmp_path: Path, photo: NDArray[np.uint8]) -> None:
    text = tmp_path / "notes.png"
    text.write_text("no picture")
    with pytest.raises(InputError, match=r"notes\.png: the content is no picture") as refused:
        images.read(text)
    assert refused.value.status == 415
    with pytest.raises(InputError, match=r"gone\.png: cannot be read") as refused:
        images.read(tmp_path / "gone.png")
    assert (refused.value.code, refused.value.status) == ("unreadable", 400)
    with pytest.raises(InputError, match=r"notes\.png: the file has 10 bytes, at most 9"):
        images.read(text, Limits(max_bytes=9))
    with pytest.raises(InputError, match=r"suffix '\.gif' is no picture format"):
        images.write(tmp_path / "a.gif", Picture(photo))


# --- numbers ----------------------------------------------------------------------------------


def test_luma_is_matlabs_rgb2ycbcr() -> None:
    colours = np.array([[[0, 0, 0], [255, 255, 255], [255, 0, 0], [0, 255, 0], [0, 0, 255]]])
    expected = [[16.0, 235.0, 81.481, 144.553, 40.966]]
    for rgb in (colours.astype(np.uint8), colours.astype(np.float32), colours.astype(np.float64)):
        np.testing.assert_allclose(images.luma(rgb), expected, atol=1e-4)
        assert images.luma(rgb).dtype == np.float64
    assert images.luma(np.array([[[1, 1, 1]]], np.uint8)) != np.round(16.86)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_tensor_and_back_is_exact(photo: NDArray[np.uint8], dtype: type) -> None:
    pixels = photo.astype(dtype) * (np.iinfo(dtype).max // 255)
    pixels[0, 0, 0] += 1
    tensor = images.to_tensor(pixels)
    assert tensor.shape == (1, 3, 40, 56)
    assert 0 <= tensor.min() < tensor.max() <= 1
    back = images.to_pixels(tensor, dtype)
    np.testing.assert_array_equal(back, pixels)
    assert back.dtype == dtype
    assert back.flags.c_contiguous


def test_to_pixels_clamps_and_rounds_half_up() -> None:
    torch = pytest.importorskip("torch")
    values = torch.tensor([-0.2, 0.5 / 255, 1.5 / 255, 2.4 / 255, 0.9999, 1.7])
    tensor = values.expand(3, 1, 6).clone()
    np.testing.assert_array_equal(images.to_pixels(tensor)[0, :, 0], [0, 1, 2, 2, 255, 255])
    torch.testing.assert_close(tensor[0, 0], values)  # the caller's tensor is left alone


def test_decoding_needs_no_torch() -> None:
    code = "import superres.images, superres.metrics, sys; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_every_suffix_names_a_format_that_is_written(photo: NDArray[np.uint8]) -> None:
    for format_name in set(images.FORMATS.values()):
        assert decode(encode(Picture(photo), format_name)).format == format_name
