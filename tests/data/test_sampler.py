"""Training crops: aligned, exact, everywhere alike, and the same again after a restart."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from packs import Pixels, pairs, picture, write_pack

from superres.data import gathering
from superres.data.manifest import load_pair, read_manifest
from superres.data.pairs import build_folder
from superres.data.prepare import PairOptions
from superres.data.sampler import Sampler
from superres.errors import DataError
from superres.images import Picture, encode

SCALE = 2


def numbered(height: int, width: int, image: int) -> Pixels:
    """Return an LR picture whose pixels say where they are: (row, column, image)."""
    rows, columns = np.mgrid[0:height, 0:width]
    return np.stack([rows, columns, np.full_like(rows, image)], axis=-1).astype(np.uint8)


def enlarged(lr: Pixels, scale: int = SCALE) -> Pixels:
    return lr.repeat(scale, axis=0).repeat(scale, axis=1)


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three pictures of different sizes; HR is LR with every pixel repeated."""
    lrs = [numbered(9, 14, 0), numbered(17, 8, 1), numbered(8, 8, 2)]
    folder = tmp_path_factory.mktemp("pack")
    return write_pack(folder, SCALE, {"train": [(lr, enlarged(lr)) for lr in lrs]})


def sampler(pack: Path, seed: int = 1, hr_patch: int = 12) -> Sampler:
    return Sampler(pack, "train", hr_patch=hr_patch, seed=seed)


def levels(images: torch.Tensor) -> Pixels:
    """(N, 3, H, W) in [0, 1] -> uint8 (N, H, W, 3), which must be exact."""
    scaled = images.permute(0, 2, 3, 1).double() * 255
    assert (scaled - scaled.round()).abs().max() < 1e-4
    return scaled.round().to(torch.uint8).numpy()


def turns(crop: Pixels) -> list[Pixels]:
    """Return the eight ways to flip and turn a square."""
    return [
        np.rot90(flipped, count) for flipped in (crop, np.fliplr(crop)) for count in (0, 1, 2, 3)
    ]


def test_a_batch_is_float_rgb_in_the_unit_range(pack: Path) -> None:
    batch = sampler(pack).batch(5)
    assert batch.hr.shape == (5, 3, 12, 12)
    assert batch.lr.shape == (5, 3, 6, 6)
    assert batch.hr.dtype == batch.lr.dtype == torch.float32
    assert batch.images.shape == (5,)


def test_values_are_exactly_those_of_the_pictures(tmp_path: Path) -> None:
    lr = np.arange(256, dtype=np.uint8).repeat(3).reshape(16, 16, 3)
    folder = write_pack(tmp_path, SCALE, {"train": [(lr, enlarged(lr))]})
    batch = Sampler(folder, "train", hr_patch=32, seed=1).batch(1)
    assert set(batch.lr.unique().tolist()) == set((torch.arange(256).float() / 255).tolist())


def test_lr_and_hr_crops_show_the_same_place_in_the_same_turn(pack: Path) -> None:
    batch = sampler(pack).batch(200)
    np.testing.assert_array_equal(
        levels(batch.hr), enlarged(levels(batch.lr).transpose(1, 2, 0, 3)).transpose(2, 0, 1, 3)
    )


@pytest.mark.parametrize("scale", [3, 4])
def test_crops_are_aligned_at_other_scales(tmp_path: Path, scale: int) -> None:
    lr = numbered(11, 7, 5)
    folder = write_pack(tmp_path, scale, {"train": [(lr, enlarged(lr, scale))]})
    batch = Sampler(folder, "train", hr_patch=4 * scale, seed=1).batch(50)
    for lr_crop, hr_crop in zip(levels(batch.lr), levels(batch.hr), strict=True):
        np.testing.assert_array_equal(hr_crop, enlarged(lr_crop, scale))


def test_a_crop_is_a_square_of_its_picture_in_one_of_eight_turns(pack: Path) -> None:
    batch = sampler(pack).batch(300)
    seen: Counter[int] = Counter()
    for crop, image in zip(levels(batch.lr), batch.images.tolist(), strict=True):
        top, left = crop[..., 0].min(), crop[..., 1].min()
        expected = numbered(17, 17, image)[top : top + 6, left : left + 6]
        found = [index for index, turned in enumerate(turns(expected)) if (turned == crop).all()]
        assert len(found) == 1
        seen[found[0]] += 1
    assert sorted(seen) == list(range(8))
    assert min(seen.values()) > 300 / 8 / 2


def test_every_position_of_every_picture_is_equally_likely(pack: Path) -> None:
    # LR positions of a 6x6 crop: 4 * 9 + 12 * 3 + 3 * 3 = 81
    batch = sampler(pack).batch(81 * 60)
    crops = levels(batch.lr)
    places = Counter(
        (image, int(crop[..., 0].min()), int(crop[..., 1].min()))
        for image, crop in zip(batch.images.tolist(), crops, strict=True)
    )
    assert len(places) == 81
    chi_square = sum((count - 60) ** 2 / 60 for count in places.values())
    assert chi_square < 133  # 99.98 % of fair draws, 80 degrees of freedom


def test_a_picture_of_exactly_the_patch_is_used_whole(tmp_path: Path) -> None:
    lr = numbered(6, 6, 7)
    folder = write_pack(tmp_path, SCALE, {"train": [(lr, enlarged(lr))]})
    crop = levels(sampler(folder).batch(1).lr)[0]
    assert any((turned == crop).all() for turned in turns(lr))


