"""Real pairs: the LR that was given is packed as it is, and checked instead of made."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scenery import moved, scenery

from superres import images
from superres.config import Source
from superres.data.degradations import Degradation
from superres.data.degrade import degrade, mod_crop
from superres.data.download_plan import plan
from superres.data.fetch import FetchOptions, fetch
from superres.data.manifest import Row, load_pair, read_manifest, read_pack
from superres.data.pairs import PairsReport, build
from superres.data.prepare import PairOptions
from superres.data.reading import to_rgb8
from superres.data.sources import read_source
from superres.data.validate import validate
from superres.errors import ConfigError, DataError

Pixels = NDArray[np.uint8]
OPTIONS = PairOptions(scale=2, min_side=16, workers=1, max_bad_share=1.0)


def write(path: Path, pixels: Pixels) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    images.write(path, images.Picture(pixels))


def pack(place: Path, options: PairOptions = OPTIONS, **source: Any) -> PairsReport:
    """Fetch and pack `place/HR` with `place/LR`."""
    sides = {"path": str(place / "HR"), "lr": str(place / "LR")}
    fetch([Source.model_validate({"name": "ours", **sides, **source})], place / "raw")
    return build(place / "raw", place / "frames", place / "pairs", options)


def packed(place: Path) -> dict[str, tuple[Row, Pixels, Pixels]]:
    rows = read_manifest(place / "pairs")
    pairs = {row.path: load_pair(place / "pairs", row) for row in rows}
    return {row.path: (row, *map(np.asarray, pairs[row.path])) for row in rows}


def reasons(report: PairsReport) -> dict[str, str]:
    return {bad.path: bad.reason for bad in report.quarantined}


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Six pairs at scale 2; LR is made by a lens that nobody knows."""
    unknown = Degradation.parse("blur sigma=1; downsample; jpeg quality=80")
    for seed in range(6):
        hr = scenery(seed)
        write(tmp_path / f"HR/{seed}.png", hr)
        write(tmp_path / f"LR/{seed}.png", unknown.apply(hr, 2, seed))
    return tmp_path


@pytest.mark.parametrize("scale", [2, 4])
def test_matlab_made_lr_of_set5_is_packed_as_it_is(
    shared_data: Path, tmp_path: Path, scale: int
) -> None:
    """Names as SelfExSR has them; HR is not cropped to a multiple of the scale."""
    folder = shared_data / "benchmarks/Set5"
    hrs = sorted((folder / "HR").iterdir())
    lrs = sorted((folder / f"LR_x{scale}").iterdir())
    for place, (hr, lr) in enumerate(zip(hrs, lrs, strict=True), 1):
        for side, file in (("HR", hr), ("LR", lr)):
            target = tmp_path / side / f"img_{place:03d}_SRF_{scale}_{side}.png"
            target.parent.mkdir(exist_ok=True)
            shutil.copyfile(file, target)
    report = pack(tmp_path, replace(OPTIONS, scale=scale), split="test")
    assert report.quarantined == ()
    found = packed(tmp_path)
    assert len(found) == 5
    for number, (hr_file, lr_file) in enumerate(zip(hrs, lrs, strict=True), 1):
        row, lr, hr = found[f"ours/img_{number:03d}_SRF_{scale}_HR.png"]
        np.testing.assert_array_equal(lr, to_rgb8(images.read(lr_file)), lr_file.name)
        expected = mod_crop(to_rgb8(images.read(hr_file)), scale)
        np.testing.assert_array_equal(hr, expected, hr_file.name)
        assert row.degradation == f"given x{scale}"


@pytest.mark.parametrize("scale", [2, 4])
@pytest.mark.parametrize("name", ["Set14", "BSD100"])
def test_no_published_pair_is_taken_for_a_shifted_one(
    shared_data: Path, tmp_path: Path, name: str, scale: int
) -> None:
    """Set14 has a grey picture and a grey LR of it."""
    folder = shared_data / "benchmarks" / name
    hrs = sorted((folder / "HR").iterdir())[:10]
    lrs = sorted((folder / f"LR_x{scale}").iterdir())[:10]
    for hr, lr in zip(hrs, lrs, strict=True):
        for side, file in (("HR", hr), ("LR", lr)):
            target = tmp_path / side / f"{hr.stem}{file.suffix}"
            target.parent.mkdir(exist_ok=True)
            shutil.copyfile(file, target)
    report = pack(tmp_path, replace(OPTIONS, scale=scale), split="test")
    assert report.quarantined == ()
    assert report.pairs["test"] == len(hrs)


