"""From file to file: the awkward ones keep what they are or are refused at once, with a reason."""

import io
import struct
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms

from superres import images
from superres.checkpoint import Model
from superres.errors import InputError
from superres.images import Picture, animation
from superres.images.lossless import png_chunk
from superres.inference import Upscaler, pictures
from superres.inference.alpha import spread_colours
from superres.inference.pictures import pixels_of, upscale_bytes, upscale_picture
from superres.inference.sizing import Wanted
from superres.models import build

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


@pytest.fixture(scope="module")
def scaler() -> Upscaler:
    generator = build("bicubic", scale=2).eval()
    return Upscaler(Model(generator, generator.info, {"version": "9", "run_id": "f00"}), tile=16)


def photograph(height: int = 24, width: int = 30, channels: int = 3) -> Any:
    rows, columns = np.mgrid[0:height, 0:width]
    planes = [rows * 5, columns * 4, 255 - rows * 3 - columns * 2, 20 + rows * 3 + columns * 4]
    return np.clip(np.stack(planes[:channels], -1), 0, 255).astype(np.uint8)


def deep(channels: int) -> Any:
    return photograph(channels=channels).astype(np.uint16) * 257


def saved(image: Image.Image, path: Path, **options: Any) -> Path:
    image.save(path, **options)
    return path


def claim(path: Path) -> Path:
    """A PNG of a few bytes whose header says 12,000 x 12,000."""
    header = struct.pack(">IIBBBBB", 12_000, 12_000, 8, 2, 0, 0, 0)
    body = png_chunk(b"IDAT", zlib.compress(bytes(100)))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", header) + body)
    return path


def exif(**tags: Any) -> bytes:
    content = Image.Exif()
    for tag, value in tags.items():
        content[int(tag[1:])] = value
    return content.tobytes()


def check(sr: Picture, **facts: Any) -> None:
    for name, value in facts.items():
        assert getattr(sr, name) == value, name


KEPT: dict[str, tuple[Callable[[Path], Any], dict[str, Any]]] = {
    "one pixel": (
        lambda path: images.write(path, Picture(photograph(1, 1))),
        {"width": 2, "height": 2, "channels": 3, "bit_depth": 8},
    ),
    "grey": (
        lambda path: saved(Image.fromarray(photograph()[..., 0]), path),
        {"grey": True, "bit_depth": 8, "alpha": None},
    ),
    "grey, 16 bits": (
        lambda path: saved(Image.fromarray(deep(1)[..., 0]), path),
        {"grey": True, "bit_depth": 16},
    ),
    "palette": (
        lambda path: saved(Image.fromarray(photograph()).quantize(200), path),
        {"grey": False, "channels": 3},
    ),
    "alpha": (
        lambda path: saved(Image.fromarray(photograph(channels=4)), path),
        {"channels": 4, "bit_depth": 8},
    ),
    "16 bits": (lambda path: images.write(path, Picture(deep(3))), {"bit_depth": 16}),
    "16 bits and alpha": (
        lambda path: images.write(path, Picture(deep(3), alpha=deep(4)[..., 3].copy())),
        {"bit_depth": 16, "channels": 4},
    ),
    "CMYK": (
        lambda path: saved(
            Image.fromarray(photograph()).convert("CMYK"), path, format="JPEG", quality=100
        ),
        {"channels": 3, "format": "PNG"},
    ),
    "turned by EXIF": (
        lambda path: saved(Image.fromarray(photograph()), path, exif=exif(t274=6, t271="Camera")),
        {"width": 48, "height": 60},
    ),
    "with a profile": (
        lambda path: images.write(path, Picture(photograph(), icc=SRGB)),
        {"icc": SRGB},
    ),
    "another suffix than content": (
        lambda path: saved(Image.fromarray(photograph()), path, format="WEBP", lossless=True),
        {"width": 60, "height": 48},
    ),
}


