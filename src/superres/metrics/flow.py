"""Where pixels move between two frames: Farneback's dense flow, warping along it, occlusions."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Frame = NDArray[np.uint8]  # (H, W, 3) RGB
Flow = NDArray[np.float32]  # (H, W, 2): columns, rows in pixels
_Floats = NDArray[np.float32]


class _Farneback(NamedTuple):
    """The settings of TecoGAN's evaluation, which published tOF figures rest on."""

    pyr_scale: float = 0.5
    levels: int = 3
    winsize: int = 15
    iterations: int = 3
    poly_n: int = 5
    poly_sigma: float = 1.2
    flags: int = 0


def optical_flow(before: Frame, after: Frame) -> Flow:
    """Return the flow (H, W, 2) that takes `before` to `after` (Farneback 2003)."""
    import cv2

    grey = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in (before, after)]
    start = np.zeros((*before.shape[:2], 2), np.float32)
    found = cv2.calcOpticalFlowFarneback(grey[0], grey[1], start, *_Farneback())
    return np.asarray(found, dtype=np.float32)


def warp(image: NDArray[np.uint8] | _Floats, flow: Flow) -> _Floats:
    """Fetch `image (H, W, C)` from where `flow` points: result(x) = image(x + flow(x))."""
    import cv2

    rows, columns = np.mgrid[0 : flow.shape[0], 0 : flow.shape[1]].astype(np.float32)
    at = columns + flow[..., 0], rows + flow[..., 1]
    floats = np.ascontiguousarray(image, dtype=np.float32)
    found = cv2.remap(floats, *at, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(found, dtype=np.float32)


def visible(flow: Flow, back: Flow) -> NDArray[np.bool_]:
    """Return (H, W): where `flow` can be trusted, given the flow of the opposite direction.

    Left out: pixels that do not come back to where they started, those that leave the picture and
    the edges of motion (Ruder et al. 2016, as in Lai et al. 2018).
    """
    there_and_back = np.square(flow + warp(back, flow)).sum(axis=2)
    size = np.square(flow).sum(axis=2) + np.square(warp(back, flow)).sum(axis=2)
    returns = there_and_back <= 0.01 * size + 0.5
    slope = sum(np.square(np.gradient(flow, axis=axis)).sum(axis=2) for axis in (0, 1))
    smooth = slope <= 0.01 * np.square(flow).sum(axis=2) + 0.002
    rows, columns = np.mgrid[0 : flow.shape[0], 0 : flow.shape[1]]
    row, column = rows + flow[..., 1], columns + flow[..., 0]
    inside = (row >= 0) & (row <= flow.shape[0] - 1)
    inside &= (column >= 0) & (column <= flow.shape[1] - 1)
    return np.asarray(returns & smooth & inside)
