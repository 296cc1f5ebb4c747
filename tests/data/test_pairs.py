"""Pairs are packed in order, the same on every machine; bad files are named and left out."""

import csv
import hashlib
import io
import re
import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import typer
from numpy.typing import NDArray
from PIL import Image, ImageCms
from typer.testing import CliRunner

from superres.config import Source
from superres.data import pairs, workers
from superres.data.clips import Bad, FrameRow, read_quarantine, write_frames
from superres.data.degradations import Degradation, picture_seed
from superres.data.degrade import degrade, mod_crop
from superres.data.fetch import fetch
from superres.data.manifest import (
    COLUMNS,
    Row,
    data_hash,
    load_pair,
    read_manifest,
    read_pack,
    sha256_of_pixels,
)
from superres.data.origins import sha256_of
from superres.data.packing import Pack
from superres.data.pairs import build
from superres.data.prepare import (
    Candidate,
    PairOptions,
    Prepared,
    prepare,
    statistics,
)
from superres.data.reading import to_rgb8
from superres.data.sources import RawFile, RawSource, write_source
from superres.errors import ConfigError, DataError
from superres.images import Picture, encode

Pixels = NDArray[np.uint8]
Make = Callable[[dict[str, bytes]], Path]
OPTIONS = PairOptions(scale=2, min_side=16, workers=2)


def picture(seed: int, height: int = 33, width: int = 46) -> Pixels:
    random = np.random.default_rng(seed)
    coarse = random.integers(0, 256, (5, 7, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC))


