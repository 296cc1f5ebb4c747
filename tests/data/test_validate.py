"""A validation finds what is wrong with packed pairs and names the pairs."""

import io
import json
import re
import shutil
import tracemalloc
from collections.abc import Callable, Mapping
from dataclasses import replace
from html import escape
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from typer.testing import CliRunner

from superres.config import Source
from superres.data import tables
from superres.data.checks import Check
from superres.data.degrade import degrade
from superres.data.fetch import fetch
from superres.data.leaks import Fingerprints, between, fingerprints, same_picture
from superres.data.manifest import MANIFEST, Row, read_manifest, write_manifest
from superres.data.pairs import build
from superres.data.pixel_checks import sample
from superres.data.prepare import PairOptions
from superres.data.validate import CLIPS, expectations, validate
from superres.errors import DataError
from superres.images import Picture, encode, read

pytest.importorskip("great_expectations")

Pixels = NDArray[np.uint8]
OPTIONS = PairOptions(scale=2, min_side=16)


def picture(seed: int, height: int = 64, width: int = 96) -> Pixels:
    coarse = np.random.default_rng(seed).integers(0, 256, (9, 11, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC))


def pack(
    folder: Path, pictures: Mapping[str, Pixels | bytes], options: PairOptions = OPTIONS
) -> Path:
    """Build pairs of pictures named train/..., val/..., test/...; return their folder."""
    album = folder / "album"
    for name, content in pictures.items():
        (album / name).parent.mkdir(parents=True, exist_ok=True)
        data = content if isinstance(content, bytes) else encode(Picture(content), "PNG")
        (album / name).write_bytes(data)
    fetch([Source(name="mine", path=str(album))], folder / "raw")
    build(folder / "raw", folder / "frames", folder / "pairs", options)
    return folder / "pairs"


GOOD: dict[str, Pixels | bytes] = {
    **{f"train/{seed}.png": picture(seed) for seed in range(4)},
    "val/a.png": picture(10),
    "test/b.png": picture(11),
}


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    return pack(tmp_path, GOOD)


def failed(pairs: Path) -> dict[str, Check]:
    result = validate(pairs, pairs.parent / "reports/validation.html")
    return {check.sentence: check for check in result.failed}


def rewrite(pairs: Path, change: Callable[[Row], Row], name: str = "mine/train/1") -> None:
    rows = read_manifest(pairs)
    write_manifest(pairs, [change(row) if row.id == name else row for row in rows])


def tamper(path: Path, place: int, by: int = 1) -> None:
    content = bytearray(path.read_bytes())
    content[place] = (content[place] + by) % 256
    path.write_bytes(content)


def test_good_pairs_pass_with_the_same_report_each_time(pairs: Path) -> None:
    report = pairs.parent / "reports/validation.html"
    result = validate(pairs, report)
    assert result.success
    assert result.failed == []
    assert result.pairs == {"train": 4, "val": 1, "test": 1}
    first = report.read_bytes(), report.with_suffix(".json").read_bytes()
    validate(pairs, report)
    assert (report.read_bytes(), report.with_suffix(".json").read_bytes()) == first


def test_the_report_is_read_without_a_network(pairs: Path) -> None:
    validate(pairs, pairs.parent / "validation.html")
    html = (pairs.parent / "validation.html").read_text("utf-8")
    assert "passed" in html
    assert not re.search(r"https?://|<script|<link|@import|url\(", html)
    images = re.findall(r'src="([^"]*)"', html)
    assert len(images) == 5 * 6 + 6, "six of each edge, six of the sample"
    assert all(image.startswith("data:image/jpeg;base64,") for image in images)
    assert all(escape(entry["description"]) in html for entry in expectations()["expectations"])
    assert "not stated" in html


def test_names_from_outside_cannot_become_markup(tmp_path: Path) -> None:
    pairs = pack(
        tmp_path,
        {**GOOD, "train/<b>&.png": picture(20), "train/<i>.png": b""}
        | {f"train/x{k}.png": picture(30 + k) for k in range(6)},
    )
    validate(pairs, tmp_path / "v.html")
    html = (tmp_path / "v.html").read_text("utf-8")
    assert "<b>" not in html
    assert "<i>" not in html
    assert "mine/train/&lt;b&gt;&amp;" in html
    assert "mine/train/&lt;i&gt;.png" in html, "quarantined files are listed"


