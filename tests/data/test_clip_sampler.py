"""Training clips: in order, inside one scene, one crop through time, and camera paths of stills."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from packs import picture, write_pack
from scenery import scenery

from superres.data.camera import DRAWS, SPEED, Camera
from superres.data.clip_sampler import ClipSampler
from superres.data.degradations import Degradation
from superres.data.degrade import degrade
from superres.data.manifest import read_manifest, write_manifest
from superres.data.sampler import Sampler
from superres.errors import DataError

SCALE, FRAMES = 2, 3
NOISY = [{"name": "downsample"}, {"name": "noise", "sigma": 8}]
Pixels = NDArray[np.uint8]


def film(count: int, side: int = 48, first: int = 0) -> list[Pixels]:
    """Frames whose brightness says which they are, over a pattern."""
    pattern = picture(side, side, 1) // 8
    return [(pattern + 10 * (first + index)).astype(np.uint8) for index in range(count)]


def pack(folder: Path, frames: list[Pixels], scenes: list[int], indices: list[int]) -> Path:
    """Write a clip with the scenes and frame numbers given."""
    pairs = [(degrade(hr, SCALE), hr) for hr in frames]
    write_pack(folder, SCALE, {"train": pairs})
    rows = [
        replace(row, kind="frame", clip="film", scene=scene, index=index)
        for row, scene, index in zip(read_manifest(folder), scenes, indices, strict=True)
    ]
    write_manifest(folder, rows)
    return folder


def stills(folder: Path, *pictures: Pixels) -> Path:
    return write_pack(folder, SCALE, {"train": [(degrade(hr, SCALE), hr) for hr in pictures]})


def numbers(clip: torch.Tensor) -> list[int]:
    """Read from the brightness which frames a clip (T, 3, p, p) is made of."""
    base = (picture(48, 48, 1) // 8).mean()
    return [round((float(frame.mean()) * 255 - base) / 10) for frame in clip]


def test_clips_are_neighbouring_frames_of_one_scene_forwards_or_backwards(tmp_path: Path) -> None:
    scenes = [0, 0, 0, 0, 1, 1, 1, 1, 1, 2]
    indices = [0, 1, 2, 3, 4, 5, 6, 8, 9, 10]  # a frame is missing after the sixth
    folder = pack(tmp_path / "pack", film(10), scenes, indices)
    sampler = ClipSampler(folder, "train", frames=FRAMES, hr_patch=32, seed=1)
    batch = sampler.batch(64)
    assert batch.lr.shape == (64, FRAMES, 3, 16, 16)
    assert batch.hr.shape == (64, FRAMES, 3, 32, 32)
    seen = {tuple(numbers(clip)) for clip in batch.hr}
    forwards = {(0, 1, 2), (1, 2, 3), (4, 5, 6)}
    assert seen == forwards | {one[::-1] for one in forwards}


def test_every_frame_of_a_clip_has_the_same_crop_and_turn(tmp_path: Path) -> None:
    frames = [scenery(3, 48, 48)] * 4
    folder = pack(tmp_path / "pack", frames, [0] * 4, list(range(4)))
    batch = ClipSampler(folder, "train", frames=4, hr_patch=24, seed=2).batch(16)
    assert torch.equal(batch.hr, batch.hr[:, :1].expand_as(batch.hr))
    assert torch.equal(batch.lr, batch.lr[:, :1].expand_as(batch.lr))
    assert len({clip.numpy().tobytes() for clip in batch.hr[:, 0]}) > 12


def test_lr_and_hr_show_the_same_place(tmp_path: Path) -> None:
    moving = [np.roll(scenery(4, 64, 64), 2 * k, axis=1) for k in range(5)]
    folder = pack(tmp_path / "film", moving, [0] * 5, list(range(5)))
    for where in (folder, stills(tmp_path / "stills", scenery(5, 96, 128))):
        batch = ClipSampler(where, "train", frames=4, hr_patch=32, seed=3).batch(8)
        small = torch.nn.functional.avg_pool2d(batch.hr.flatten(0, 1), SCALE)
        lr = batch.lr.flatten(0, 1)
        assert (small - lr).abs().mean() < 0.03
        for axis in (2, 3):
            assert (small - lr.roll(1, axis)).abs().mean() > 0.06


def test_the_camera_moves_smoothly_and_lr_is_that_of_the_moved_picture(tmp_path: Path) -> None:
    whole = scenery(6, 192, 256)
    folder = stills(tmp_path / "pack", whole)
    rows = read_manifest(folder)
    camera = Camera(rows, SCALE, 32, 7)
    drawn = torch.rand(20, DRAWS, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    paths = camera.paths(torch.zeros(20, dtype=torch.int64), drawn)
    assert paths.min() >= 0
    assert (paths[..., 0] <= 192 - 32).all()
    assert (paths[..., 1] <= 256 - 32).all()
    steps = paths.diff(dim=1)
    assert steps.abs().max() <= (SPEED + 7 * 0.2) * SCALE + 1
    assert steps.diff(dim=1).abs().max() <= 2, "no jumps"
    assert steps.abs().sum() > 0
    sampler = Sampler(folder, "train", hr_patch=32, seed=1)
    even = paths[:1] // 2 * 2
    store = (sampler._hr, sampler.table)
    lr, hr = camera.film(torch.zeros(1, dtype=torch.int64), even, store, torch.Generator())
    small = torch.from_numpy(degrade(whole, SCALE)).permute(2, 0, 1).float() / 255
    for k, (top, left) in enumerate(even[0].tolist()):
        seen = torch.from_numpy(whole[top : top + 32, left : left + 32].copy())
        assert torch.equal(hr[0, k], seen.permute(2, 0, 1).float() / 255)
        wanted = small[:, top // 2 : top // 2 + 16, left // 2 : left // 2 + 16]
        torch.testing.assert_close(lr[0, k], wanted, rtol=0, atol=1e-6)


def test_a_picture_no_larger_than_the_crop_makes_a_still_clip(tmp_path: Path) -> None:
    folder = stills(tmp_path / "pack", scenery(7, 32, 32))
    batch = ClipSampler(folder, "train", frames=3, hr_patch=32, seed=1).batch(2)
    assert torch.equal(batch.hr, batch.hr[:, :1].expand_as(batch.hr))
    lr = torch.from_numpy(degrade(scenery(7, 32, 32), SCALE)).permute(2, 0, 1).float() / 255
    assert batch.lr[0, 0].sum() == pytest.approx(float(lr.sum()), rel=1e-6)


def test_a_restored_sampler_draws_the_same_clips(tmp_path: Path) -> None:
    folder = stills(tmp_path / "pack", scenery(8, 96, 96), scenery(9, 80, 120))
    first = ClipSampler(folder, "train", frames=3, hr_patch=32, seed=4)
    first.batch(3)
    state = first.state()
    wanted = first.batch(5)
    other = ClipSampler(folder, "train", frames=3, hr_patch=32, seed=99)
    other.restore(state)
    found = other.batch(5)
    assert torch.equal(found.lr, wanted.lr)
    assert torch.equal(found.hr, wanted.hr)
    other.restore(state)
    assert torch.equal(other.batch(5, slice(2, 4)).lr, wanted.lr[2:4])


@pytest.mark.parametrize("way", ["noise", "real-world"])
def test_a_degradation_on_the_fly_is_one_for_the_clip_with_noise_for_each_frame(
    tmp_path: Path, way: str
) -> None:
    chain = Degradation.parse(NOISY if way == "noise" else way).describe()
    frames = [scenery(3, 128, 128)] * 3
    folder = pack(tmp_path / "film", frames, [0] * 3, [0, 1, 2])
    still = stills(tmp_path / "still", scenery(3, 128, 128))
    for one in (folder, still):
        rows = [replace(row, degradation=f"on the fly: {chain}") for row in read_manifest(one)]
        write_manifest(one, rows)
        batch = ClipSampler(one, "train", frames=3, hr_patch=32, seed=5).batch(4)
        assert torch.isfinite(batch.lr).all()
        if one == folder:
            changes = batch.lr.diff(dim=1).flatten(1).std(dim=1)
            between = batch.lr[:, 0].flatten(1).std(dim=0).mean()
            assert (changes < 2 * between).all()
            if way == "noise":
                assert (changes > 0).all(), "the noise of a film is not frozen"


def test_a_split_without_clips_says_what_to_do(tmp_path: Path) -> None:
    folder = pack(tmp_path / "pack", film(4), [0, 0, 1, 1], [0, 1, 2, 3])
    with pytest.raises(DataError, match="no 3 neighbouring frames of one scene"):
        ClipSampler(folder, "train", frames=3, hr_patch=32, seed=1)


def test_clips_of_stills_are_compressed_as_films_where_the_pack_was(tmp_path: Path) -> None:
    chain = Degradation.parse([{"name": "downsample"}, {"name": "video", "crf": 40}]).describe()
    folder = stills(tmp_path / "pack", scenery(3, 128, 128))
    rows = [replace(row, degradation=chain) for row in read_manifest(folder)]
    clean = ClipSampler(folder, "train", frames=5, hr_patch=64, seed=3).batch(2)
    write_manifest(folder, rows)
    first, again = (
        ClipSampler(folder, "train", frames=5, hr_patch=64, seed=3).batch(2) for _ in range(2)
    )
    assert torch.equal(first.hr, clean.hr)
    assert torch.equal(first.lr, again.lr)
    off = 255 * (first.lr - clean.lr).abs().mean(dim=(0, 2, 3, 4))
    assert first.lr.shape == (2, 5, 3, 32, 32)
    assert ((off > 0.5) & (off < 30)).all(), "compressed, and still the same film"


def test_stills_with_a_stored_degradation_are_refused(tmp_path: Path) -> None:
    folder = stills(tmp_path / "pack", scenery(1, 96, 96))
    rows = [replace(row, degradation="blur sigma=1.6; subsample") for row in read_manifest(folder)]
    write_manifest(folder, rows)
    with pytest.raises(DataError, match="on_the_fly: true"):
        ClipSampler(folder, "train", frames=3, hr_patch=32, seed=1)
