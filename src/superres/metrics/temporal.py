"""How steady a sequence of SR frames is beside HR: one value per pair of consecutive frames.

Everything takes uint8 RGB frames (H, W, 3) in order, one at a time, and keeps two of them.
"""

from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from superres.errors import InputError
from superres.metrics.flow import Flow, Frame, optical_flow, visible, warp

Distance = Callable[[Frame, Frame], float]  # of two pictures, as LPIPS

BORDER = 8  # pixels that TecoGAN's tOF leaves out at every edge


class Curves(NamedTuple):
    """Figures of the step from each frame to the next, each of length T - 1; lower is steadier.

    `flicker`: R5's difference of differences, the mean of ((SR_t - SR_t-1) - (HR_t - HR_t-1))^2 on
    [0, 1]. `tof`: mean length in pixels of the difference of SR's and HR's optical flow (TecoGAN,
    Chu et al. 2020). `tlp`: |distance(SR_t-1, SR_t) - distance(HR_t-1, HR_t)| x 100 (the same),
    None without a distance. `warping_error`: mean squared difference on [0, 1] of a frame and the
    one before, warped along HR's flow, where nothing is hidden (Lai et al. 2018);
    `warping_error_hr` is HR's own, the value that a perfect result has.
    """

    flicker: NDArray[np.float64]
    tof: NDArray[np.float64]
    warping_error: NDArray[np.float64]
    warping_error_hr: NDArray[np.float64]
    tlp: NDArray[np.float64] | None

    def means(self) -> dict[str, float]:
        """Return the mean of each curve; `tlp` only where it was measured."""
        return {
            key: float(np.mean(values))
            for key, values in self._asdict().items()
            if values is not None
        }


def curves(pairs: Iterable[tuple[Frame, Frame]], distance: Distance | None = None) -> Curves:
    """Measure a sequence of (SR, HR) frames; `distance` is LPIPS, or None to leave `tlp` out.

    Raises InputError for fewer than two frames, or frames of different shapes.
    """
    steps: list[tuple[float, float, float, float]] = []
    perceived: list[float] = []
    before: tuple[Frame, Frame] | None = None
    for sr, hr in pairs:
        _require_one_shape(sr, hr, before)
        if before is not None:
            steps.append(_step(before, (sr, hr)))
            if distance is not None:
                perceived.append(100 * abs(distance(before[0], sr) - distance(before[1], hr)))
        before = sr, hr
    if not steps:
        raise InputError("figures of motion need at least two frames", code="too_few_frames")
    moved, flowed, warped, own = np.array(steps, dtype=np.float64).T
    return Curves(moved, flowed, warped, own, np.array(perceived) if distance else None)


def flicker(sr: tuple[Frame, Frame], hr: tuple[Frame, Frame]) -> float:
    """Return R5's difference of differences of one step (frame before, frame), on [0, 1]."""
    change = _difference(*sr) - _difference(*hr)
    return float(np.mean(np.square(change)))


def tof(sr: Flow, hr: Flow) -> float:
    """Return the mean length of the difference of two flows, `BORDER` pixels shaved."""
    border = BORDER if min(sr.shape[:2]) > 4 * BORDER else 0
    inner = np.s_[border : sr.shape[0] - border, border : sr.shape[1] - border]
    return float(np.sqrt(np.square(sr[inner] - hr[inner]).sum(axis=2)).mean())


def warping_error(before: Frame, after: Frame, back: Flow, mask: NDArray[np.bool_]) -> float:
    """Return the mean squared difference on [0, 1] of `after` and `before` fetched along `back`.

    `back` is the flow from `after` to `before`; only where `mask` holds. 0 when nothing is left.
    """
    if not mask.any():
        return 0.0
    error = (after.astype(np.float32) - warp(before, back)) / 255
    return float(np.square(error)[mask].mean(dtype=np.float64))


def _step(
    before: tuple[Frame, Frame], after: tuple[Frame, Frame]
) -> tuple[float, float, float, float]:
    hr_flow = optical_flow(before[1], after[1])
    hr_back = optical_flow(after[1], before[1])
    mask = visible(hr_back, hr_flow)
    return (
        flicker((before[0], after[0]), (before[1], after[1])),
        tof(optical_flow(before[0], after[0]), hr_flow),
        warping_error(before[0], after[0], hr_back, mask),
        warping_error(before[1], after[1], hr_back, mask),
    )


def _difference(before: Frame, after: Frame) -> NDArray[np.float32]:
    return (after.astype(np.float32) - before.astype(np.float32)) / np.float32(255)


def _require_one_shape(sr: Frame, hr: Frame, before: tuple[Frame, Frame] | None) -> None:
    found = {frame.shape for frame in (sr, hr, *(before or ()))}
    if len(found) > 1:
        raise InputError(f"frames of one shape can be compared, got {sorted(found)}")
