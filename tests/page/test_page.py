"""The page at /ui in a real browser, against the real service."""

import io
import re
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from browser import Browser, chromium
from served import environment, started
from small import scene, write_model

from superres import images, page, video
from superres.images import Picture
from superres.video import Frame, VideoOptions

pytestmark = pytest.mark.e2e

READY = "document.querySelector('#state').classList.contains('ready')"
DONE = "!document.querySelector('#download').hidden"
NAME = "sharp"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures, videos and a model whose card is hostile."""
    folder = tmp_path_factory.mktemp("page")
    for seed in (1, 2):
        images.write(folder / f"scene-{seed}.png", Picture(scene(seed, 96, 128)))
    _write_clip(folder / "clip.mp4", 12)
    _write_clip(folder / "long.mp4", 400, height=240, width=320)
    (folder / "notes.txt").write_text("no picture")
    (folder / "broken.png").write_bytes((folder / "scene-1.png").read_bytes()[:300])
    model = write_model(folder / NAME, 0.05)
    (model / "failures").mkdir()
    images.write(model / "failures" / "worst.png", Picture(scene(3)))
    (model / "README.md").write_text(CARD)
    return folder


CARD = """# sharp

A <img src=x onerror=alert(1)> model with `code`, **weight** and [a link](javascript:alert(1)).

## Figures

| set | model | PSNR-Y dB | LPIPS |
|---|---|--:|--:|
| discs | sharp-v | 31.25 | 0.1234 |
| discs | bicubic | 30.10 | 0.2345 |

- worst

  ![worst](failures/worst.png)
