"""Where things went between two frames, and fetching what was known there; nothing is learned.

The flow comes from OpenCV on the host, without a gradient: DIS (Kroeger et al., 2016), or
Farneback's (2003) as R5 uses it. What is fetched along it has its gradient.

OpenCV's presets of DIS stop at a half or a quarter of the size: `dis-fine` goes down to the pixels
of the frames enlarged twice, which is what adding up sub-pixel detail needs.
"""

from typing import Any, Final, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

from superres.colour import LUMA
from superres.errors import ModelError

Method = Literal["dis", "dis-fine", "farneback"]
METHODS: Final = ("dis", "dis-fine", "farneback")
SMALLEST = 16  # pixels a side; DIS needs 12
_FARNEBACK = (0.5, 3, 15, 3, 5, 1.2, 0)  # pyramid, levels, window, iterations, poly n, sigma, flags


def motion(here: torch.Tensor, there: torch.Tensor, method: str = "dis") -> torch.Tensor:
    """Return the flow `(N, 2, h, w)`: how far from each pixel of `here` its place in `there` is.

    Columns, then rows, in pixels; both images `(N, 3, h, w)` in [0, 1]. Raises ModelError for an
    unknown method, or without OpenCV.
    """
    if method not in METHODS:
        raise ModelError(f"motion '{method}': accepted: {', '.join(METHODS)}")
    size = here.shape[-2:]
    if here.device.type == "meta":  # counting costs needs sizes only
        return torch.empty(len(here), 2, *size, device="meta")
    try:
        import cv2
    except ImportError:
        raise ModelError(
            "motion between frames needs OpenCV: pip install opencv-python-headless"
        ) from None
    times = 2 if method == "dis-fine" else 1
    greys = [_greys(image, times) for image in (here, there)]
    found = [_one(cv2, one, other, method) for one, other in zip(*greys, strict=True)]
    cut = np.stack(found)[:, : times * size[0], : times * size[1]]
    flow = torch.from_numpy(cut.transpose(0, 3, 1, 2).copy()).to(here.device)
    return flow if times == 1 else F.avg_pool2d(flow, times) / times


def fetched(image: torch.Tensor, flow: torch.Tensor) -> torch.Tensor:
    """Return `image (N, C, h, w)` as `flow` finds it: result(x) = image(x + flow(x)), bilinear.

    Beyond the border its last pixel goes on.
    """
    height, width = image.shape[-2:]
    rows = torch.arange(height, device=flow.device, dtype=flow.dtype).view(1, -1, 1)
    columns = torch.arange(width, device=flow.device, dtype=flow.dtype).view(1, 1, -1)
    across = (flow[:, 0] + columns) * (2 / max(1, width - 1)) - 1
    down = (flow[:, 1] + rows) * (2 / max(1, height - 1)) - 1
    places = torch.stack([across, down], dim=-1)
    # In float32: half precision cannot name the places of a large picture.
    found = F.grid_sample(image.float(), places, padding_mode="border", align_corners=True)
    return found.to(image.dtype)


def blurred(flow: torch.Tensor, sigma: float) -> torch.Tensor:
    """Smooth a flow over its neighbourhood by a Gaussian of `sigma` pixels."""
    reach = max(1, round(3 * sigma))
    steps = torch.arange(-reach, reach + 1, device=flow.device, dtype=flow.dtype)
    weights = torch.exp(-(steps**2) / (2 * sigma**2))
    weights = weights / weights.sum()
    planes = flow.flatten(0, 1)[:, None]
    for kernel in (weights.view(1, 1, -1, 1), weights.view(1, 1, 1, -1)):
        rows, columns = kernel.shape[2] // 2, kernel.shape[3] // 2
        planes = F.pad(planes, [columns, columns, rows, rows], mode="replicate")
        planes = F.conv2d(planes, kernel)
    return planes[:, 0].view_as(flow)


def _greys(images: torch.Tensor, times: int) -> NDArray[np.uint8]:
    """Return levels (N, H, W) of the images enlarged, at least SMALLEST a side."""
    with torch.no_grad():
        if times > 1:
            images = F.interpolate(images.float(), scale_factor=times, mode="bicubic")
        weights = torch.tensor(LUMA, device=images.device) / sum(LUMA)
        grey = (images.float() * weights.view(1, 3, 1, 1)).sum(dim=1)
        levels = grey.nan_to_num().mul(255).add(0.5).clamp(0, 255).to(torch.uint8).cpu().numpy()
    missing = [max(0, SMALLEST - side) for side in levels.shape[1:]]
    padded = np.pad(levels, [(0, 0), (0, missing[0]), (0, missing[1])], mode="edge")
    return np.ascontiguousarray(padded)


def _one(
    cv2: Any, here: NDArray[np.uint8], there: NDArray[np.uint8], method: str
) -> NDArray[np.float32]:
    start = np.zeros((*here.shape, 2), np.float32)
    if method == "farneback":
        found = cv2.calcOpticalFlowFarneback(here, there, start, *_FARNEBACK)
    else:
        flow = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
        if method == "dis-fine":
            flow.setFinestScale(0)
        found = flow.calc(here, there, start)
    return np.asarray(found, np.float32)