def test_the_summary_says_what_failed(pairs: Path) -> None:
    rewrite(pairs, lambda row: replace(row, contrast=0.0))
    validate(pairs, pairs.parent / "v.html")
    summary = json.loads((pairs.parent / "v.json").read_text("utf-8"))
    assert summary["success"] is False
    assert summary["pairs"] == {"train": 4, "val": 1, "test": 1}
    fails = [check for check in summary["checks"] if not check["success"]]
    assert [check["failing"] for check in fails] == [["mine/train/1"], [MANIFEST]]
    html = (pairs.parent / "v.html").read_text("utf-8")
    assert html.count("data:image/jpeg") == 5 * 6 + 6 + 2, "the failing one with its LR"


SPOILED: dict[str, tuple[Callable[[Row], Row], str]] = {
    "split": (lambda row: replace(row, split="training"), "belongs to train, val or test"),
    "id": (lambda row: replace(row, id="mine/train/white"), "name of its own"),
    "kind": (lambda row: replace(row, kind="photo"), "an image or a frame"),
    "clip": (lambda row: replace(row, kind="frame"), "which clip it is from"),
    "scale": (lambda row: replace(row, scale=9), "scale is 2 to 8"),
    "zero": (lambda row: replace(row, scale=0), "scale is 2 to 8"),
    "kernel": (lambda row: replace(row, kernel="box"), "pack's scale, kernel and border"),
    "words": (lambda row: replace(row, degradation="by hand"), "says how LR was made"),
    "source": (lambda row: replace(row, source_sha256=""), "names the content of the file"),
    "height": (lambda row: replace(row, height=62), "scale times as high"),
    "width": (lambda row: replace(row, width=94), "scale times as wide"),
    "odd": (lambda row: replace(row, width=95), "multiples of the scale"),
    "small": (lambda row: replace(row, height=14, lr_height=7), "shorter than data.min_side"),
    "channels": (lambda row: replace(row, channels=5), "grey or RGB"),
    "depth": (lambda row: replace(row, bit_depth=12), "8 or 16 bits"),
    "black": (lambda row: replace(row, mean=0.0), "all black or all white"),
    "white": (lambda row: replace(row, mean=255.0), "all black or all white"),
    "flat": (lambda row: replace(row, contrast=0.4), "shows something"),
    "hr": (lambda row: replace(row, hr_offset=row.hr_offset + 3), "HR pictures follow"),
    "lr": (lambda row: replace(row, lr_offset=row.lr_offset + 3), "LR pictures follow"),
    "licence": (lambda row: replace(row, licence=""), "under which licence"),
    "sha256": (lambda row: replace(row, sha256="x" * 64), "carries the checksum"),
    "beyond": (lambda row: replace(row, hr_offset=10**9), "hold every picture"),
}


@pytest.fixture(scope="module")
def spoiled(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Check]:
    """The failed checks of pairs of which each row but the first is spoiled in its own way."""
    names = ["0 good", *SPOILED]
    pictures = {f"train/{name}.png": picture(seed) for seed, name in enumerate(names)}
    pairs = pack(tmp_path_factory.mktemp("spoiled"), {**pictures})
    for name, (change, _) in SPOILED.items():
        rewrite(pairs, change, f"mine/train/{name}")
    return failed(pairs)


@pytest.mark.parametrize("fault", SPOILED)
def test_a_wrong_row_is_named_and_a_right_one_is_not(fault: str, spoiled: dict[str, Check]) -> None:
    (found,) = [check for sentence, check in spoiled.items() if SPOILED[fault][1] in sentence]
    assert found.severity == "critical"
    assert f"mine/train/{'white' if fault == 'id' else fault}" in found.failing
    assert "mine/train/0 good" not in found.failing


def test_an_edited_manifest_is_noticed(pairs: Path) -> None:
    rewrite(pairs, lambda row: replace(row, licence="mine"))
    (only,) = failed(pairs).values()
    assert only.sentence == "The manifest is the one the data hash of pack.json stands for."
    assert only.failing == (MANIFEST,)


def test_one_altered_lr_value_is_found_and_the_pair_named(pairs: Path) -> None:
    row = next(row for row in read_manifest(pairs) if row.id == "mine/train/2")
    tamper(pairs / "train-00000.lr.u8", row.lr_offset + 100)
    found = failed(pairs)
    assert found["The packs have the checksums of pack.json."].failing == ("train-00000.lr.u8",)
    (lr,) = [check for sentence, check in found.items() if sentence.startswith("LR is the")]
    assert lr.failing == ("mine/train/2",)