"""


def _write_clip(path: Path, frames: int, height: int = 48, width: int = 64) -> None:
    pixels = scene(5, height, width)
    moving = (Frame(np.roll(pixels, n, 1), n, n / 25, n, Fraction(1, 25)) for n in range(frames))
    video.write(path, moving, options=VideoOptions(crf=35))


@contextmanager
def service(folder: Path, **settings: str) -> Iterator[str]:
    folder.mkdir(exist_ok=True)
    env = environment(folder, **{f"SUPERRES_{key}": value for key, value in settings.items()})
    with started(folder, env) as server:
        yield str(server.client.base_url).rstrip("/")


@pytest.fixture(scope="module")
def address(folder: Path) -> Iterator[str]:
    with service(folder, MODEL=str(folder / NAME)) as address:
        yield address


@pytest.fixture(scope="module")
def window(folder: Path, address: str) -> Iterator[Browser]:
    with chromium(folder / "profile") as browser:
        browser.keep_downloads(folder / "downloads")
        yield browser


@pytest.fixture
def at(window: Browser, address: str) -> Iterator[Browser]:
    """The page, fresh; at the end nothing may have gone wrong or elsewhere."""
    window.open("about:blank", 1200)
    window.open(f"{address}/ui/", 1200)
    window.wait(READY)
    yield window
    assert window.complaints() == []
    assert all(url.startswith(address) for url in window.requests())


def text(at: Browser, selector: str) -> str:
    found = str(at.value(f"document.querySelector('{selector}').innerText"))
    return found.replace("\u00d7", "x")


def downloaded(folder: Path, name: str) -> bytes:
    path = folder / "downloads" / name
    for _ in range(100):
        if path.is_file() and path.stat().st_size:
            return path.read_bytes()
        time.sleep(0.1)
    raise AssertionError(f"no {name} in {[*path.parent.glob('*')]}")


def test_a_picture_is_upscaled_shown_and_saved(at: Browser, folder: Path) -> None:
    at.choose("#input", folder / "scene-1.png")
    at.wait(DONE)
    assert "sharp-v" in text(at, "#facts")
    assert "128 x 96 → 256 x 192" in text(at, "#facts")
    at.wait("document.querySelector('#after img').naturalWidth == 256")
    at.click("#download")
    saved = images.decode(downloaded(folder, "scene-1-x2-sharp.png"))
    assert (saved.width, saved.height) == (256, 192)


def split(at: Browser) -> int:
    return int(at.value("document.querySelector('#handle').getAttribute('aria-valuenow')"))


def test_the_slider_by_keyboard_mouse_and_finger(at: Browser, folder: Path) -> None:
    at.choose("#input", folder / "scene-1.png")
    at.wait(DONE)
    assert split(at) == 50
    at.value("document.querySelector('#handle').focus()")
    for key, expected in (("ArrowRight", 52), ("PageDown", 42), ("End", 100), ("Home", 0)):
        at.press(key)
        assert split(at) == expected
    at.value("document.querySelector('#handle').blur()")
    at.drag("#stage", 0)
    assert split(at) == 50
    at.drag("#handle", 150)
    assert split(at) > 60
    at.swipe("#handle", -150)
    assert split(at) == pytest.approx(50, abs=2)
    assert at.value("document.querySelector('#handle').getAttribute('role')") == "slider"


def test_zoom_and_pan(at: Browser, folder: Path) -> None:
    at.choose("#input", folder / "scene-1.png")
    at.wait(DONE)
    place = "document.querySelector('#after img').style.transform"
    at.click("[data-zoom=one]")
    assert text(at, "#zoom") == "100 %"
    at.value("document.querySelector('#stage').focus()")
    for _ in range(6):
        at.press("+", "+")
    assert int(text(at, "#zoom").split()[0]) > 800
    before, kept = at.value(place), split(at)
    at.drag("#before-tag", 60, -30)  # the picture, beside the slider
    moved = at.value(place)
    assert moved != before
    at.press("ArrowRight")
    assert at.value(place) != moved
    assert split(at) == kept
    at.press("0", "0")
    assert at.value("document.querySelector('#stage').classList.contains('zoomed')") is False


def test_several_pictures_one_of_them_bad_and_all_of_them_as_zip(at: Browser, folder: Path) -> None:
    names = ("scene-1.png", "broken.png", "notes.txt", "scene-2.png")
    at.choose("#input", *(folder / name for name in names))
    at.wait("document.querySelector('#files-title').textContent.includes('2 of 3')")
    assert "notes.txt: this is no picture" in text(at, "#refused")
    at.click("#list li:nth-child(2) button")
    at.wait("!document.querySelector('#error').hidden")
    assert "broken.png" in text(at, "#error")
    assert "complete" in text(at, "#error")  # the cure
    at.click("#all")
    with zipfile.ZipFile(io.BytesIO(downloaded(folder, "superres.zip"))) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == ["scene-1-x2-sharp.png", "scene-2-x2-sharp.png"]
    # What the service refused shows as a failed request in the console: nothing else may.
    told = at.told("Log.entryAdded")
    assert [entry["entry"]["source"] for entry in told] == ["network"]
    at.events.clear()


def test_another_model_and_format_for_the_same_picture(at: Browser, folder: Path) -> None:
    at.choose("#input", folder / "scene-1.png")
    at.wait(DONE)
    assert at.value("document.querySelector('#again').hidden")
    for name, value in (("model", "bicubic"), ("format", "webp")):
        at.value(
            f"(field => {{ field.value = '{value}';"
            "field.dispatchEvent(new Event('input', {bubbles: true})) })"
            f"(document.querySelector('#{name}'))"
        )
    at.click("#again")
    at.wait("document.querySelector('#download').download == 'scene-1-x2-bicubic.webp'")
    assert "WEBP" in text(at, "#facts")


def test_a_pasted_picture(at: Browser) -> None:
    at.value("""(async () => {
      const canvas = new OffscreenCanvas(20, 10);
      canvas.getContext('2d').fillRect(0, 0, 9, 9);
      const data = new DataTransfer();
      data.items.add(new File([await canvas.convertToBlob()], 'image.png', {type: 'image/png'}));
      document.dispatchEvent(new ClipboardEvent('paste', {clipboardData: data}));
    })()""")
    at.wait(DONE)
    assert "20 x 10 → 40 x 20" in text(at, "#facts")


def test_a_video_to_its_end_and_over_a_reload(at: Browser, folder: Path, address: str) -> None:
    at.click("#tab-video")
    at.choose("#video-input", folder / "clip.mp4")
    at.wait("document.querySelectorAll('.players video').length == 2")
    at.wait("[...document.querySelectorAll('.players video')].every(v => v.readyState > 1)")
    widths = "[...document.querySelectorAll('.players video')].map(v => v.videoWidth)"
    assert at.value(widths) == [64, 128]
    assert "12 of 12 frames" in text(at, ".task")
    at.click(".task .primary")
    (folder / "saved.mp4").write_bytes(downloaded(folder, "clip-x2-sharp.mp4"))
    assert video.probe(folder / "saved.mp4").width == 128

    at.open("about:blank", 1200)
    at.open(f"{address}/ui/#/video", 1200)
    at.wait("document.querySelector('.players video')?.readyState > 1")
    at.click(".task .row button:last-child")
    assert at.value("localStorage.getItem('superres.tasks')") == "[]"


def test_a_video_shows_its_progress_and_is_cancelled(at: Browser, folder: Path) -> None:
    at.click("#tab-video")
    at.choose("#video-input", folder / "long.mp4")
    at.wait("document.querySelector('.task progress')?.value > 0")
    at.wait("/ %.* of 400 frames/.test(document.querySelector('.task').innerText)")
    at.click(".task .row button")
    at.wait("document.querySelector('.task').innerText.includes('cancelled')")
    at.click(".task .row button:last-child")


def test_the_models_and_their_cards_whatever_they_say(at: Browser) -> None:
    at.click("#tab-models")
    rows = {row.split()[0]: row.split() for row in text(at, "#compared").splitlines()[1:] if row}
    assert {"x2", "31.25", "0.1234"} <= {*rows[NAME]}
    assert {"30.1", "0.2345"} <= {*rows["bicubic"]}
    best = at.value("[...document.querySelectorAll('#compared .best')].map(e => e.textContent)")
    assert {"31.25", "0.1234"} <= {*best}
    at.wait("document.querySelector('.card > img').naturalWidth > 0")
    at.click(".card summary")
    at.wait("document.querySelector('.text table')")
    assert "<img src=x onerror=alert(1)>" in text(at, ".text")
    assert at.value("document.querySelectorAll('.text a').length") == 0
    at.click(".card:nth-child(2) > button")
    assert at.value("!document.querySelector('#upscale').hidden")
    assert at.value("document.querySelector('#model').value") != NAME


@pytest.mark.parametrize("tab", ["upscale", "video", "models"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_never_scrolls_sideways(
    window: Browser, address: str, folder: Path, tab: str, scheme: str
) -> None:
    window.open("about:blank", 390)
    window.open(f"{address}/ui/#/{tab}", 390, 844, scheme)
    window.wait(READY)
    if tab == "upscale":
        window.choose("#input", folder / "scene-1.png")
        window.wait(DONE)
    assert window.value("document.documentElement.scrollWidth") <= 390
    assert contrast(window) >= 4.5
    assert window.complaints() == []


def contrast(at: Browser) -> float:
    """The least contrast (WCAG) of a text against the colour painted behind it."""
    return float(at.value(CONTRAST))


CONTRAST = """(() => {
  const paint = new OffscreenCanvas(1, 1).getContext('2d', {willReadFrequently: true});
  const parts = (colour) => { paint.clearRect(0, 0, 1, 1); paint.fillStyle = colour;
    paint.fillRect(0, 0, 1, 1); return paint.getImageData(0, 0, 1, 1).data; };
  const light = (rgb) => rgb.slice(0, 3).reduce((sum, value, at) => sum + [.2126, .7152, .0722][at]
    * (value <= 10 ? value / 3294 : ((value / 255 + .055) / 1.055) ** 2.4), 0);
  const least = [...document.querySelectorAll('body *')].filter((e) => e.checkVisibility()
    && !e.closest('.stage, .unseen, .skip, svg, option, :disabled')
    && [...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim())).map((e) => {
    let behind = e;
    while (behind && parts(getComputedStyle(behind).backgroundColor)[3] < 250)
      behind = behind.parentElement;
    const under = getComputedStyle(behind ?? document.body).backgroundColor;
    const pair = [getComputedStyle(e).color, under]
      .map((colour) => light([...parts(colour)])).sort((a, b) => b - a);
    return (pair[0] + .05) / (pair[1] + .05);
  });
  return Math.min(...least);
})()"""


def test_everything_can_be_reached_with_the_tab_key(at: Browser, folder: Path) -> None:
    at.choose("#input", folder / "scene-1.png")
    at.wait(DONE)
    reached: list[Any] = []
    while len(reached) < 40:
        at.press("Tab")
        if at.value("document.activeElement == document.body"):
            break  # once round
        reached.append(at.value("document.activeElement.id || document.activeElement.innerText"))
        outline = at.value(
            "getComputedStyle(document.activeElement).outlineStyle != 'none' || "
            "document.activeElement.id == 'handle'"
        )
        assert outline, reached[-1]
    assert {"tab-upscale", "theme", "stage", "handle", "download", "model", "format"} <= {*reached}
    assert "input" not in reached  # the hidden field behind the button


def test_tabs_by_arrow_keys(at: Browser) -> None:
    at.value("document.querySelector('#tab-upscale').focus()")
    at.press("ArrowRight")
    assert at.value("document.activeElement.id") == "tab-video"
    assert at.value("document.querySelector('#upscale').hidden")
    at.press("End")
    assert at.value("document.activeElement.getAttribute('aria-selected')") == "true"
    assert at.value("location.hash") == "#/models"


def test_the_files_allow_nothing_but_themselves(address: str) -> None:
    with httpx.Client(base_url=address, timeout=30) as client:
        assert str(client.get("/ui", follow_redirects=True).url).endswith("/ui/")
        for path in page.FOLDER.iterdir():
            if path.suffix not in page.SUFFIXES:
                continue
            answer = client.get(f"/ui/{path.name}")
            assert answer.status_code == 200, path
            policy = answer.headers["content-security-policy"]
            assert "default-src 'none'" in policy
            assert "unsafe" not in policy
            assert answer.headers["x-content-type-options"] == "nosniff"
            kept = client.get(f"/ui/{path.name}", headers={"if-none-match": answer.headers["etag"]})
            assert (kept.status_code, kept.content) == (304, b"")
            others = set(re.findall(r"""["'(](?:https?:)?//[\w.-]+""", answer.text))
            assert others <= {'"http://www.w3.org'}  # the name of SVG, which nothing loads
        for name in ("__init__.py", "..%2fservice.py", "nothing.js"):
            assert client.get(f"/ui/{name}").status_code == 404


def test_a_service_with_a_key_asks_for_it(folder: Path, window: Browser) -> None:
    with service(folder / "locked", MODEL="bicubic", API_KEY="let-me-in") as locked:
        window.open(f"{locked}/ui/", 1200)
        window.wait("document.querySelector('#key-dialog').open")
        window.value("document.querySelector('#key').value = 'let-me-in'")
        window.click("#key-dialog button.primary")
        window.wait(READY)
        window.choose("#input", folder / "scene-1.png")
        window.wait(DONE)
