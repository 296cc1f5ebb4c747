"""Figures beyond PSNR and SSIM: which are measured, and what they need."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from superres.config import MetricName
from superres.data.degrade import degrade
from superres.errors import InputError, ModelError
from superres.evaluation.pairs import Pair
from superres.metrics import psnr, shave
from superres.metrics.artefacts import checkerboard
from superres.metrics.niqe import niqe
from superres.metrics.temporal import Distance, curves

if TYPE_CHECKING:
    from superres.losses.lpips import LPIPS

Pixels = NDArray[np.uint8]
ALL: tuple[MetricName, ...] = ("lpips", "niqe", "consistency", "checkerboard", "temporal")
EXTRA = (
    "lpips",
    "niqe",
    "consistency",
    "checkerboard",
    "flicker",
    "tof",
    "tlp",
    "warping_error",
)


@dataclass(frozen=True)
class Meters:
    """What is measured beside PSNR and SSIM; `Meters()` measures nothing.

    `lpips` compares two uint8 RGB pictures. `consistency` makes LR of SR with `kernel`.
    `notes` say what was asked for and is left out, and why.
    """

    lpips: Distance | None = None
    niqe: bool = False
    consistency: bool = False
    checkerboard: bool = False
    temporal: bool = False
    kernel: str = "bicubic"
    notes: tuple[str, ...] = field(default=(), compare=False)

    def of_picture(self, sr: Pixels, pair: Pair, border: int) -> dict[str, float | None]:
        """Return the figures of one picture by name; None where it is too small for one."""
        hr = pair.hr.pixels.astype(np.uint8, casting="no")
        inner, wanted = shave(sr, border), shave(hr, border)
        found: dict[str, float | None] = {}
        if self.lpips is not None:
            found["lpips"] = self.lpips(sr, hr)  # published figures shave nothing
        if self.niqe:
            found["niqe"] = _or_none(niqe, inner)
        if self.consistency:
            scale = pair.hr.height // pair.lr.height
            lowered = degrade(sr, scale, self.kernel)
            found["consistency"] = psnr(lowered, pair.lr.pixels)
        if self.checkerboard:
            grid = partial(checkerboard, scale=pair.hr.height // pair.lr.height)
            ours, theirs = _or_none(grid, inner), _or_none(grid, wanted)
            found["checkerboard"] = None if ours is None or theirs is None else ours - theirs
        return found

    def of_step(
        self, before: tuple[Pixels, Pixels], after: tuple[Pixels, Pixels]
    ) -> dict[str, float | None]:
        """Return the figures of the step between two frames (SR, HR)."""
        if not self.temporal:
            return {}
        told = curves([before, after], self.lpips).means()
        return {key: told[key] for key in ("flicker", "tof", "tlp", "warping_error") if key in told}


def open_meters(
    names: Sequence[MetricName] = ALL, *, net: str = "squeeze", kernel: str = "bicubic"
) -> Meters:
    """Return the meters of these names; LPIPS of `net` without weights becomes a note."""
    lpips: Distance | None = None
    notes: tuple[str, ...] = ()
    if "lpips" in names:
        try:
            lpips = load_distance(net)
        except ModelError as error:
            notes = (str(error),)
    return Meters(
        lpips=lpips,
        niqe="niqe" in names,
        consistency="consistency" in names,
        checkerboard="checkerboard" in names,
        temporal="temporal" in names,
        kernel=kernel,
        notes=notes,
    )


def load_distance(net: str = "squeeze") -> Distance:
    """Return LPIPS of two uint8 RGB pictures (H, W, 3); ModelError when there are no weights."""
    from superres.losses.lpips import LPIPS_NETS, load_lpips

    known = next((one for one in LPIPS_NETS if one == net), None)
    if known is None:
        raise ModelError(f"LPIPS network '{net}': accepted: {', '.join(LPIPS_NETS)}")
    return _PictureDistance(load_lpips(known))


class _PictureDistance:
    """LPIPS of arrays, computed channels-last: a third less time on a CPU."""

    def __init__(self, network: "LPIPS") -> None:
        import torch

        self.network = network.to(memory_format=torch.channels_last)

    def __call__(self, sr: Pixels, hr: Pixels) -> float:
        """Compare two pictures (H, W, 3) of 0..255."""
        import torch

        with torch.inference_mode():
            one, other = (self._tensor(picture) for picture in (sr, hr))
            return float(self.network(one, other)[0])

    @staticmethod
    def _tensor(picture: Pixels) -> Any:
        import torch

        planes = torch.from_numpy(np.array(picture)).permute(2, 0, 1).unsqueeze(0)
        return planes.float().div(255).contiguous(memory_format=torch.channels_last)


def _or_none(measure: Any, picture: Pixels) -> float | None:
    try:
        return float(measure(picture))
    except InputError:  # too small to tell: the column stays empty, the others count
        return None
