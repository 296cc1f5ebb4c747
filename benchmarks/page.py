"""The pictures of the page in docs/: a real Chromium before the real service.

python benchmarks/page.py [--model NAME|FOLDER]
Writes page-light.png, page-video.png, page-models.png and page-phone.png into docs/. Needs data/raw
(superres fetch).
"""

import argparse
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from PIL import Image, ImageOps

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from browser import Browser, chromium
from served import environment, started

from superres import images, video
from superres.data.degrade import degrade
from superres.images import Picture

ROOT = Path(__file__).resolve().parents[1]
PHOTOGRAPHS = ROOT / "data" / "raw" / "photographs"
FILM, SECONDS, HALF = ROOT / "data" / "raw" / "world-clip", 1.0, 2
SHOWN = (("chelsea.png", 2), ("coffee.png", 4), ("rocket.jpg", 2))  # made smaller so many times
READY = "document.querySelector('#state').classList.contains('ready')"
DONE = "!document.querySelector('#download').hidden"


def lr_pictures(folder: Path) -> list[Path]:
    """Write the photographs made smaller."""
    files = []
    for name, factor in SHOWN:
        pixels = images.read(PHOTOGRAPHS / name).pixels
        height, width = (side // factor * factor for side in pixels.shape[:2])
        files.append(folder / name)
        images.write(files[-1], Picture(degrade(pixels[:height, :width], factor)))
    return files


def lr_film(folder: Path) -> Path:
    """Write the first second of the embedded clip, half as large."""
    (source,) = sorted(FILM.glob("*.mp4"))
    shown = video.read(source, part=video.Part(duration=SECONDS))
    small = (
        replace(one, pixels=degrade(one.pixels[: one.pixels.shape[0] // 4 * 4], HALF))
        for one in shown
    )
    video.write(folder / "film.mp4", small)
    return folder / "film.mp4"


def keep(browser: Browser, name: str, rows: int = 2000) -> None:
    """Write the top of a screenshot without the last bit of each colour: a fifth smaller."""
    path = ROOT / "docs" / name
    browser.picture(path)
    shown = Image.open(path).convert("RGB")
    shown = shown.crop((0, 0, shown.width, min(rows, shown.height)))
    ImageOps.posterize(shown, 7).save(path, optimize=True)
    print(f"{path.relative_to(ROOT)}: {path.stat().st_size / 1000:.0f} kB")


def main() -> None:
    """Serve, look, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="champion")
    model = parser.parse_args().model
    with tempfile.TemporaryDirectory(prefix="page-") as name:
        folder = Path(name)
        files = lr_pictures(folder)
        env = environment(folder, SUPERRES_MODEL=model)
        with started(folder, env) as server, chromium(folder / "profile") as browser:
            address = f"http://127.0.0.1:{server.port}/ui/"
            browser.open(address, 1000, 700)
            browser.wait(READY)
            browser.choose("#input", *files)
            browser.wait("document.querySelector('#files-title').textContent.includes('3 of 3')")
            browser.wait(DONE)
            for _ in range(2):
                browser.click("[data-zoom=in]")
            keep(browser, "page-light.png")
            browser.click("#tab-video")
            browser.value("document.querySelector('#video-model').value = 'fast-x4'")
            browser.choose("#video-input", lr_film(folder))
            browser.wait("document.querySelectorAll('.players video').length == 2")
            browser.wait(
                "[...document.querySelectorAll('.players video')].every(v => v.readyState > 1)"
            )
            keep(browser, "page-video.png")
            browser.click("#tab-models")
            browser.wait("document.querySelector('.card > img')?.naturalWidth > 0")
            keep(browser, "page-models.png", rows=1550)
            browser.open("about:blank", 390)
            browser.open(address, 390, 844, "dark")
            browser.wait(READY)
            browser.choose("#input", files[0])
            browser.wait(DONE)
            keep(browser, "page-phone.png")


if __name__ == "__main__":
    main()