def png(pixels: Pixels) -> bytes:
    return encode(Picture(pixels), "PNG")


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Fetch the given files, name -> content, into a data/raw; return its parent."""

    def make_raw(files: dict[str, bytes]) -> Path:
        album = tmp_path / "album"
        shutil.rmtree(album, ignore_errors=True)
        for name, content in files.items():
            (album / name).parent.mkdir(parents=True, exist_ok=True)
            (album / name).write_bytes(content)
        source = Source.model_validate({"name": "mine", "path": str(album)})
        fetch([source], tmp_path / "data/raw")
        return tmp_path / "data"

    return make_raw


@pytest.fixture
def data(make: Make) -> Path:
    return make({f"{seed}.png": png(picture(seed)) for seed in range(6)})


def run(data: Path, options: PairOptions = OPTIONS) -> pairs.PairsReport:
    return build(data / "raw", data / "frames", data / "pairs", options)


def hr_of(data: Path, row: Row) -> Pixels:
    return np.asarray(load_pair(data / "pairs", row)[1])


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_lr_is_the_degraded_and_hr_the_cropped_original(data: Path) -> None:
    report = run(data)
    rows = read_manifest(data / "pairs")
    assert sum(report.pairs.values()) == len(rows) == 6
    for row in rows:
        lr, hr = load_pair(data / "pairs", row)
        original = mod_crop(picture(int(row.path.removeprefix("mine/").removesuffix(".png"))), 2)
        np.testing.assert_array_equal(hr, original)
        np.testing.assert_array_equal(lr, degrade(original, 2))
        assert (row.height, row.width, row.lr_height, row.lr_width) == (32, 46, 16, 23)
        assert row.sha256 == sha256_of_pixels(hr)


def test_packs_are_the_pictures_one_after_another(data: Path) -> None:
    run(data)
    rows = read_manifest(data / "pairs")
    for split in ("train", "val", "test"):
        for side in ("hr", "lr"):
            ours = [row for row in rows if row.split == split]
            pixels = [load_pair(data / "pairs", row)[side == "hr"].tobytes() for row in ours]
            shard = data / f"pairs/{split}-00000.{side}.u8"
            assert (shard.read_bytes() if shard.exists() else b"") == b"".join(pixels)


def test_manifest_says_where_a_pair_is_from_and_how_it_was_made(data: Path) -> None:
    run(data, replace(OPTIONS, kernel="lanczos3", border="reflect"))
    row = read_manifest(data / "pairs")[0]
    assert (row.source, row.kind, row.clip, row.index) == ("mine", "image", "", None)
    assert (row.scale, row.kernel, row.border) == (2, "lanczos3", "reflect")
    assert row.degradation == read_pack(data / "pairs")["degradation"] == "x2 lanczos3 reflect"
    assert row.source_sha256 == sha256_of(data / "raw" / row.path)
    assert row.clipped == pytest.approx(np.isin(hr_of(data, row), (0, 255)).mean(), abs=1e-3)
    assert (row.channels, row.bit_depth, row.licence) == (3, 8, "not stated")
    assert row.path == f"{row.id}.png"
    lr, hr = load_pair(data / "pairs", row)
    np.testing.assert_array_equal(lr, degrade(np.asarray(hr), 2, "lanczos3", "reflect"))
    assert row.mean == pytest.approx(hr.mean(), abs=1e-3)
    assert row.contrast == pytest.approx(hr.reshape(-1, 3).std(axis=0).max(), abs=1e-3)


@pytest.mark.parametrize("others", [4, "processes"])
def test_equal_data_gives_equal_bytes_whatever_the_workers(data: Path, others: int | str) -> None:
    run(data, replace(OPTIONS, workers=1, shard_bytes=10_000))
    one = content(data / "pairs")
    run(data, replace(OPTIONS, workers=others, shard_bytes=10_000))
    assert content(data / "pairs") == one


@pytest.mark.e2e
def test_a_dask_cluster_gives_the_same_bytes(data: Path) -> None:
    distributed = pytest.importorskip("distributed")
    run(data)
    one = content(data / "pairs")
    with distributed.LocalCluster(n_workers=2, dashboard_address=None) as cluster:
        run(data, replace(OPTIONS, workers=cluster.scheduler_address))
    assert content(data / "pairs") == one


def test_unknown_workers_are_an_error_that_says_what_is_accepted(data: Path) -> None:
    with pytest.raises(ConfigError, match=r"workers 'many' is unknown; accepted: .*processes"):
        run(data, replace(OPTIONS, workers="many"))


def test_a_shard_ends_before_the_picture_that_would_not_fit(data: Path) -> None:
    run(data)
    whole = read_manifest(data / "pairs")
    pixels = [load_pair(data / "pairs", row)[1].tobytes() for row in whole]
    one = 3 * 32 * 46
    run(data, replace(OPTIONS, shard_bytes=2 * one))
    rows = read_manifest(data / "pairs")
    train = [row for row in rows if row.split == "train"]
    assert [row.shard for row in train] == [place // 2 for place in range(len(train))]
    assert [row.hr_offset for row in train] == [place % 2 * one for place in range(len(train))]
    for shard in (data / "pairs").glob("*.hr.u8"):
        assert shard.stat().st_size in (one, 2 * one)
    assert [load_pair(data / "pairs", row)[1].tobytes() for row in rows] == pixels


def test_a_picture_larger_than_a_shard_has_one_of_its_own(data: Path) -> None:
    run(data, replace(OPTIONS, shard_bytes=1))
    rows = [row for row in read_manifest(data / "pairs") if row.split == "train"]
    assert [row.shard for row in rows] == list(range(len(rows)))


def test_the_data_hash_changes_with_the_data_and_with_nothing_else(
    make: Make,
) -> None:
    files = {f"{seed}.png": png(picture(seed)) for seed in range(4)}
    data = make(files)
    first = run(data).sha256
    assert data_hash(data / "pairs") == first == run(data).sha256
    assert run(data, replace(OPTIONS, scale=4)).sha256 != first
    files_hashed = [data / "pairs" / "manifest.csv", *(data / "pairs").glob("*.u8")]
    lines = [f"{path.name} {sha256_of(path)}\n" for path in sorted(files_hashed)]
    now = hashlib.sha256("".join(lines).encode()).hexdigest()
    assert data_hash(data / "pairs") == now
    altered = picture(0).copy()
    altered[5, 5, 1] ^= 1
    assert run(make({**files, "0.png": png(altered)})).sha256 != first


def test_the_order_is_by_split_then_name(data: Path) -> None:
    run(data)
    rows = read_manifest(data / "pairs")
    order = ["train", "val", "test"]
    assert rows == sorted(rows, key=lambda row: (order.index(row.split), row.path))


def test_ids_keep_the_suffix_only_where_two_files_need_it(
    make: Make,
) -> None:
    data = make(
        {"a.png": png(picture(1)), "a.bmp": encode(Picture(picture(2)), "BMP")}
        | {"b.v2.png": png(picture(3))}
    )
    run(data)
    ids = sorted(row.id for row in read_manifest(data / "pairs"))
    assert ids == ["mine/a.bmp", "mine/a.png", "mine/b.v2"]


def as_png(mode: str, pixels: NDArray[np.generic]) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).convert(mode).save(buffer, "PNG")
    return buffer.getvalue()


def only_row(make: Make, files: dict[str, bytes]) -> tuple[Row, Pixels]:
    data = make(files)
    run(data)
    (row,) = read_manifest(data / "pairs")
    return row, np.asarray(load_pair(data / "pairs", row)[1])


def test_grey_becomes_three_equal_channels(make: Make) -> None:
    grey = picture(1)[:32, :, 0]
    row, hr = only_row(make, {"a.png": as_png("L", grey)})
    assert (row.channels, row.bit_depth) == (1, 8)
    np.testing.assert_array_equal(hr, np.repeat(grey[..., None], 3, axis=2))


def test_transparency_is_shown_on_white(make: Make) -> None:
    rgba = np.zeros((32, 46, 4), np.uint8)
    rgba[..., :3] = picture(1)[:32]
    rgba[:, 20:, 3] = 255
    rgba[:, 10:20, 3] = 128
    row, hr = only_row(make, {"a.png": as_png("RGBA", rgba)})
    assert row.channels == 4
    assert (hr[:, :10] == 255).all()
    np.testing.assert_array_equal(hr[:, 20:], rgba[:, 20:, :3])
    half = rgba[:, 10:20, :3] * (128 / 255) + 255 * (127 / 255)
    np.testing.assert_array_equal(hr[:, 10:20], np.floor(half + 0.5))


def test_sixteen_bits_are_rounded_to_eight(make: Make) -> None:
    levels = np.arange(32 * 46, dtype=np.uint16).reshape(32, 46) * 44
    row, hr = only_row(make, {"a.png": as_png("I;16", levels)})
    assert (row.channels, row.bit_depth) == (1, 16)
    np.testing.assert_array_equal(hr[..., 0], np.floor(levels / 257 + 0.5))


def test_every_16_bit_value_and_its_alpha_round_to_the_nearest() -> None:
    values = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    pixels = np.repeat(values[..., None], 3, axis=2)
    np.testing.assert_array_equal(to_rgb8(Picture(pixels))[..., 0], np.floor(values / 257 + 0.5))
    opaque = Picture(pixels, alpha=np.full_like(values, 65535))
    np.testing.assert_array_equal(to_rgb8(opaque), to_rgb8(Picture(pixels)))
    clear = Picture(pixels, alpha=np.zeros_like(values))
    assert (to_rgb8(clear) == 255).all()


def test_exif_rotation_is_applied(make: Make) -> None:
    buffer = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6  # turn a quarter clockwise to see it upright
    Image.fromarray(picture(1)[:32]).save(buffer, "PNG", exif=exif)
    _, hr = only_row(make, {"a.png": buffer.getvalue()})
    np.testing.assert_array_equal(hr, np.rot90(picture(1)[:32], -1))


def test_another_colour_profile_is_converted_to_srgb(make: Make) -> None:
    pixels = picture(1)[:32]
    linear = ImageCms.createProfile("sRGB")
    xyz = io.BytesIO()
    Image.fromarray(pixels).save(xyz, "PNG", icc_profile=swapped_primaries())
    row, hr = only_row(make, {"a.png": xyz.getvalue()})
    assert row.profile == "swapped"
    np.testing.assert_allclose(hr, pixels[..., ::-1], atol=2)  # red and blue change places
    srgb = io.BytesIO()
    Image.fromarray(pixels).save(
        srgb, "PNG", icc_profile=ImageCms.ImageCmsProfile(linear).tobytes()
    )
    row, hr = only_row(make, {"a.png": srgb.getvalue()})
    assert row.profile == ""
    np.testing.assert_array_equal(hr, pixels)


def swapped_primaries() -> bytes:
    """Return sRGB's profile with red and blue exchanged, under another name."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    for place in range(128 + 4, 128 + 4 + 12 * int.from_bytes(profile[128:132], "big"), 12):
        tag = bytes(profile[place : place + 4])
        profile[place : place + 4] = {b"rXYZ": b"bXYZ", b"bXYZ": b"rXYZ"}.get(tag, tag)
    wide = "sRGB built-in".encode("utf-16-be")
    assert wide in profile
    return bytes(profile).replace(wide, "swapped      ".encode("utf-16-be"))


