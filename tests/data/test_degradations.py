"""A chain is checked, describes itself, and gives the same bytes for the same seed."""

import itertools
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from superres import images, metrics, video
from superres.data.degradations import DEFAULT, PRESETS, Degradation, kernels, picture_seed
from superres.data.degrade import degrade
from superres.errors import ConfigError

Pixels = NDArray[np.uint8]
EXAMPLE = [
    {"name": "blur", "sigma": 1.6},
    {"name": "downsample", "kernel": "bicubic"},
    {"name": "noise", "sigma": 2},
    {"name": "jpeg", "quality": 80},
]
RANDOM = [
    "blur sigma=0.5..3; downsample; noise sigma=1..20 grey=0.4; jpeg quality=30..95",
    "sinc; resize factor=0.3..1.5; poisson scale=0.1..3 grey=0.5; downsample kernel=lanczos3",
    "real-world",
]


def scenery(seed: int = 3, height: int = 96, width: int = 128) -> Pixels:
    """A picture with structure of all sizes."""
    random = np.random.default_rng(seed)
    layers = [
        cv2.resize(random.normal(0, 40 / k, (24 // k, 32 // k, 3)), (width, height)) * k
        for k in (1, 2, 4)
    ]
    return np.clip(128 + sum(layers), 0, 255).astype(np.uint8)


def levels(a: Pixels, b: Pixels) -> NDArray[np.int64]:
    return np.abs(a.astype(np.int64) - b)


# --- the chain --------------------------------------------------------------------------------


def test_the_default_is_matlabs_bicubic_to_the_last_bit() -> None:
    hr = scenery(height=97, width=131)
    for scale in (1, 2, 3, 4, 8):
        for chain in (DEFAULT, Degradation.parse([{"name": "downsample"}])):
            np.testing.assert_array_equal(chain.apply(hr, scale, seed=5), degrade(hr, scale))
    reflected = Degradation.parse("downsample kernel=lanczos3 border=reflect")
    expected = degrade(hr, 2, "lanczos3", "reflect")
    np.testing.assert_array_equal(reflected.apply(hr, 2, 0), expected)


@pytest.mark.parametrize("name", ["Set5", "Set14"])
def test_the_default_gives_the_lr_files_made_by_matlab(shared_data: Path, name: str) -> None:
    folder = shared_data / "benchmarks" / name
    for number, file in enumerate(sorted((folder / "HR").iterdir()), start=1):
        hr = images.read(file).pixels
        lr = images.read(folder / f"LR_x4/img_{number:03d}_SRF_4_LR.png").pixels
        np.testing.assert_array_equal(DEFAULT.apply(hr, 4, 0), lr, err_msg=file.name)


@pytest.mark.parametrize("content", [EXAMPLE, *RANDOM, *PRESETS])
def test_what_a_chain_says_of_itself_is_read_back(content: str | list[dict[str, object]]) -> None:
    chain = Degradation.parse(content)
    text = chain.describe()
    assert Degradation.parse(text) == chain
    assert Degradation.parse(text).describe() == text
    assert hash(chain) == hash(Degradation.parse(text))
    assert "\n" not in text


def test_the_description_names_every_option() -> None:
    assert Degradation.parse(EXAMPLE).describe() == (
        "blur sigma=1.6; downsample kernel=bicubic border=replicate; noise sigma=2 grey=0; "
        "jpeg quality=80"
    )
    drawn = Degradation.parse([{"name": "blur", "sigma": [0.2, 3]}, {"name": "subsample"}])
    assert drawn.describe() == "blur sigma=0.2..3; subsample phase=first"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([{"name": "blurr"}], r"step 1: 'blurr' is unknown; accepted: blur, downsample, jpeg"),
        ([{"sigma": 1}], r"step 1: 'no name' is unknown; accepted: blur"),
        ("bicubi", r"'bicubi' is unknown; accepted: blur"),
        ([{"name": "downsample"}, {"name": "blur", "sigm": 1}], r"step 2.*'sigm'.*accepted: name"),
        ([{"name": "blur"}], "key 'sigma' is missing"),
        ([{"name": "blur", "sigma": 0}], r"'sigma': must lie in 0\.1\.\.20.*found 0"),
        ([{"name": "blur", "sigma": [3, 1]}], r"a pair as \[low, high\]"),
        ([{"name": "jpeg", "quality": 101}], r"must lie in 1\.\.100"),
        ([{"name": "video", "crf": 52}], r"must lie in 0\.\.51"),
        ([{"name": "downsample", "kernel": "cubic"}], "'bicubic', 'bilinear'"),
        ([], "exactly one of downsample, subsample, second_order"),
        ("blur sigma=1", "found 0"),
        ("downsample; subsample", "found 2"),
        ("downsample; resize factor=2", "after resize a downsample has to follow"),
        ("resize factor=2; subsample", "after resize a downsample has to follow"),
        ("downsample; resize_frame", "has to be the first"),
    ],
)
def test_what_is_wrong_is_said_with_what_is_accepted(content: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Degradation.parse(content)


@pytest.mark.parametrize("content", [EXAMPLE, *RANDOM, *PRESETS])
@pytest.mark.parametrize("size", [(96, 128), (50, 47), (9, 65)])
def test_lr_is_hr_by_the_scale(content: str, size: tuple[int, int]) -> None:
    chain = Degradation.parse(content)
    hr = chain.hr(scenery(height=size[0], width=size[1]), 4)
    lr = chain.apply(hr, 4, seed=1)
    assert lr.dtype == np.uint8
    assert hr.shape == (lr.shape[0] * 4, lr.shape[1] * 4, 3)
    np.testing.assert_array_equal(chain.hr(hr, 4), hr)


def test_a_picture_below_the_scale_is_refused() -> None:
    with pytest.raises(ConfigError, match="a picture of 128x3 cannot be shrunk by 4"):
        DEFAULT.apply(scenery()[:3], 4, 0)


# --- seeds ------------------------------------------------------------------------------------


@pytest.mark.parametrize("content", RANDOM)
def test_the_same_seed_gives_the_same_bytes_with_any_number_of_workers(content: str) -> None:
    chain = Degradation.parse(content)
    seeds = [picture_seed(1, f"photo {k}") for k in range(8)]

    def work(seed: int) -> bytes:
        return chain.apply(scenery(), 2, seed).tobytes()

    alone = [work(seed) for seed in seeds]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(work, reversed(seeds))) == alone[::-1]
    assert len(set(alone)) == len(alone)


def test_another_process_gives_the_same_bytes(tmp_path: Path) -> None:
    code = (
        "import sys, numpy as np; from superres.data.degradations import Degradation\n"
        "lr = Degradation.parse(sys.argv[2]).apply(np.load(sys.argv[1]), 2, 7)\n"
        "sys.stdout.buffer.write(lr.tobytes())"
    )
    np.save(tmp_path / "hr.npy", scenery())
    command = [sys.executable, "-c", code, str(tmp_path / "hr.npy"), RANDOM[0]]
    done = subprocess.run(command, capture_output=True, check=True)
    assert done.stdout == Degradation.parse(RANDOM[0]).apply(scenery(), 2, 7).tobytes()


def test_which_chains_are_random_and_which_need_a_clip() -> None:
    facts = {text: Degradation.parse(text) for text in [*PRESETS, *RANDOM]}
    assert [name for name, chain in facts.items() if chain.is_random] == ["real-world", *RANDOM[:2]]
    assert Degradation.parse("downsample; video crf=28").needs_clip
    assert not any(chain.needs_clip for chain in facts.values())


def test_a_seed_is_of_the_picture_and_the_run() -> None:
    seeds = {picture_seed(run, name) for run in (1, 2) for name in ("a", "b")}
    assert len(seeds) == 4
    assert picture_seed(1, "a") == picture_seed(1, "a") < 2**56


# --- the steps --------------------------------------------------------------------------------


def test_bd_is_a_gaussian_of_13_taps_and_every_fourth_pixel_from_the_first() -> None:
    hr = scenery()
    steps = np.arange(-6, 7)
    weights = np.exp(-0.5 * (steps / 1.6) ** 2)
    weights /= weights.sum()
    blurred = np.pad(hr.astype(float), ((6, 6), (6, 6), (0, 0)), mode="reflect")
    for axis in (0, 1):
        blurred = np.apply_along_axis(np.convolve, axis, blurred, weights, mode="valid")
    lr = Degradation.parse("bd").apply(hr, 4, 0)
    assert levels(lr, np.floor(blurred[::4, ::4] + 0.5).astype(np.uint8)).max() <= 1
    assert (lr == np.floor(blurred[::4, ::4] + 0.5)).mean() > 0.99
    centre = Degradation.parse("blur sigma=1.6; subsample phase=centre").apply(hr, 4, 0)
    assert (centre == np.floor(blurred[1::4, 1::4] + 0.5)).mean() > 0.99


def test_r1_resizes_the_whole_frame_to_128_and_that_to_64_as_opencv_does() -> None:
    chain = Degradation.parse("r1")
    frame = scenery(height=256, width=448)
    hr = chain.hr(frame, 2)
    np.testing.assert_array_equal(hr, cv2.resize(frame, (128, 128), interpolation=cv2.INTER_CUBIC))
    lr = chain.apply(frame, 2, 0)
    np.testing.assert_array_equal(lr, cv2.resize(hr, (64, 64), interpolation=cv2.INTER_CUBIC))
    np.testing.assert_array_equal(chain.apply(hr, 2, 0), lr)
    with pytest.raises(ConfigError, match="128x128 is no multiple of the scale 3"):
        chain.apply(frame, 3, 0)
    matlab = Degradation.parse("resize_frame kernel=bicubic; downsample")
    assert levels(matlab.hr(frame, 2), hr).max() > 3


def test_noise_has_the_deviation_asked_for() -> None:
    grey = np.full((256, 256, 3), 128, np.uint8)
    noisy = Degradation.parse("downsample; noise sigma=5").apply(grey, 2, 1).astype(float)
    assert noisy.std() == pytest.approx(5, rel=0.03)
    assert noisy.mean() == pytest.approx(128, abs=0.1)
    assert not np.array_equal(noisy[..., 0], noisy[..., 1])
    shot = Degradation.parse("downsample; poisson scale=1").apply(grey, 2, 1).astype(float)
    assert shot.std() == pytest.approx(128**0.5, rel=0.03)
    for text in ("noise sigma=5 grey=1", "poisson grey=1"):
        alike = Degradation.parse(f"downsample; {text}").apply(grey, 2, 1)
        np.testing.assert_array_equal(alike[..., 0], alike[..., 2])


def test_jpeg_is_the_files_loss() -> None:
    lr = degrade(scenery(), 2)
    losses = []
    for quality in (95, 75, 30):
        done = Degradation.parse(f"downsample; jpeg quality={quality}").apply(scenery(), 2, 0)
        options = [cv2.IMWRITE_JPEG_QUALITY, quality]
        content = cv2.imencode(".jpg", lr[..., ::-1], options)[1]
        np.testing.assert_array_equal(done, images.decode(content.tobytes()).pixels)
        losses.append(float(levels(done, lr).mean()))
    assert losses == sorted(losses)


def test_kernels_are_exact_and_sum_to_one() -> None:
    made = [
        kernels.gaussian(0.1),
        kernels.gaussian(1.6),
        kernels.bell(21, (3, 0.5), 0.7, shape="generalized", beta=0.5),
        kernels.bell(7, (0.2, 0.2), 0, shape="plateau", beta=2),
        kernels.sinc(1.2, 21),
    ]
    for weights in made:
        assert weights.sum() == 1
        np.testing.assert_array_equal(np.round(weights / kernels.UNIT) * kernels.UNIT, weights)
    assert len(made[1]) == 13
    assert made[4].min() < 0


def test_sinc_rings_and_keeps_flat_areas() -> None:
    edge = np.zeros((64, 64, 3), np.uint8) + 60
    edge[:, 32:] = 180
    rung = Degradation.parse("sinc cutoff=1.2; downsample").apply(edge, 1, 0).astype(int)
    assert rung[32].min() < 55
    assert rung[32].max() > 185
    flat = np.full((64, 64, 3), 90, np.uint8)
    assert np.all(Degradation.parse("sinc; downsample").apply(flat, 2, 3) == 90)


def test_the_real_world_chain_varies_widely() -> None:
    hr, chain = scenery(), Degradation.parse("real-world")
    scores = [metrics.psnr(chain.apply(hr, 2, k), degrade(hr, 2)) for k in range(12)]
    assert min(scores) < 20
    assert max(scores) - min(scores) > 4
    assert all(score < 40 for score in scores)


# --- clips ------------------------------------------------------------------------------------


def test_a_clip_has_one_blur_and_new_noise_in_every_frame() -> None:
    hrs = [scenery()] * 3
    blurred = list(Degradation.parse("blur sigma=0.5..3; subsample").apply_clip(hrs, 4, 9))
    np.testing.assert_array_equal(blurred[0], blurred[2])
    noisy = list(Degradation.parse("downsample; noise sigma=3").apply_clip(hrs, 4, 9))
    assert not np.array_equal(noisy[0], noisy[1])
    one = Degradation.parse("downsample; noise sigma=3").apply(hrs[0], 4, 9)
    np.testing.assert_array_equal(noisy[0], one)
    assert list(DEFAULT.apply_clip([], 4, 0)) == []


def test_video_compression_sees_the_film(shared_data: Path) -> None:
    frames = video.read(shared_data / "clips/bikes.mp4")
    hrs = [next(frames).pixels for _ in range(12)]
    plain = list(DEFAULT.apply_clip(hrs, 4, 0))

    def compressed(crf: int) -> list[Pixels]:
        chain = Degradation.parse(f"downsample; video crf={crf}")
        return list(chain.apply_clip(iter(hrs), 4, 0))

    good, bad = compressed(18), compressed(40)
    assert [one.shape for one in bad] == [one.shape for one in plain]
    scores = [
        np.mean([metrics.psnr(a, b) for a, b in zip(side, plain, strict=True)])
        for side in (good, bad)
    ]
    assert scores[0] > scores[1] + 5
    # In order: each frame is most like its own original.
    nearest = [int(np.argmin([levels(a, b).sum() for b in plain])) for a in good]
    assert nearest == list(range(12))
    for again, before in zip(compressed(40), bad, strict=True):
        np.testing.assert_array_equal(again, before)
    # What does not move is copied from frame to frame, unlike pictures compressed one by one.
    still = Degradation.parse("downsample; noise sigma=4; video crf=30")
    film = list(still.apply_clip([hrs[0]] * 8, 4, 1))
    alone = [still.apply(hrs[0], 4, seed) for seed in range(8)]

    def flicker(side: list[Pixels]) -> float:
        return float(np.mean([levels(a, b).mean() for a, b in itertools.pairwise(side)]))

    assert flicker(film) < 0.5 * flicker(alone)


def test_odd_sizes_are_compressed_too() -> None:
    chain = Degradation.parse("downsample; video crf=20")
    grey = np.repeat(scenery(height=53 * 2, width=37 * 2)[..., :1], 3, axis=2)
    lr = chain.apply(grey, 2, 0)
    assert lr.shape == (53, 37, 3)
    assert metrics.psnr(lr, DEFAULT.apply(grey, 2, 0)) > 30


def test_frames_are_not_collected_in_memory() -> None:
    taken = 0

    def frames() -> Iterator[Pixels]:
        nonlocal taken
        for _ in range(200):
            taken += 1
            yield scenery(height=32, width=32)

    stream = Degradation.parse("downsample; video crf=30 preset=veryfast").apply_clip(
        frames(), 2, 0
    )
    next(stream)
    assert taken < 80
    assert sum(1 for _ in stream) == 199
