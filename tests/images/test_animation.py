"""Animations keep their frames, their times and how often they play."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms, ImageSequence

from superres.errors import InputError
from superres.images import Limits, animation
from superres.images.animation import encode_animation, frames, is_animated, timing, write_animation

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
COLOURS = ((200, 30, 30), (30, 160, 40), (40, 40, 220))
TIMES = (80, 40, 200)


def animated(path: Path, *, alpha: bool = False, **options: Any) -> Path:
    mode = "RGBA" if alpha else "RGB"
    made = [Image.new(mode, (12, 8), (*colour, 255) if alpha else colour) for colour in COLOURS]
    if alpha:
        for index, image in enumerate(made):
            image.putpixel((index, 0), (0, 0, 0, 0))
    options = {"duration": list(TIMES), "loop": 0, "lossless": True, **options}
    made[0].save(path, save_all=True, append_images=made[1:], **options)
    return path


@pytest.mark.parametrize("suffix", [".gif", ".webp", ".png"])
@pytest.mark.parametrize("alpha", [False, True])
def test_frames_and_times_survive(tmp_path: Path, suffix: str, alpha: bool) -> None:
    path = animated(tmp_path / f"in{suffix}", alpha=alpha)
    assert is_animated(path)
    found = list(frames(path))
    assert len(found) == 3
    for picture, colour in zip(found, COLOURS, strict=True):
        assert np.abs(picture.pixels[4, 6].astype(int) - colour).max() <= 3
        if alpha:
            assert picture.alpha is not None
    assert timing(path).durations == TIMES
    out = tmp_path / f"out{suffix}"
    write_animation(out, iter(found), timing(path), quality=100)
    again = list(frames(out))
    assert [p.pixels.shape for p in again] == [(8, 12, 3)] * 3
    for before, after in zip(found, again, strict=True):
        assert np.abs(before.pixels[4:].astype(int) - after.pixels[4:]).max() <= 3
        if alpha and before.alpha is not None and after.alpha is not None:
            np.testing.assert_array_equal(before.alpha, after.alpha)
    assert timing(out) == timing(path)


@pytest.mark.parametrize(("loop", "kept"), [(None, 1), (0, 0), (3, 3)])
def test_how_often_a_gif_plays_is_kept(tmp_path: Path, loop: int | None, kept: int) -> None:
    path = animated(tmp_path / "in.gif", loop=loop)
    times = timing(path)
    assert times.loop == kept
    write_animation(tmp_path / "out.gif", frames(path), times)
    assert timing(tmp_path / "out.gif").loop == kept


def test_a_frame_that_stores_only_what_changed_is_shown_whole(tmp_path: Path) -> None:
    path = animated(tmp_path / "in.gif", disposal=0)
    with Image.open(path) as image:
        shown = [np.asarray(frame.convert("RGB")) for frame in ImageSequence.Iterator(image)]
    for picture, expected in zip(frames(path), shown, strict=True):
        np.testing.assert_array_equal(picture.pixels, expected)


def test_one_frame_is_no_animation(tmp_path: Path) -> None:
    path = tmp_path / "still.gif"
    Image.new("RGB", (4, 4)).save(path)
    assert not is_animated(path)
    (tmp_path / "text.gif").write_text("no picture")
    assert not is_animated(tmp_path / "text.gif")


def test_limits_and_damage(tmp_path: Path) -> None:
    path = animated(tmp_path / "in.gif")
    with pytest.raises(InputError, match="12x8"):
        list(frames(path, Limits(max_pixels=95)))
    path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(InputError, match=r"in\.gif"):
        list(frames(path))
    assert animation.ANIMATED[".gif"] == "GIF"


def exif(orientation: int) -> bytes:
    content = Image.Exif()
    content[0x0112], content[0x010F] = orientation, "Camera"
    return content.tobytes()


@pytest.mark.parametrize("suffix", [".webp", ".png"])
def test_what_a_file_says_of_all_its_frames_survives(tmp_path: Path, suffix: str) -> None:
    """Profile, EXIF and text are there, and what EXIF turns lies upright."""
    path = animated(tmp_path / f"in{suffix}", icc_profile=SRGB, exif=exif(6))
    assert animation.extent(path) == (3, 8, 12)
    found = list(frames(path))
    assert [(p.width, p.height) for p in found] == [(8, 12)] * 3
    out = tmp_path / f"out{suffix}"
    said = {"Software": "superres 1", "superres.model": "fast-x4"}
    write_animation(out, iter(found), timing(path), text=said)
    again = list(frames(out))
    assert [(p.width, p.height) for p in again] == [(8, 12)] * 3
    assert {p.icc for p in again} == {SRGB}
    assert all(b"Camera" in (p.exif or b"") for p in again)
    with Image.open(out) as image:
        told = str(dict(image.info)) if suffix == ".png" else str(dict(image.getexif()))
        assert image.getexif().get(0x0112, 1) == 1
    assert "superres 1" in told
    assert "fast-x4" in told
    if suffix == ".png":
        with Image.open(out) as image:
            assert image.info["superres.model"] == "fast-x4"


def test_a_gif_says_in_a_comment_what_made_it(tmp_path: Path) -> None:
    path = animated(tmp_path / "in.gif")
    said = {"Software": "superres 1", "superres.model": "fast-x4"}
    write_animation(tmp_path / "out.gif", frames(path), timing(path), text=said)
    with Image.open(tmp_path / "out.gif") as image:
        line = image.info["comment"]
    assert line == b"superres 1; superres.model=fast-x4"


@pytest.mark.parametrize("format_name", ["GIF", "WEBP", "PNG"])
def test_one_line_says_the_same_as_the_text(tmp_path: Path, format_name: str) -> None:
    path = animated(tmp_path / "in.gif")
    said = {"Software": "superres 1", "superres.model": "fast-x4", "superres.run_id": "a=b"}
    line = "superres 1; superres.model=fast-x4; superres.run_id=a=b"
    of_text, of_line = (
        encode_animation(format_name, frames(path), timing(path), **words)
        for words in ({"text": said}, {"software": line})
    )
    assert of_text == of_line


def test_times_of_a_damaged_file_are_an_input_error(tmp_path: Path) -> None:
    path = animated(tmp_path / "in.webp")
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(InputError, match=r"in\.webp.*damaged"):
        timing(path)


def test_pages_are_counted_as_frames_are(tmp_path: Path) -> None:
    pages = [Image.new("RGB", (4, 4))] * 3
    pages[0].save(tmp_path / "in.tif", save_all=True, append_images=pages[1:])
    assert animation.count_of(tmp_path / "in.tif") == 3
    assert animation.count_of(animated(tmp_path / "in.gif").read_bytes()) == 3
    (tmp_path / "text.tif").write_text("no picture")
    assert animation.count_of(tmp_path / "text.tif") == 0
