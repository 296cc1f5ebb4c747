"""On the fly: training degrades its own crops, as exactly repeatable as what is stored."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from packs import picture
from trainings import parameters, supervised

from superres.config import load_params
from superres.data.fresh_lr import MARGIN
from superres.data.manifest import data_hash, read_manifest, read_pack
from superres.data.pairs import build, build_folder
from superres.data.prepare import PairOptions
from superres.data.sampler import Sampler
from superres.data.validate import validate
from superres.errors import ConfigError, DataError
from superres.images import Picture, write
from superres.training.journal import JsonlTracker
from superres.training.run import Place, train

SCALE = 2
OPTIONS = PairOptions(scale=SCALE, min_side=16, workers=1, shard_bytes=100_000, on_the_fly=True)


@pytest.fixture(scope="module")
def album(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Most pictures have room for a crop and its margin, some have not."""
    folder = tmp_path_factory.mktemp("album")
    for seed in range(12):
        side = 2 * MARGIN + 24 + 4 * seed if seed % 3 else 30 + seed
        write(folder / f"{seed}.png", Picture(picture(side, side + 9, seed)))
    return folder


def packed(album: Path, folder: Path, degradation: str, **options: bool) -> Path:
    build_folder(album, folder, replace(OPTIONS, degradation=degradation, **options))
    return folder