def test_the_pack_says_that_lr_was_given(place: Path) -> None:
    report = pack(place)
    assert report.quarantined == ()
    rows = read_manifest(place / "pairs")
    assert {row.degradation for row in rows} == {"given x2"}
    facts = read_pack(place / "pairs")
    assert (facts["other_degradations"], facts["max_shift"]) == (["given x2"], 0.5)
    result = validate(place / "pairs", place / "validation.html")
    assert result.success, [check.describe() for check in result.failed]
    assert "Real pairs are registered: place and brightness (6 of 6)." in [
        check.sentence for check in result.checks
    ]
    assert "LR is made by <code>given x2</code>" in (place / "validation.html").read_text()


def test_given_and_made_pairs_lie_in_one_pack(place: Path) -> None:
    write(place / "more/a.png", scenery(20))
    sources = [
        Source(name="ours", path=str(place / "HR"), lr=str(place / "LR")),
        Source(name="more", path=str(place / "more"), split="val"),
    ]
    fetch(sources, place / "raw")
    build(place / "raw", place / "frames", place / "pairs", replace(OPTIONS, degradation="bd"))
    ways = {path: row.degradation for path, (row, _, _) in packed(place).items()}
    assert ways["more/a.png"] == "blur sigma=1.6; subsample phase=first"
    assert ways["ours/3.png"] == "given x2"
    result = validate(place / "pairs", place / "validation.html")
    assert result.success, [check.describe() for check in result.failed]


def test_pairs_that_are_not_registered_are_named_with_the_reason(place: Path) -> None:
    write(place / "HR/1.png", moved(scenery(1), 3, -1.5))
    write(place / "LR/2.png", degrade(scenery(9), 2))
    write(place / "LR/3.png", degrade(scenery(3), 4))
    write(place / "LR/4.png", np.minimum(degrade(scenery(4), 2), 215) + 40)
    (place / "LR/5.png").write_bytes(b"no picture")
    report = pack(place)
    assert sum(report.pairs.values()) == 1
    told = reasons(report)
    assert set(told) == {f"ours/{seed}.png" for seed in (1, 2, 3, 4)} | {"ours/lr/5.png"}
    assert "not registered with ours/lr/1.png: HR lies +3." in told["ours/1.png"]
    assert "too little in common" in told["ours/2.png"]
    assert "is 64x48, expected 128x96 at scale 2, or the size of HR, 256x192" in told["ours/3.png"]
    assert "grey levels brighter" in told["ours/4.png"]


def test_how_far_a_pair_may_lie_off_is_a_setting(place: Path) -> None:
    write(place / "HR/1.png", moved(scenery(1), 1, 0))
    assert set(reasons(pack(place))) == {"ours/1.png"}
    assert pack(place, replace(OPTIONS, max_shift=1.5)).quarantined == ()


def test_a_side_without_its_partner_is_named(place: Path) -> None:
    (place / "LR/2.png").unlink()
    (place / "HR/4.png").unlink()
    told = reasons(pack(place))
    assert set(told) == {"ours/2.png", "ours/lr/4.png"}
    assert "LR is missing" in told["ours/2.png"]
    assert "without its HR" in told["ours/lr/4.png"]


def test_hr_is_cropped_to_the_lr_that_rounds_either_way(place: Path) -> None:
    """MATLAB's imresize rounds the LR of an uncropped HR up, a mod-crop before it down."""
    hr = scenery(7)[:191, :253]
    write(place / "HR/up.png", hr)
    write(place / "LR/up.png", degrade(np.pad(hr, ((0, 1), (0, 1), (0, 0)), "edge"), 2))
    write(place / "HR/down.png", scenery(8)[:191, :253])
    write(place / "LR/down.png", degrade(scenery(8)[:191, :253], 2))
    assert pack(place).quarantined == ()
    for name in ("up", "down"):
        _, lr, cropped = packed(place)[f"ours/{name}.png"]
        assert (lr.shape, cropped.shape) == ((95, 126, 3), (190, 252, 3))


def test_grey_files_are_paired_with_colour_ones(place: Path) -> None:
    grey = scenery(7)[..., 1]
    images.write(place / "HR/g.png", images.Picture(np.stack([grey] * 3, -1)))
    from PIL import Image

    Image.fromarray(degrade(grey, 2)).save(place / "LR/g.png")
    assert pack(place).quarantined == ()
    row, lr, _ = packed(place)["ours/g.png"]
    assert (lr[..., 0] == lr[..., 2]).all()
    assert row.channels == 3, "of the HR file"