def test_an_lr_made_in_another_way_is_found_even_with_right_checksums(
    pairs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def other(hr: Pixels, scale: int, kernel: str, border: str) -> Pixels:
        size = (hr.shape[1] // scale, hr.shape[0] // scale)
        return np.asarray(cv2.resize(hr, size, interpolation=cv2.INTER_CUBIC), np.uint8)

    monkeypatch.setattr("superres.data.prepare.degrade", other)
    shutil.rmtree(pairs.parent / "album")
    again = pack(pairs.parent, GOOD)
    (only,) = failed(again).values()
    assert only.sentence == "LR is the degraded HR, pixel for pixel (6 of 6 compared)."
    assert len(only.failing) == 6


def test_an_altered_hr_value_is_found_and_the_pair_named(pairs: Path) -> None:
    tamper(pairs / "val-00000.hr.u8", 5)
    found = failed(pairs)
    assert found["The packs have the checksums of pack.json."].failing == ("val-00000.hr.u8",)
    sentence = "The HR pixels of every pair have the checksum of its row."
    assert found[sentence].failing == ("mine/val/a",)


@pytest.mark.parametrize("change", ["cut", "longer", "missing"])
def test_a_pack_of_the_wrong_length_is_named(change: str, pairs: Path) -> None:
    path = pairs / "test-00000.hr.u8"
    content = path.read_bytes()
    path.write_bytes(content[:-1] if change == "cut" else content + b"\0")
    if change == "missing":
        path.unlink()
    found = failed(pairs)
    assert found["The packs are exactly as long as their pictures."].failing == (
        "test-00000.hr.u8",
    )
    lost = found.get("The packs hold every picture the manifest lists.")
    assert (lost is None) == (change == "longer")
    assert lost is None or lost.failing == ("mine/test/b",)


def test_a_missing_row_is_noticed(pairs: Path) -> None:
    write_manifest(pairs, read_manifest(pairs)[1:])
    assert failed(pairs)["Each split has as many pairs as pack.json says."].failing == ("train",)


def test_a_picture_in_two_splits_is_a_leak(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    Image.fromarray(picture(1)).save(buffer, "BMP")  # another file, the same pixels
    found = failed(pack(tmp_path, {**GOOD, "test/again.bmp": buffer.getvalue()}))
    leak = found["No picture is in two splits: what is tested was not trained on."]
    assert (leak.severity, leak.failing) == ("critical", ("mine/train/1", "mine/test/again"))


def test_a_picture_twice_in_one_split_is_only_a_warning(tmp_path: Path) -> None:
    pairs = pack(tmp_path, {**GOOD, "train/again.png": picture(1)})
    result = validate(pairs, tmp_path / "v.html")
    assert result.success
    assert [check.severity for check in result.failed] == ["warning"]
    assert set(result.failed[0].failing) == {"mine/train/1", "mine/train/again"}
    assert "only warn" in (tmp_path / "v.html").read_text("utf-8")


def test_a_missing_split_is_only_a_warning(tmp_path: Path) -> None:
    pairs = pack(tmp_path, {"test/a.png": picture(1)})
    result = validate(pairs, tmp_path / "v.html")
    assert result.success
    splits, share = result.failed
    assert "Each of train, val and test" in splits.sentence
    assert "train" in splits.detail
    assert "of the HR pixels are for training" in share.sentence


def test_frames_of_a_clip_in_two_splits_are_a_leak(pairs: Path) -> None:
    rows = read_manifest(pairs)
    write_manifest(pairs, [replace(row, kind="frame", clip="c", index=1) for row in rows])
    assert len(failed(pairs)["All frames of a clip are in one split."].failing) == 6


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """Pairs of five frames of a clip, every third frame of the video, as the stage makes them."""
    pictures = {f"train/{number}.png": picture(number) for number in range(5)}
    pairs = pack(tmp_path, pictures)
    rows = [
        replace(row, kind="frame", clip="film", index=3 * number)
        for number, row in enumerate(read_manifest(pairs))
    ]
    write_manifest(pairs, rows)
    return pairs


FRAMES: dict[str, tuple[Callable[[Row], Row], str, str]] = {
    "order": (lambda row: replace(row, index=1), "follow each other in time", "critical"),
    "gap": (lambda row: replace(row, index=30), "No frame of a clip is missing", "warning"),
    "twice": (lambda row: replace(row, index=9), "No frame of a clip is there twice", "critical"),
    "size": (lambda row: replace(row, width=94), "have the same size", "critical"),
    "source": (lambda row: replace(row, source="other"), "of one data set", "critical"),
}


@pytest.mark.parametrize("fault", FRAMES)
def test_a_fault_of_a_clip_is_found_and_the_frame_named(fault: str, clip: Path) -> None:
    change, words, severity = FRAMES[fault]
    rewrite(clip, change, "mine/train/4")
    (found,) = [check for sentence, check in failed(clip).items() if words in sentence]
    assert found.severity == severity
    assert "mine/train/4" in found.failing


def test_frames_in_order_raise_no_alarm(clip: Path) -> None:
    wanted = {entry["description"] for entry in expectations(CLIPS)["expectations"]}
    assert not wanted & failed(clip).keys()


def test_a_clipped_picture_is_a_warning(pairs: Path) -> None:
    rewrite(pairs, lambda row: replace(row, clipped=0.95))
    (found,) = [check for sentence, check in failed(pairs).items() if "clipped" in sentence]
    assert (found.severity, found.failing) == ("warning", ("mine/train/1",))


def test_a_quarantined_file_is_a_warning_that_names_it(tmp_path: Path) -> None:
    good = {**GOOD, **{f"train/x{k}.png": picture(30 + k) for k in range(6)}}
    found = failed(pack(tmp_path, {**good, "train/zero.png": b""}))
    assert found["Every file could be used."].failing == ("mine/train/zero.png",)


CHAIN = ({"name": "blur", "sigma": 1.6}, {"name": "subsample"}, {"name": "noise", "sigma": [1, 5]})


def test_a_random_degradation_is_made_again_from_its_seed(tmp_path: Path) -> None:
    pairs = pack(tmp_path, GOOD, replace(OPTIONS, degradation=CHAIN))
    result = validate(pairs, tmp_path / "v.html")
    assert result.failed == []
    assert any(check.sentence.startswith("LR is at least 15 dB like") for check in result.checks)
    row = read_manifest(pairs)[1]
    tamper(pairs / "train-00000.lr.u8", row.lr_offset)
    found = [check for name, check in failed(pairs).items() if name.startswith("LR is the")]
    assert [check.failing for check in found] == [(row.id,)]


def test_an_lr_of_another_picture_is_found_where_it_cannot_be_made_again(tmp_path: Path) -> None:
    pairs = pack(tmp_path, GOOD, replace(OPTIONS, degradation=CHAIN))
    first, second = read_manifest(pairs)[:2]
    content = bytearray((pairs / "train-00000.lr.u8").read_bytes())
    size = second.lr_offset - first.lr_offset
    content[:size] = bytes(content[:size][::-1])
    (pairs / "train-00000.lr.u8").write_bytes(content)
    found = [check for name, check in failed(pairs).items() if name.startswith("LR is at least")]
    assert [check.failing for check in found] == [(first.id,)]


def copies(original: Pixels) -> dict[str, Pixels]:
    height, width = original.shape[:2]
    buffer = io.BytesIO()
    Image.fromarray(original).save(buffer, "JPEG", quality=60)
    size = (round(width * 0.6), round(height * 0.6))
    smaller = cv2.resize(original, size, interpolation=cv2.INTER_AREA).astype(np.uint8)
    return {
        "smaller": smaller,
        "larger": np.asarray(Image.fromarray(original).resize((2 * width, 2 * height))),
        "jpeg": np.asarray(Image.open(buffer)),
        "mirrored": np.ascontiguousarray(original[:, ::-1]),
        "degraded": degrade(original[: height // 2 * 2, : width // 2 * 2], 2),
    }


@pytest.mark.parametrize("kind", ["smaller", "larger", "jpeg", "mirrored", "degraded"])
def test_a_copy_in_another_split_is_found(kind: str, tmp_path: Path) -> None:
    found = failed(pack(tmp_path, {**GOOD, "test/copy.png": copies(picture(1))[kind]}))
    (leak,) = found.values()
    assert leak.severity == "critical"
    assert leak.failing == ("mine/train/1 = mine/test/copy",)


def test_the_default_photographs_raise_no_alarm_and_their_copies_do(tmp_path: Path) -> None:
    fetch([Source(name="photographs")], tmp_path / "raw")
    build(tmp_path / "raw", tmp_path / "frames", tmp_path / "pairs", replace(OPTIONS, scale=4))
    assert validate(tmp_path / "pairs", tmp_path / "v.html").failed == []
    for path in sorted((tmp_path / "raw/photographs").glob("*.*g")):
        original = np.asarray(Image.open(path).convert("RGB"))
        for kind, copy in copies(original).items():
            assert same_picture(original, copy), f"{kind} {path.name}"


def test_the_leak_of_a_benchmark_into_training_is_found_and_nothing_else(
    shared_data: Path,
) -> None:
    def prints(*folders: str) -> Fingerprints:
        files = sorted(
            path
            for folder in folders
            for path in (shared_data / folder).iterdir()
            if path.suffix in (".png", ".jpg", ".webp", ".bmp")
        )
        names = [f"{path.parent.parent.name}/{path.stem}" for path in files]
        return fingerprints(names, lambda place: np.asarray(read(files[place]).pixels))

    tested = prints(*(f"benchmarks/{name}/HR" for name in ("Set5", "Set14", "BSD100")))
    assert len(tested.ids) == 119
    trained = prints("leak_check", *(f"training/{name}" for name in REAL_TRAINING))
    assert len(trained.ids) == 591
    assert [str(copy) for copy in between(trained, tested)] == ["data/302003 = Set5/woman"]


REAL_TRAINING = ("BSDS400", "General100", "T91")


def test_pictures_that_only_brighten_in_the_same_direction_are_no_copies() -> None:
    steps = np.arange(9) * 6
    rises = (np.append(0, steps[1:] + 194), np.append(steps[:8], 242))
    one, other = (np.kron(rise, np.ones((64, 8))).astype(np.uint8) for rise in rises)
    assert same_picture(np.stack([one] * 3, axis=2), np.stack([one // 2] * 3, axis=2))
    assert not same_picture(np.stack([one] * 3, axis=2), np.stack([other] * 3, axis=2))


def test_a_sample_is_spread_over_all_rows(pairs: Path) -> None:
    rows = read_manifest(pairs) * 50
    chosen = sample(rows, 7)
    assert len(chosen) == 7
    assert (chosen[0], chosen[-1]) == (rows[0], rows[-1])
    assert sample(rows[:5], 7) == rows[:5]


def test_the_command_names_the_failing_pairs_and_exits_with_1(pairs: Path) -> None:
    import typer

    from superres.commands.validate import validate as command

    app = typer.Typer()
    app.command()(command)
    options = ["--pairs", str(pairs), "--report", str(pairs.parent / "v.html")]
    good = CliRunner().invoke(app, options)
    assert (good.exit_code, good.stdout) == (0, "")
    tamper(pairs / "val-00000.lr.u8", 5)
    bad = CliRunner().invoke(app, options)
    assert (bad.exit_code, bad.stdout) == (1, "")
    assert "FAILED: LR is the degraded HR" in bad.stderr
    assert "mine/val/a" in bad.stderr
    assert "validation.html" not in bad.stderr
    assert "v.html" in bad.stderr


def test_pairs_that_are_not_there_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"manifest\.csv: no such file\. Run `superres pairs`"):
        validate(tmp_path, tmp_path / "v.html")
    assert not (tmp_path / "v.html").exists()


def test_a_large_manifest_is_checked_in_parts_with_the_same_findings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pairs = pack(tmp_path, GOOD)
    rewrite(pairs, lambda row: replace(row, licence=""), "mine/train/1")
    rewrite(pairs, lambda row: replace(row, licence="", id="mine/val/a"), "mine/test/b")
    whole = list(validate(pairs, tmp_path / "one.html").checks)
    monkeypatch.setattr(tables, "AT_ONCE", 2)
    parts = list(validate(pairs, tmp_path / "two.html").checks)
    assert parts == whole
    named = {check.sentence: check.failing for check in parts}
    assert named["Every pair says under which licence its picture is."] == (
        "mine/train/1",
        "mine/val/a",
    )
    assert named["Every pair has a name of its own."] == ("mine/val/a", "mine/val/a")


def test_a_table_takes_a_small_share_of_the_rows_memory() -> None:
    """Nothing is built per row but arrays; the rest is bounded by the part that is compared."""
    row = Row(
        *("a", "s", "train", "image", "", None, "a.png", "0" * 64, 64, 64, 16, 16, 0, 0, 3, 8),
        *(4, "bicubic", "replicate", 100.0, 50.0, "CC0"),
    )
    rows = [replace(row, id=f"a{number}", sha256=f"{number:064x}") for number in range(60_000)]
    facts = {"scale": 4, "kernel": "bicubic", "border": "replicate", "degradation": ""}
    tracemalloc.start()
    try:
        made = tables.ManifestTables(rows, facts)
        first = next(made.parts(1000))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(first) == 1000
    assert peak / len(rows) < 150, "bytes for each row"