def test_a_damaged_profile_is_no_reason_to_refuse_a_picture(make: Make) -> None:
    buffer = io.BytesIO()
    Image.fromarray(picture(1)[:32]).save(buffer, "PNG", icc_profile=b"nonsense" * 40)
    row, hr = only_row(make, {"a.png": buffer.getvalue()})
    assert row.profile == ""
    np.testing.assert_array_equal(hr, picture(1)[:32])


@pytest.mark.parametrize("mode", ["CMYK", "P", "LA", "1"])
def test_files_of_other_modes_are_packed_as_rgb(mode: str, make: Make) -> None:
    buffer = io.BytesIO()
    shown = Image.fromarray(picture(1)[:32]).convert(mode)
    shown.save(buffer, "TIFF")
    row, hr = only_row(make, {"a.tif": buffer.getvalue()})
    assert row.channels == {"CMYK": 3, "P": 3, "LA": 2, "1": 1}[mode]
    np.testing.assert_array_equal(hr, np.asarray(shown.convert("RGB")))


CHAIN = ({"name": "blur", "sigma": 1.2}, {"name": "subsample"}, {"name": "noise", "sigma": 3.0})


def test_a_degradation_makes_lr_and_stands_in_the_manifest(data: Path) -> None:
    options = replace(OPTIONS, degradation=CHAIN, seed=5)
    run(data, options)
    chain = Degradation.parse(CHAIN)
    for row in read_manifest(data / "pairs"):
        lr, hr = load_pair(data / "pairs", row)
        assert Degradation.parse(row.degradation) == chain
        np.testing.assert_array_equal(lr, chain.apply(hr, 2, picture_seed(5, row.path)))
    first = content(data / "pairs")
    run(data, replace(options, workers=1))
    assert content(data / "pairs") == first
    run(data, replace(options, seed=6))
    assert content(data / "pairs") != first


