"""The pictures of the page in docs/: a real Chromium before the real service.

python benchmarks/page.py [--model NAME|FOLDER]   writes docs/page-light.png and docs/page-phone.png
"""

import argparse
import sys
import tempfile
from pathlib import Path

from PIL import Image, ImageOps

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from browser import Browser, chromium
from served import environment, started

from superres import images
from superres.data.degrade import degrade
from superres.images import Picture

ROOT = Path(__file__).resolve().parents[1]
PHOTOGRAPHS = ROOT / "data" / "raw" / "photographs"
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


def keep(browser: Browser, name: str) -> None:
    """Write a screenshot without the last bit of each colour, which packs a fifth smaller."""
    path = ROOT / "docs" / name
    browser.picture(path)
    ImageOps.posterize(Image.open(path).convert("RGB"), 7).save(path, optimize=True)
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
            browser.open("about:blank", 390)
            browser.open(address, 390, 844, "dark")
            browser.wait(READY)
            browser.choose("#input", files[0])
            browser.wait(DONE)
            keep(browser, "page-phone.png")


if __name__ == "__main__":
    main()
