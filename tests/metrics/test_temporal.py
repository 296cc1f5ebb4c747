"""What moves in SR as it moves in HR costs nothing; what flickers is seen."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from superres import images
from superres.data.degrade import degrade, imresize
from superres.errors import InputError
from superres.metrics.flow import Frame, optical_flow, visible, warp
from superres.metrics.temporal import curves, flicker

SIDE = 160


@pytest.fixture(scope="module")
def texture() -> NDArray[np.uint8]:
    """A wide picture with detail of several sizes; a window that slides over it is a motion."""
    random = np.random.default_rng(5)
    layers = [
        imresize(random.uniform(0, 255, (SIDE // size, 3 * SIDE // size, 3)), size=(SIDE, 3 * SIDE))
        for size in (4, 8, 20)
    ]
    return np.clip(sum(layers) / 3, 0, 255).astype(np.uint8)


def sliding(texture: NDArray[np.uint8], step: int, count: int = 4) -> list[Frame]:
    return [texture[:, step * t : step * t + SIDE].copy() for t in range(count)]


def test_flow_finds_a_shift(texture: NDArray[np.uint8]) -> None:
    before, after = sliding(texture, 3, 2)
    inner = optical_flow(before, after)[20:-20, 20:-20]
    assert np.median(inner[..., 0]) == pytest.approx(-3, abs=0.2)
    assert np.median(inner[..., 1]) == pytest.approx(0, abs=0.2)


def test_warping_fetches_along_the_flow(texture: NDArray[np.uint8]) -> None:
    before, after = sliding(texture, 3, 2)
    flow = np.zeros((SIDE, SIDE, 2), np.float32)
    flow[..., 0] = 3
    np.testing.assert_allclose(warp(before, flow)[:, :-3], after[:, :-3])


def test_what_leaves_the_picture_or_is_hidden_is_left_out() -> None:
    flow = np.zeros((40, 40, 2), np.float32)
    flow[..., 0] = 5
    assert visible(flow, -flow)[:, :35].all()
    assert not visible(flow, -flow)[:, 35:].any()
    assert not visible(flow, flow)[:, :35].any()  # does not come back


def test_a_perfect_result_costs_nothing(texture: NDArray[np.uint8]) -> None:
    frames = sliding(texture, 2)
    found = curves(zip(frames, frames, strict=True), lambda a, b: float(np.abs(a - b).mean()))
    assert found.flicker.shape == found.tof.shape == (3,)
    assert not found.flicker.any()
    assert not found.tof.any()
    assert found.tlp is not None
    assert not found.tlp.any()
    np.testing.assert_array_equal(found.warping_error, found.warping_error_hr)
    assert found.warping_error.max() < 1e-3


def test_flicker_is_the_difference_of_differences() -> None:
    """R5's temporal loss by hand: SR brightens by 51 levels where HR does by 0."""
    hr = np.full((20, 20, 3), 100, np.uint8)
    assert flicker((hr, hr + 51), (hr, hr)) == pytest.approx(0.2**2)
    assert flicker((hr, hr + 51), (hr + 9, hr + 60)) == pytest.approx(0)


def test_a_constant_fault_is_steady_and_a_changing_one_is_not(texture: NDArray[np.uint8]) -> None:
    hr = sliding(texture // 2, 2)
    random = np.random.default_rng(3)
    tinted = [frame + np.uint8(20) for frame in hr]
    flickering = [frame + np.uint8(random.integers(0, 60)) for frame in hr]
    noisy = [frame + random.integers(0, 60, frame.shape, dtype=np.uint8) for frame in hr]
    steady, light, noise = (
        curves(zip(sr, hr, strict=True)).means() for sr in (tinted, flickering, noisy)
    )
    assert steady["flicker"] == 0
    assert steady["tof"] < 0.05
    assert light["flicker"] > 1e-3
    assert noise["flicker"] > 1e-3
    assert light["warping_error"] > 10 * steady["warping_error"]
    assert noise["tof"] > 5 * steady["tof"]


def test_tlp_is_the_difference_of_perceived_changes_times_100() -> None:
    still = np.full((40, 40, 3), 100, np.uint8)

    def distance(a: Frame, b: Frame) -> float:
        return float(np.abs(a.astype(float) - b.astype(float)).mean() / 255)

    found = curves([(still, still), (still + 51, still)], distance)
    assert found.tlp == pytest.approx([20])
    assert curves([(still, still), (still, still)]).tlp is None


def test_real_frames_bicubic_is_blind_to_detail_but_flickers(shared_data: Path) -> None:
    """Vid4 calendar x4: SR's own steps fit better than HR's (nothing sharp to misplace), while
    the difference of differences and the flow are far from 0.
    """
    files = sorted((shared_data / "benchmarks" / "Vid4" / "calendar").iterdir())[:2]

    def pairs() -> Iterator[tuple[Frame, Frame]]:
        for file in files:
            hr = images.read(file).pixels[:288, :360].astype(np.uint8)
            yield imresize(degrade(hr, 4), 4), hr

    found = curves(pairs()).means()
    assert found["flicker"] > 0.003
    assert 0.1 < found["tof"] < 2
    assert found["warping_error"] < found["warping_error_hr"]


def test_one_frame_or_two_shapes_are_refused(texture: NDArray[np.uint8]) -> None:
    frames = sliding(texture, 2)
    with pytest.raises(InputError, match="at least two frames"):
        curves([(frames[0], frames[0])])
    with pytest.raises(InputError, match="frames of one shape"):
        curves([(frames[0], frames[0]), (frames[1][1:], frames[1][1:])])