def test_frames_are_degraded_as_the_clip_they_are_of(clip: Path) -> None:
    run(clip, replace(OPTIONS, degradation=CHAIN))
    pairs_of = [load_pair(clip / "pairs", row) for row in read_manifest(clip / "pairs")]
    chain, seed = Degradation.parse(CHAIN), picture_seed(OPTIONS.seed, "film")
    expected = list(chain.apply_clip([hr for _, hr in pairs_of], 2, seed))
    for (lr, _), made in zip(pairs_of, expected, strict=True):
        np.testing.assert_array_equal(lr, made)


def test_a_frame_of_another_size_is_left_out_of_a_degraded_clip(clip: Path) -> None:
    (clip / "frames/film/999999.png").write_bytes(png(picture(3, 40, 40)))
    run(clip, replace(OPTIONS, degradation=CHAIN, max_bad_share=0.5))
    assert [row.index for row in read_manifest(clip / "pairs")] == [0, 1_000_000]
    (bad,) = read_quarantine(clip / "pairs")
    assert bad == Bad("film/999999.png", "not as large as the first frame of film")


BAD = {
    "zero.png": (b"", "empty"),
    "text.png": (b"I am no picture", "no picture of a known type"),
    "cut.png": (png(picture(1))[:-200], "damaged or truncated"),
    "small.png": (png(picture(1, 46, 15)), "too small: 14x46.*at least 16"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_is_left_out_and_named_with_the_reason(name: str, make: Make) -> None:
    damaged, reason = BAD[name]
    good = {f"{seed}.png": png(picture(seed)) for seed in range(9)}
    data = make({**good, name: damaged})
    report = run(data)
    assert sum(report.pairs.values()) == 9
    (bad,) = read_quarantine(data / "pairs")
    assert report.quarantined == (bad,)
    assert bad.path == f"mine/{name}"
    assert re.search(reason, bad.reason), bad.reason
    assert all(row.path != bad.path for row in read_manifest(data / "pairs"))


def test_too_many_bad_files_stop_the_stage_and_leave_the_old_pairs(data: Path, make: Make) -> None:
    run(data)
    before = content(data / "pairs")
    good = {f"{seed}.png": png(picture(seed)) for seed in range(2)}
    make({**good, **{name: damaged for name, (damaged, _) in BAD.items()}})
    with pytest.raises(DataError) as caught:
        run(data)
    message = str(caught.value)
    assert "4 of 6 files are bad" in message
    assert "data.max_bad_share 0.1" in message
    assert all(f"mine/{name}: " in message for name in BAD)
    assert content(data / "pairs") == before
    assert {path.name for path in data.glob(".*")} == {".raw.lock"}
    assert sum(run(data, replace(OPTIONS, max_bad_share=0.67)).pairs.values()) == 2


def test_no_good_file_is_an_error_whatever_the_share(
    make: Make,
) -> None:
    data = make({"a.png": b""})
    with pytest.raises(DataError, match=r"no usable picture among 1 files\. mine/a\.png: "):
        run(data, replace(OPTIONS, max_bad_share=1.0))


def test_raw_that_was_edited_is_no_bad_file_but_an_error(data: Path) -> None:
    (data / "raw/mine/0.png").write_bytes(png(picture(99)))
    with pytest.raises(DataError, match=r"0\.png: not the content that was fetched\..*fetch"):
        run(data)
    (data / "raw/mine/0.png").unlink()
    with pytest.raises(DataError, match=r"0\.png: cannot be read"):
        run(data)


def test_leftovers_of_a_killed_build_are_cleared(data: Path) -> None:
    run(data)
    before = content(data / "pairs")
    for name in (".pairs.partial", ".pairs.previous"):
        (data / name).mkdir()
        (data / name / "train-00000.hr.u8").write_bytes(b"half")
    run(data)
    assert content(data / "pairs") == before
    assert {path.name for path in data.iterdir()} == {".raw.lock", "pairs", "raw"}


def test_a_failure_in_the_middle_leaves_the_old_pairs(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(data)
    before = content(data / "pairs")
    monkeypatch.setattr(pairs, "write_manifest", lambda *_: (_ for _ in ()).throw(OSError("full")))
    with pytest.raises(OSError, match="full"):
        run(data, replace(OPTIONS, scale=4))
    assert content(data / "pairs") == before
    assert {path.name for path in data.iterdir()} == {".raw.lock", "pairs", "raw"}


def test_few_pictures_are_in_memory_at_once(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[str] = []
    written: list[int] = []
    append = Pack.append

    def counting(candidate: Candidate, options: PairOptions) -> Prepared | Bad:
        started.append(candidate.path)
        return prepare(candidate, options)

    def watching(pack: Pack, prepared: Prepared) -> None:
        time.sleep(0.02)  # what may start meanwhile does
        written.append(len(started))
        append(pack, prepared)

    monkeypatch.setattr("superres.data.pairs.prepare", counting)
    monkeypatch.setattr(Pack, "append", watching)
    run(data, replace(OPTIONS, workers=1))
    ahead = [begun - place for place, begun in enumerate(written)]
    assert max(ahead) <= workers.AHEAD


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """A data/ with a fetched video (never decoded here) and three frames of it."""
    (tmp_path / "film.mp4").write_bytes(b"never decoded")
    source = Source(name="film", path=str(tmp_path / "film.mp4"), split="test")
    fetch([source], tmp_path / "data/raw")
    frames = tmp_path / "data/frames"
    (frames / "film").mkdir(parents=True)
    rows = [
        FrameRow("film", k, k / 25, f"film/{k:06d}.png", int(k > 0))
        for k in (0, 1_000_000, 999_999)
    ]
    for row in rows:
        (frames / row.file).write_bytes(png(picture(row.index)))
    write_frames(frames, rows, [])
    return tmp_path / "data"


def test_frames_keep_clip_number_and_order(clip: Path) -> None:
    run(clip)
    rows = read_manifest(clip / "pairs")
    assert [row.clip for row in rows] == ["film"] * 3
    assert [row.index for row in rows] == [0, 999_999, 1_000_000]
    assert [row.scene for row in rows] == [0, 1, 1]
    assert {(row.kind, row.split, row.source) for row in rows} == {("frame", "test", "film")}
    assert not list((clip / "pairs").glob("train-*"))


def test_fetched_frames_of_a_sequence_stand_in_its_order(tmp_path: Path) -> None:
    folder = tmp_path / "data/raw/vimeo"
    files = []
    for index, name in enumerate(("im1.png", "im10.png", "im2.png")):
        content = png(picture(index))
        (folder / "0001").mkdir(parents=True, exist_ok=True)
        (folder / "0001" / name).write_bytes(content)
        digest = hashlib.sha256(content).hexdigest()
        files.append(RawFile(f"0001/{name}", digest, "train", "vimeo/0001", 10 - index))
    write_source(folder, RawSource("vimeo", "images", "MIT", "", "local", tuple(files)))
    run(tmp_path / "data")
    rows = read_manifest(tmp_path / "data/pairs")
    assert [(row.kind, row.clip, row.index) for row in rows] == [
        ("frame", "vimeo/0001", index) for index in (8, 9, 10)
    ]
    assert [Path(row.path).name for row in rows] == ["im2.png", "im10.png", "im1.png"]


def test_a_video_left_out_counts_as_a_bad_file(clip: Path) -> None:
    write_frames(clip / "frames", [], [Bad("film/film.mp4", "no video")])
    with pytest.raises(DataError, match=r"no usable picture.*film/film\.mp4: no video"):
        run(clip)


def test_frames_that_do_not_match_the_videos_ask_for_frames(clip: Path) -> None:
    write_frames(clip / "frames", [], [])
    with pytest.raises(DataError, match=r"does not match.*film.*superres frames"):
        run(clip)
    shutil.rmtree(clip / "frames")
    with pytest.raises(DataError, match=r"frames\.csv: no such file.*superres frames"):
        run(clip)


def test_without_fetch_it_says_so(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no fetched data set found\. Run `superres fetch`"):
        run(tmp_path)


def test_a_damaged_manifest_is_named_with_its_line(data: Path) -> None:
    run(data)
    manifest = data / "pairs/manifest.csv"
    lines = manifest.read_text("utf-8").splitlines()
    columns = next(csv.reader([lines[2]]))
    columns[COLUMNS.index("height")] = "tall"
    manifest.write_text("\n".join([*lines[:2], ",".join(columns)]) + "\n", "utf-8")
    with pytest.raises(DataError, match=r"manifest\.csv: line 3 cannot be read.*tall"):
        read_manifest(data / "pairs")
    manifest.write_text("a,b\n", "utf-8")
    with pytest.raises(DataError, match=r"columns are a, b; expected id, source"):
        read_manifest(data / "pairs")
    (data / "pairs/pack.json").write_text("{}", "utf-8")
    with pytest.raises(DataError, match=r"pack\.json: damaged \(no border"):
        read_pack(data / "pairs")


def test_a_pair_beyond_the_pack_is_an_error(data: Path) -> None:
    run(data)
    row = read_manifest(data / "pairs")[0]
    with pytest.raises(DataError, match=r"no 32x46 picture at byte"):
        load_pair(data / "pairs", replace(row, hr_offset=10**9))


def test_statistics_are_exact() -> None:
    hr = np.random.default_rng(1).integers(0, 256, (37, 41, 3), dtype=np.uint8)
    mean, contrast = statistics(hr)
    assert mean == pytest.approx(hr.mean(), rel=1e-12)
    assert contrast == pytest.approx(hr.reshape(-1, 3).std(axis=0).max(), rel=1e-12)
    assert statistics(np.full((8, 8, 3), 7, np.uint8)) == (7.0, 0.0)


def test_the_command_warns_of_a_bad_file_and_exits_with_0(make: Make, tmp_path: Path) -> None:
    from superres.commands.pairs import pairs as command

    good = {f"{seed}.png": png(picture(seed)) for seed in range(9)}
    data = make({**good, "zero.png": b""})
    params = tmp_path / "params.yaml"
    params.write_text(
        "scale: 2\nexperiments: [a]\n"
        "data: {sources: [{name: mine, path: x}], min_side: 16, max_bad_share: 0.1}\n"
    )
    app = typer.Typer()
    app.command()(command)
    folders = {"params": params} | {name: data / name for name in ("raw", "frames")}
    options = [f"--{name}={path}" for name, path in folders.items()]
    done = CliRunner().invoke(app, [*options, f"--target={data / 'pairs'}"])
    assert (done.exit_code, done.stdout) == (0, "")
    assert "WARNING: left out mine/zero.png: the file is empty" in done.stderr
    assert "bad files: 1," in done.stderr
    assert len(read_manifest(data / "pairs")) == 9