@pytest.fixture(scope="module")
def real_world(album: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return packed(album, tmp_path_factory.mktemp("real") / "pairs", "real-world")


def sampler(pack: Path, seed: int = 3, *, resident: bool = False) -> Sampler:
    return Sampler(pack, "train", hr_patch=16, seed=seed, resident=resident)


@pytest.mark.parametrize(
    "chain",
    ["bicubic", "bd", "downsample kernel=lanczos3 border=reflect", "sinc cutoff=2; downsample"],
)
def test_a_chain_that_is_not_random_gives_the_stored_pixels(
    album: Path, tmp_path: Path, chain: str
) -> None:
    """So the margin is wide enough, and crops are cut and turned in the right place."""
    large = tmp_path / "large"
    large.mkdir()
    for file in album.iterdir():
        if int(file.stem) % 3:
            (large / file.name).write_bytes(file.read_bytes())
    stored = packed(large, tmp_path / "stored", chain, on_the_fly=False)
    fresh = packed(large, tmp_path / "fresh", chain)
    one, other = sampler(stored).batch(60), sampler(fresh).batch(60)
    assert torch.equal(one.hr, other.hr)
    off = (one.lr - other.lr).abs() * 255
    assert off.max() < (0.01 if chain in ("bicubic", "bd") else 1.01), "lanczos, sinc: a level"
    assert (off > 0.5).float().mean() < 0.01
    assert one.lr.stride() == other.lr.stride()


def test_pictures_without_room_are_degraded_to_the_crops_border(tmp_path: Path) -> None:
    album = tmp_path / "album"
    album.mkdir()
    for seed in range(4):
        write(album / f"{seed}.png", Picture(picture(16, 16, seed)))
    stored = packed(album, tmp_path / "stored", "bicubic", on_the_fly=False)
    fresh = packed(album, tmp_path / "fresh", "bicubic")
    assert torch.equal(sampler(stored).batch(16).lr, sampler(fresh).batch(16).lr)


def test_the_same_seed_gives_the_same_pixels_whatever_the_store(real_world: Path) -> None:
    mapped, resident = sampler(real_world), sampler(real_world, resident=True)
    other = sampler(real_world, seed=4)
    for _ in range(3):
        one, two = mapped.batch(6), resident.batch(6)
        assert torch.equal(one.lr, two.lr)
        assert torch.equal(one.hr, two.hr)
        assert not torch.equal(one.lr, other.batch(6).lr)
    assert one.lr.shape == (6, 3, 8, 8)
    assert torch.equal(one.lr, torch.round(one.lr * 255) / 255)


def test_a_restored_sampler_draws_the_same_degradations(real_world: Path) -> None:
    first = sampler(real_world)
    first.batch(5)
    state = first.state()
    expected = [first.batch(5) for _ in range(2)]
    second = sampler(real_world, seed=99)
    second.restore(state)
    for batch in expected:
        again = second.batch(5)
        assert torch.equal(again.lr, batch.lr)
        assert torch.equal(again.hr, batch.hr)


def test_every_crop_is_degraded_anew(tmp_path: Path) -> None:
    """A split of one picture of exactly the crop's size: only turns and degradation differ."""
    album = tmp_path / "album"
    album.mkdir()
    write(album / "a.png", Picture(picture(16, 16)))
    pack = packed(album, tmp_path / "pairs", "real-world")
    means = sampler(pack).batch(8).lr.std(dim=(1, 2, 3))
    assert len(means.unique()) == 8


def test_the_pack_says_which_chain_training_applies(album: Path, tmp_path: Path) -> None:
    fresh = packed(album, tmp_path / "fresh", "real-world")
    stored = packed(album, tmp_path / "stored", "real-world", on_the_fly=False)
    ways = {row.split: row.degradation for row in read_manifest(fresh)}
    assert ways == {
        "train": "on the fly: second_order",
        "val": "second_order",
        "test": "second_order",
    }
    facts = read_pack(fresh)
    assert facts["degradation"] == "second_order"
    assert facts["other_degradations"] == ["on the fly: second_order"]
    assert data_hash(fresh) != data_hash(stored), "a state of the one is not continued on the other"
    for side in ("hr", "lr"):
        name = f"train-00000.{side}.u8"
        assert (fresh / name).read_bytes() == (stored / name).read_bytes()


def test_such_a_pack_is_valid(real_world: Path, tmp_path: Path) -> None:
    result = validate(real_world, tmp_path / "validation.html")
    named = {check.sentence for check in result.failed if check.severity == "critical"}
    assert named == set(), [check.describe() for check in result.failed]
    assert "on the fly: second_order" in (tmp_path / "validation.html").read_text()


def test_given_lr_is_left_alone(tmp_path: Path) -> None:
    from superres.config import Source
    from superres.data.fetch import fetch

    for seed in range(3):
        hr = picture(32, 32, seed)
        for side, pixels in (("HR", hr), ("LR", hr[::2, ::2]), ("more", picture(32, 32, seed + 9))):
            (tmp_path / side).mkdir(exist_ok=True)
            write(tmp_path / side / f"{seed}.png", Picture(pixels))
    sides = {"path": str(tmp_path / "HR"), "lr": str(tmp_path / "LR")}
    sources = [
        Source(name="ours", split="train", **sides),
        Source(name="more", path=str(tmp_path / "more"), split="train"),
    ]
    fetch(sources, tmp_path / "raw")
    options = replace(OPTIONS, degradation="real-world", max_shift=4.0)
    build(tmp_path / "raw", tmp_path / "frames", tmp_path / "pairs", options)
    names = [row.source for row in read_manifest(tmp_path / "pairs")]
    drawn = Sampler(tmp_path / "pairs", "train", hr_patch=32, seed=1).batch(24)
    seen = set()
    for lr, hr, image in zip(drawn.lr, drawn.hr, drawn.images.tolist(), strict=True):
        kept = any(torch.equal(lr, hr[:, i::2, j::2]) for i in (0, 1) for j in (0, 1))
        assert kept == (names[image] == "ours")
        seen.add(names[image])
    assert seen == {"ours", "more"}


@pytest.mark.parametrize("chain", ["r1", "downsample; video crf=30"])
def test_steps_that_need_whole_frames_are_refused_before_anything_is_made(
    album: Path, tmp_path: Path, chain: str
) -> None:
    with pytest.raises(ConfigError, match="needs whole frames"):
        packed(album, tmp_path / "pairs", chain)
    assert not (tmp_path / "pairs").exists()


def test_a_chain_is_needed(album: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"data\.on_the_fly needs data\.degradation"):
        build_folder(album, tmp_path / "pairs", OPTIONS)
    (tmp_path / "params.yaml").write_text(
        "experiments: [a]\ndata: {sources: [{name: photographs}], on_the_fly: true}\n"
    )
    with pytest.raises(ConfigError, match="on_the_fly needs a `degradation`"):
        load_params(tmp_path / "params.yaml")


def test_a_manifest_of_two_chains_is_refused(real_world: Path) -> None:
    from superres.data.fresh_lr import FreshLr

    rows = [row for row in read_manifest(real_world) if row.split == "train"]
    rows[0] = replace(rows[0], degradation="on the fly: downsample")
    with pytest.raises(DataError, match="several degradations on the fly"):
        FreshLr(rows, SCALE, 16)


def test_training_cut_off_and_continued_ends_with_the_same_weights(
    real_world: Path, tmp_path: Path
) -> None:
    experiment = supervised(8)
    params = parameters(validate_every=4, state_every=2, validation_images=1)

    def run(name: str, stop_at: int = 0) -> str:
        place = Place(real_world, tmp_path / name / "runs", tmp_path / name / "models")

        def stop(step: int, steps: int, latest: dict[str, float]) -> None:
            if step == stop_at:
                raise KeyboardInterrupt

        return train("small", experiment, params, JsonlTracker(), place, stop).weights

    whole = run("whole")
    with pytest.raises(KeyboardInterrupt):
        run("halves", stop_at=5)
    assert run("halves") == whole
    card = (tmp_path / "whole/models/small/README.md").read_text()
    assert "on the fly: second_order" in card