def test_pictures_below_the_patch_are_left_out(pack: Path) -> None:
    larger = sampler(pack, hr_patch=18)
    assert larger.images == 1
    crops = levels(larger.batch(40).lr)
    assert set(crops[..., 2].ravel()) == {0}  # the only one with both sides at least 18


def test_no_picture_large_enough_is_an_error_with_a_cure(pack: Path) -> None:
    with pytest.raises(DataError, match=r"'train' has no image large enough for hr_patch 64.*3 im"):
        sampler(pack, hr_patch=64)
    with pytest.raises(DataError, match=r"'val' has no image.*found: none.*lower hr_patch"):
        Sampler(pack, "val", hr_patch=12, seed=1)


def test_the_seed_decides_what_is_drawn(pack: Path) -> None:
    one, same, other = sampler(pack, 1), sampler(pack, 1), sampler(pack, 2)
    drawn = one.batch(20)
    assert torch.equal(drawn.hr, same.batch(20).hr)
    assert not torch.equal(drawn.hr, other.batch(20).hr)
    assert not torch.equal(drawn.hr, one.batch(20).hr)


def test_a_restored_sampler_draws_what_would_have_come(pack: Path) -> None:
    one, later = sampler(pack, 1), sampler(pack, 99)
    one.batch(7)
    state = one.state()
    expected = [one.batch(5) for _ in range(3)]
    later.restore(state)
    for batch in expected:
        found = later.batch(5)
        assert torch.equal(found.lr, batch.lr)
        assert torch.equal(found.hr, batch.hr)
        assert torch.equal(found.images, batch.images)


def test_nothing_else_that_is_random_moves_the_draws(pack: Path) -> None:
    torch.manual_seed(1)
    drawn = sampler(pack, 1).batch(5).hr
    torch.manual_seed(2)
    assert torch.equal(drawn, sampler(pack, 1).batch(5).hr)


def test_pairs_as_the_pipeline_makes_them(tmp_path: Path) -> None:
    folder = write_pack(tmp_path, SCALE, {"train": pairs(SCALE, picture(40, 36))})
    batch = sampler(folder).batch(30)
    means = torch.nn.functional.avg_pool2d(batch.hr, 2)
    aligned = (batch.lr - means).abs().mean()
    shifted = (batch.lr - means.roll(1, dims=2)).abs().mean()
    assert aligned < shifted / 2


def test_a_missing_or_short_pack_is_an_error_with_a_cure(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"pack.json: no such file. Run `superres pairs`"):
        Sampler(tmp_path, "train", hr_patch=12, seed=1)
    folder = write_pack(tmp_path, SCALE, {"train": pairs(SCALE, picture(40, 36))})
    pixels = (folder / "train-00000.hr.u8").read_bytes()
    (folder / "train-00000.hr.u8").write_bytes(pixels[:-1])
    with pytest.raises(
        DataError, match=r"train-00000.hr.u8: 4319 bytes, the manifest says 4320. Run"
    ):
        sampler(folder)
    (folder / "train-00000.hr.u8").unlink()
    with pytest.raises(DataError, match=r"train-00000.hr.u8: the pack cannot be read"):
        sampler(folder)


@pytest.fixture(scope="module")
def sharded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Seven pictures in three shards."""
    album = tmp_path_factory.mktemp("album")
    for seed in range(7):
        pixels = picture(40 + 2 * seed, 36, seed)
        (album / f"{seed}.png").write_bytes(encode(Picture(pixels)))
    target = tmp_path_factory.mktemp("made") / "pairs"
    bound = 3 * 3 * 36 * 56
    build_folder(album, target, PairOptions(scale=SCALE, min_side=12, shard_bytes=bound))
    assert len(list(target.glob("train-*.hr.u8"))) > 1
    return target


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_mapped_and_resident_pixels_give_the_same_batches(sharded: Path, device: str) -> None:
    if device == "cuda" and not torch.cuda.is_available():
        pytest.skip("no GPU")
    mapped, resident = (
        Sampler(sharded, "train", hr_patch=12, seed=3, device=device, resident=kept)
        for kept in (False, True)
    )
    for _ in range(20):
        one, other = mapped.batch(16), resident.batch(16)
        assert torch.equal(one.lr, other.lr)
        assert torch.equal(one.hr, other.hr)
        assert torch.equal(one.images, other.images)
        assert one.hr.stride() == other.hr.stride()


def test_crops_come_from_every_shard_and_show_its_pictures(sharded: Path) -> None:
    rows = [row for row in read_manifest(sharded) if row.split == "train"]
    batch = Sampler(sharded, "train", hr_patch=12, seed=3).batch(120)
    seen = set()
    for crop, image in zip(levels(batch.hr), batch.images.tolist(), strict=True):
        hr = np.asarray(load_pair(sharded, rows[image])[1])
        windows = np.lib.stride_tricks.sliding_window_view(hr, (12, 12, 3))[:, :, 0]
        assert any((windows == turned).all(axis=(2, 3, 4)).any() for turned in turns(crop))
        seen.add(rows[image].shard)
    assert seen == {row.shard for row in rows}


@pytest.mark.parametrize("turn", range(8))
def test_crops_are_turned_alike_with_and_without_opencv(turn: int) -> None:
    crop = np.random.default_rng(turn).integers(0, 256, (9, 9, 3), dtype=np.uint8)
    fast, plain = np.empty_like(crop), np.empty_like(crop)
    gathering._fastest_put()(crop, turn, fast)
    gathering.put_with_numpy(crop, turn, plain)
    np.testing.assert_array_equal(fast, plain)