@pytest.mark.parametrize("name", KEPT)
def test_an_awkward_picture_keeps_what_it_is(scaler: Upscaler, tmp_path: Path, name: str) -> None:
    make, facts = KEPT[name]
    make(tmp_path / "in.png")
    lr = images.read(tmp_path / "in.png")
    begun = time.perf_counter()
    size = upscale_picture(scaler, tmp_path / "in.png", tmp_path / "out.png")
    assert time.perf_counter() - begun < 5
    sr = images.read(tmp_path / "out.png")
    assert size == (sr.width, sr.height) == (2 * lr.width, 2 * lr.height)
    check(sr, **facts)
    mean = lr.pixels.mean(axis=(0, 1)) - sr.pixels.mean(axis=(0, 1))
    assert np.abs(mean).max() < 0.012 * np.iinfo(sr.pixels.dtype).max
    if name == "turned by EXIF":
        assert b"Camera" in (sr.exif or b"")


REFUSED: dict[str, tuple[Callable[[Path], Any], str]] = {
    "truncated": (
        lambda path: path.write_bytes(
            images.encode(Picture(np.random.default_rng(0).integers(0, 9, (40, 40, 3), np.uint8)))[
                :900
            ]
        ),
        "damaged or truncated",
    ),
    "empty": (lambda path: path.write_bytes(b""), "empty"),
    "text with the suffix of a picture": (
        lambda path: path.write_text("no picture at all"),
        "no picture of a known type",
    ),
    "a claim of 12,000 x 12,000": (claim, "damaged or truncated|claims 12000x12000"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_read_is_refused_at_once(
    scaler: Upscaler, tmp_path: Path, name: str
) -> None:
    make, reason = REFUSED[name]
    make(tmp_path / "in.png")
    begun = time.perf_counter()
    with pytest.raises(InputError, match=rf"in\.png: .*({reason})"):
        upscale_picture(scaler, tmp_path / "in.png", tmp_path / "out.png")
    assert time.perf_counter() - begun < 1
    assert [path.name for path in tmp_path.iterdir()] == ["in.png"]


@pytest.mark.parametrize("suffix", [".png", ".tif", ".jpg", ".webp", ".bmp", ".avif"])
@pytest.mark.parametrize("depth", [8, 16])
def test_strips_make_the_same_file_as_the_whole(
    scaler: Upscaler, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str, depth: int
) -> None:
    if suffix not in images.FORMATS:
        pytest.skip("Pillow was built without AVIF")
    pixels = photograph(70, 50) if depth == 8 else photograph(70, 50).astype(np.uint16) * 257
    images.write(tmp_path / "in.png", Picture(pixels, icc=SRGB))
    upscale_picture(scaler, tmp_path / "in.png", tmp_path / f"whole{suffix}")
    monkeypatch.setattr(pictures, "STREAMED_PIXELS", 0)
    monkeypatch.setattr("superres.images.png_rows.STRIP_BYTES", 3000)
    monkeypatch.setattr("superres.inference.tiled.STRIP_BYTES", 3000)
    upscale_picture(scaler, tmp_path / "in.png", tmp_path / f"strips{suffix}")
    whole, strips = (images.read(tmp_path / f"{name}{suffix}") for name in ("whole", "strips"))
    np.testing.assert_array_equal(whole.pixels, strips.pixels)
    assert (whole.icc, whole.exif) == (strips.icc, strips.exif)
    if suffix in (".png", ".tif"):
        expected = scaler.image(images.read(tmp_path / "in.png"))
        np.testing.assert_array_equal(strips.pixels, expected.pixels)
    assert len(list(tmp_path.iterdir())) == 3


@pytest.mark.parametrize("suffix", [".png", ".tif", ".webp"])
@pytest.mark.parametrize("depth", [8, 16])
@pytest.mark.parametrize("grey", [False, True])
def test_alpha_in_strips_is_alpha_at_once(
    scaler: Upscaler,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    suffix: str,
    depth: int,
    grey: bool,
) -> None:
    pixels: Any = photograph(90, 50).astype(np.uint16) * 257 if depth == 16 else photograph(90, 50)
    if grey:
        pixels = np.repeat(pixels[..., :1], 3, axis=2)
    alpha = pixels[::-1, :, 1].copy()
    alpha[30:75, 5:40] = 0  # more rows than a strip has, and deeper than colours are spread
    source = Picture(pixels, alpha=alpha, grey=grey, icc=None if grey else SRGB)
    images.write(tmp_path / "in.png", source)
    images.write(tmp_path / f"whole{suffix}", scaler.image(source))
    monkeypatch.setattr(pictures, "STREAMED_PIXELS", 0)
    monkeypatch.setattr("superres.inference.alpha.ROWS", 16)
    monkeypatch.setattr("superres.images.png_rows.STRIP_BYTES", 3000)
    monkeypatch.setattr("superres.inference.tiled.STRIP_BYTES", 3000)
    size = upscale_picture(scaler, tmp_path / "in.png", tmp_path / f"strips{suffix}")
    whole, strips = (images.read(tmp_path / f"{name}{suffix}") for name in ("whole", "strips"))
    assert size == (strips.width, strips.height)
    assert (whole.grey, whole.bit_depth, whole.icc) == (strips.grey, strips.bit_depth, strips.icc)
    assert whole.alpha is not None
    assert strips.alpha is not None
    np.testing.assert_array_equal(strips.alpha, whole.alpha)
    # The sums that spread hidden colours begin at another row, so their last bit may differ.
    difference = np.abs(strips.pixels.astype(int) - whole.pixels)
    assert (difference > 0).mean() < 1e-3
    assert difference.max() <= 1


def test_a_failure_in_the_middle_leaves_no_file(
    scaler: Upscaler, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images.write(tmp_path / "in.png", Picture(photograph(70, 50)))
    data = bytearray((tmp_path / "in.png").read_bytes())
    data[-30] ^= 255
    (tmp_path / "in.png").write_bytes(data)
    monkeypatch.setattr(pictures, "STREAMED_PIXELS", 0)
    with pytest.raises(InputError, match="damaged"):
        upscale_picture(scaler, tmp_path / "in.png", tmp_path / "out.png")
    assert [path.name for path in tmp_path.iterdir()] == ["in.png"]


def moving(path: Path, size: tuple[int, int] = (10, 6), **options: Any) -> Path:
    """Three frames, one red, one green, one blue."""
    made = [Image.new("RGB", size, colour) for colour in ("red", "lime", "blue")]
    options = {"duration": [50, 90, 70], **options}
    made[0].save(path, save_all=True, append_images=made[1:], **options)
    return path


def test_an_animation_is_upscaled_frame_by_frame(scaler: Upscaler, tmp_path: Path) -> None:
    moving(tmp_path / "in.gif")
    assert upscale_picture(scaler, tmp_path / "in.gif", tmp_path / "out.webp") == (20, 12)
    found = list(animation.frames(tmp_path / "out.webp"))
    assert [tuple(frame.pixels[6, 10] > 127) for frame in found] == [
        (True, False, False), (False, True, False), (False, False, True)]  # fmt: skip
    assert animation.timing(tmp_path / "out.webp").durations == (50, 90, 70)
    upscale_picture(scaler, tmp_path / "in.gif", tmp_path / "first.jpg")
    assert images.read(tmp_path / "first.jpg").pixels[6, 10, 0] > 200


def test_an_animation_says_which_model_made_it(scaler: Upscaler, tmp_path: Path) -> None:
    moving(tmp_path / "in.png", icc_profile=SRGB)
    upscale_picture(scaler, tmp_path / "in.png", tmp_path / "out.png")
    with Image.open(tmp_path / "out.png") as image:
        assert image.info["superres.version"] == "9"
        assert image.info["superres.run_id"] == "f00"
        assert image.info["icc_profile"] == SRGB


@pytest.mark.parametrize(("suffix", "format_name"), [(None, "GIF"), (".webp", "WEBP")])
def test_an_animation_through_bytes_keeps_its_frames(
    scaler: Upscaler, tmp_path: Path, suffix: str | None, format_name: str
) -> None:
    data = moving(tmp_path / "in.gif").read_bytes()
    made = upscale_bytes(scaler, data, suffix)
    assert (made.width, made.height) == (20, 12)
    assert animation.count_of(made.content) == 3
    with Image.open(io.BytesIO(made.content)) as image:
        assert image.format == format_name


def test_frames_and_pages_that_are_left_out_are_told_of(
    scaler: Upscaler, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    source = moving(tmp_path / "in.gif")
    upscale_picture(scaler, source, tmp_path / "out.jpg")
    assert f"{source}: of its 3 frames or pages JPEG gets the first" in caplog.text
    upscale_bytes(scaler, source.read_bytes(), ".jpg", name="stdin")
    assert "stdin: of its 3 frames or pages JPEG gets the first" in caplog.text
    pages = moving(tmp_path / "in.tif", loop=None, duration=None)
    upscale_picture(scaler, pages, tmp_path / "out.tif")
    assert f"{pages}: of its 3 frames or pages TIFF gets the first" in caplog.text
    caplog.clear()
    upscale_picture(scaler, tmp_path / "out.jpg", tmp_path / "again.png")
    assert not caplog.records


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".gif"])
def test_rows_are_counted_while_a_picture_is_made(
    scaler: Upscaler, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    monkeypatch.setattr("superres.inference.tiled.STRIP_BYTES", 3000)
    source = tmp_path / "in.png"
    if suffix == ".gif":
        moving(source, size=(30, 70))
    else:
        images.write(source, Picture(photograph(70, 30)))
    seen: list[tuple[int, int | None]] = []
    upscale_picture(
        scaler, source, tmp_path / f"out{suffix}", progress=lambda *told: seen.append(told)
    )
    total = 420 if suffix == ".gif" else 140
    assert seen[-1] == (total, total)
    assert len(seen) > 2
    assert [done for done, _ in seen] == sorted({done for done, _ in seen})


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_the_resolution_is_carried_over(scaler: Upscaler, tmp_path: Path, suffix: str) -> None:
    saved(Image.fromarray(photograph()), tmp_path / "in.jpg", dpi=(300, 300))
    upscale_picture(scaler, tmp_path / "in.jpg", tmp_path / f"out{suffix}")
    assert images.read(tmp_path / f"out{suffix}").dpi == (300, 300)


def test_a_result_that_fits_nowhere_is_refused_at_once(tmp_path: Path) -> None:
    generator = build("bicubic", scale=2).eval()
    wanted = Wanted(width=300_000, height=300_000)
    huge = Upscaler(Model(generator, generator.info), tile=16, wanted=wanted)
    images.write(tmp_path / "in.png", Picture(photograph()))
    for name in ("out.png", "out.jpg", "out.tif"):
        with pytest.raises(InputError, match="300000x300000"):
            upscale_picture(huge, tmp_path / "in.png", tmp_path / name)
    assert [path.name for path in tmp_path.iterdir()] == ["in.png"]


@pytest.mark.parametrize("ground", [0, 255])
def test_hidden_colours_do_not_bleed_into_edges(scaler: Upscaler, ground: int) -> None:
    rows, columns = np.mgrid[0:40, 0:40]
    distance = np.hypot(rows - 20, columns - 20)
    alpha = (np.clip(13.5 - distance, 0, 1) * 255).round().astype(np.uint8)
    pixels = np.where(alpha[..., None] > 0, (220, 40, 30), ground).astype(np.uint8)
    sr = scaler.image(Picture(pixels, alpha=alpha))
    assert sr.alpha is not None
    shown = sr.alpha > 0
    assert np.abs(sr.pixels[shown].astype(int) - (220, 40, 30)).max() <= 1
    bled = scaler.pixels(pixels)
    assert np.abs(bled[shown].astype(int) - (220, 40, 30)).max() > 40


def test_visible_colours_are_never_changed() -> None:
    pixels, alpha = photograph(), photograph()[..., 0].copy()
    alpha[:5] = 0
    spread = spread_colours(pixels, alpha)
    np.testing.assert_array_equal(spread[alpha > 0], pixels[alpha > 0])
    assert spread_colours(pixels, np.full_like(alpha, 9)) is pixels
    assert spread_colours(pixels, np.zeros_like(alpha)) is pixels


def test_bytes_in_bytes_out(scaler: Upscaler) -> None:
    data = images.encode(Picture(photograph()), "JPEG")
    same = images.decode(upscale_bytes(scaler, data).content)
    other = images.decode(upscale_bytes(scaler, data, ".webp").content)
    assert (same.format, other.format, same.width, other.height) == ("JPEG", "WEBP", 60, 48)
    with pytest.raises(InputError, match="no picture format"):
        upscale_bytes(scaler, data, ".doc")
    file = io.BytesIO()
    Image.fromarray(photograph()).save(file, "GIF")
    assert images.decode(upscale_bytes(scaler, file.getvalue()).content).format == "PNG"


def test_the_size_of_a_file_is_known_without_decoding_it(tmp_path: Path) -> None:
    assert pixels_of(claim(tmp_path / "a.png")) == 144_000_000
    (tmp_path / "b.png").write_text("text")
    assert pixels_of(tmp_path / "b.png") == pixels_of(tmp_path / "gone.png") == 0