def test_lr_as_large_as_hr_is_shrunk(place: Path) -> None:
    """RealVSR's two sides have one size: the phone's wide lens, enlarged."""
    wide = images.read(place / "HR/1.png").pixels
    write(place / "LR/1.png", wide)
    assert pack(place).quarantined == ()
    row, lr, hr = packed(place)["ours/1.png"]
    assert row.degradation == "given x1, then x2 bicubic replicate"
    np.testing.assert_array_equal(lr, degrade(hr, 2))


def test_clips_of_realvsr(tmp_path: Path) -> None:
    """Placed by hand as GT and LQ; a chain over clips leaves given LR alone."""
    for clip in range(12):
        for number in range(2):
            hr = scenery(clip, 48, 64)
            write(tmp_path / f"manual/realvsr/GT/{clip:03d}/{number}.png", hr)
            write(tmp_path / f"manual/realvsr/LQ/{clip:03d}/{number}.png", degrade(hr, 2))
    fetch([Source(name="realvsr")], tmp_path / "raw")
    options = replace(OPTIONS, degradation="real-world")
    report = build(tmp_path / "raw", tmp_path / "frames", tmp_path / "pairs", options)
    assert report.quarantined == ()
    found = packed(tmp_path)
    assert len(found) == 24, "one pair for two files"
    row, lr, hr = found["realvsr/GT/003/1.png"]
    assert (row.kind, row.clip, row.index) == ("frame", "realvsr/GT/003", 1)
    np.testing.assert_array_equal(lr, degrade(hr, 2))


def test_own_clips_are_folders_of_frames(place: Path) -> None:
    for side in ("HR", "LR"):
        for seed in range(6):
            (place / side / f"clip{seed % 2}").mkdir(exist_ok=True)
            (place / side / f"{seed}.png").rename(place / side / f"clip{seed % 2}/{seed}.png")
    assert pack(place, kind="frames").quarantined == ()
    rows = sorted((row.clip, row.index, row.path) for row, _, _ in packed(place).values())
    assert rows[0] == ("ours/clip0", 0, "ours/clip0/0.png")
    assert rows[-1] == ("ours/clip1", 2, "ours/clip1/5.png")


def test_lr_travels_with_its_hr_through_fetch(place: Path) -> None:
    pack(place)
    source = read_source(place / "raw/ours")
    assert source is not None
    assert source.is_paired
    files = {file.file: file for file in source.files}
    assert files["lr/3.png"].lr_of == "3.png"
    assert files["lr/3.png"].split == files["3.png"].split
    (place / "raw/ours/lr/3.png").write_bytes(b"edited")
    with pytest.raises(DataError, match=r"lr/3\.png: not the content that was fetched"):
        build(place / "raw", place / "frames", place / "pairs", OPTIONS)


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ({"path": "HR", "lr": "HR/LR"}, "lie inside each other"),
        ({"path": "HR/1.png", "lr": "LR"}, "`lr` goes with a folder of pictures"),
        ({"path": "HR", "lr": "LR", "kind": "video"}, "`lr` goes with a folder of pictures"),
        ({"path": "HR", "lr": "nowhere"}, "nowhere does not exist"),
    ],
)
def test_what_cannot_be_two_sides_is_refused(
    place: Path, source: dict[str, str], told: str
) -> None:
    paths = {key: str(place / source[key]) for key in ("path", "lr")}
    with pytest.raises(DataError, match=told):
        fetch([Source.model_validate({"name": "ours", **source, **paths})], place / "raw")


def test_a_dry_run_counts_both_sides(place: Path) -> None:
    source = Source(name="ours", path=str(place / "HR"), lr=str(place / "LR"))
    steps = plan([source], place / "raw", FetchOptions().places(place / "raw")).steps
    sizes = {step.file: step.bytes for step in steps}
    assert sizes == {
        side: sum(file.stat().st_size for file in (place / side).iterdir()) for side in ("HR", "LR")
    }
    fetch([source], place / "raw")
    again = plan([source], place / "raw", FetchOptions().places(place / "raw"))
    assert [step.bytes for step in again.steps] == [0, 0]


def test_two_files_for_one_partner_are_refused(place: Path) -> None:
    shutil.copyfile(place / "LR/1.png", place / "LR/1x2.png")
    with pytest.raises(DataError, match=r"lr/1\.png and lr/1x2\.png would have the same partner"):
        pack(place)


def test_lr_without_path_is_a_mistake(tmp_path: Path) -> None:
    from superres.config import load_params

    (tmp_path / "params.yaml").write_text(
        "experiments: [a]\ndata: {sources: [{name: set5, lr: /tmp}]}\n"
    )
    with pytest.raises(ConfigError, match="other side of `path`"):
        load_params(tmp_path / "params.yaml")
