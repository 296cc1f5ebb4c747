"""The page: one file that loads nothing, safe against any name, and alive in a real browser."""

import os
import re
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from browser import Browser, chromium
from studies import entry, study

from superres.report.study import Study
from superres.report_page import write_page

HOSTILE = "</script><img src=x onerror=alert(1)>&\"'"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Study:
    return study(tmp_path_factory.mktemp("study"))


class Reader(HTMLParser):
    """Collects what a browser would act on."""

    VOID = ("img", "meta", "link", "br", "circle", "line", "polyline")

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.handlers: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value or "" for name, value in attrs if name in ("src", "href")]
        self.handlers += [name for name, _ in attrs if name.startswith("on")]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self.open.pop() == tag


def read(page: Path) -> tuple[str, Reader]:
    text = page.read_text(encoding="utf-8")
    reader = Reader()
    reader.feed(text)
    assert reader.open == []
    return text, reader


def test_the_page_is_one_file_that_loads_nothing(made: Study, tmp_path: Path) -> None:
    write_page(tmp_path / "index.html", made)
    text, reader = read(tmp_path / "index.html")
    assert list(tmp_path.iterdir()) == [tmp_path / "index.html"]
    assert all(link.startswith("data:") for link in reader.links)
    assert "url(" not in text
    assert "@import" not in text
    assert "fetch(" not in text
    assert re.findall(r"https?://[^\"' ]+", text) == ["http://www.w3.org/2000/svg"]  # a name
    assert reader.tags.count("img") == 2 * (1 + 4)  # strips: the whole, LR, two models, HR
    for said in ("2 pixels shaved", "30 dB", "5502d314cfd3", "Over time", "SR-U-Net, MSE"):
        assert said in text
    assert f"Comparison x{made.scale}: 2 models, 6 pictures" in text


def test_names_are_escaped(made: Study, tmp_path: Path) -> None:
    rows = [replace(row, model=HOSTILE, image=HOSTILE, set=HOSTILE) for row in made.rows[:1]]
    one = entry(HOSTILE, source=HOSTILE, expected=HOSTILE)
    hostile = replace(made, rows=rows, entries=[one], reference=HOSTILE, protocol=HOSTILE)
    write_page(tmp_path / "index.html", replace(hostile, strips=(), curves={HOSTILE: [(1, 2.0)]}))
    text, reader = read(tmp_path / "index.html")
    assert HOSTILE not in text
    assert reader.handlers == []
    assert reader.tags.count("img") == 0
    assert reader.tags.count("script") == 2


def test_what_is_not_there_has_no_heading(made: Study, tmp_path: Path) -> None:
    few = [row for row in made.rows if row.set == "discs"]
    write_page(tmp_path / "index.html", replace(made, rows=few, strips=(), curves={}))
    text, _ = read(tmp_path / "index.html")
    assert not {"Pictures", "Training curves", "Over time"} & set(re.findall("<h2>(.*?)<", text))


def test_perfect_pictures_and_unmeasured_figures_are_shown(made: Study, tmp_path: Path) -> None:
    rows = [replace(row, psnr_y=float("inf"), lpips=None) for row in made.rows]
    write_page(tmp_path / "index.html", replace(made, rows=rows))
    text, _ = read(tmp_path / "index.html")
    assert "NaN" not in text.partition('id="figures">')[2].partition("</script>")[0]


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with chromium(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


@pytest.fixture(scope="module")
def page(made: Study, tmp_path_factory: pytest.TempPathFactory) -> Path:
    flickering = [
        replace(row, lpips=0.1, flicker=0.001 * n if row.set == "clip" else None)
        for n, row in enumerate(made.rows)
    ]
    path = tmp_path_factory.mktemp("page") / "index.html"
    write_page(path, replace(made, rows=flickering))
    return path


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "light"), (1280, "dark")])
def test_a_browser_shows_it_without_a_word_and_without_the_network(
    browser: Browser, page: Path, width: int, scheme: str, tmp_path: Path
) -> None:
    browser.open(page, width, scheme=scheme)
    assert browser.value("document.querySelectorAll('#scatter circle').length") == 6
    assert browser.complaints() == []
    assert browser.requests() == [page.as_uri()]
    assert browser.value("document.documentElement.scrollWidth") <= width  # nothing sticks out
    assert browser.value("[...document.images].every((one) => one.naturalWidth > 0)")
    dark = browser.value("getComputedStyle(document.body).backgroundColor") != "rgb(255, 255, 255)"
    assert dark == (scheme == "dark")
    pictures = Path(os.environ.get("SUPERRES_SCREENSHOTS", tmp_path))
    browser.picture(pictures / f"comparison-{width}-{scheme}.png")


FIRST = "document.querySelector('table.sortable')"
COLUMN = f"[...{FIRST}.tBodies[0].rows].map((row) => row.cells[2].textContent)"
HEAD = f"{FIRST}.tHead.rows[0].cells[2]"


def test_a_table_is_sorted_by_click_and_by_keyboard(browser: Browser, page: Path) -> None:
    browser.open(page, 1280)
    before = browser.value(COLUMN)
    browser.value(f"{HEAD}.firstElementChild.click()")
    down = browser.value(COLUMN)
    assert down == sorted(before, key=float, reverse=True) != before
    assert browser.value(f"{HEAD}.getAttribute('aria-sort')") == "descending"
    browser.value(f"{HEAD}.firstElementChild.focus()")
    browser.press("Enter", "\r")
    assert browser.value(COLUMN) == down[::-1]
    assert browser.value(f"{HEAD}.getAttribute('aria-sort')") == "ascending"
    browser.value(f"{FIRST}.tHead.rows[0].cells[1].firstElementChild.click()")
    names = browser.value(f"[...{FIRST}.tBodies[0].rows].map((row) => row.cells[1].textContent)")
    assert names == sorted(names)
    assert browser.complaints() == []


def test_other_models_and_figures_can_be_chosen(browser: Browser, page: Path) -> None:
    browser.open(page, 1280)
    told = "document.querySelector('#scatter p').textContent"
    assert browser.value(told).startswith(
        "sharp is better than bicubic in PSNR-Y dB on 6 of 6 pictures"
    )
    browser.value("pickA.value = 'sharp'; pickA.dispatchEvent(new Event('change'))")
    assert "on 0 of 6 pictures" in browser.value(told)
    browser.value("pickM.value = 'flicker'; pickM.dispatchEvent(new Event('change'))")
    assert browser.value("document.querySelectorAll('#scatter circle').length") == 3  # the clip
    assert "below the dashed line" in browser.value(told)
    assert browser.complaints() == []
