"""Clips of still pictures: a window moves smoothly over a picture, and LR is made of each view.

The window moves by whole HR pixels, so HR is never resampled; in LR that are steps of 1 / scale.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import numpy as np
import torch

from superres.data.degrade import imresize
from superres.data.gathering import Crops, Mapped, Resident
from superres.data.manifest import ON_THE_FLY, REBUILD, Row
from superres.errors import DataError

if TYPE_CHECKING:
    from superres.data.degradation_device import DeviceDegradation
    from superres.data.degradations import Degradation

SPEED: Final = 2.0  # LR pixels a frame, at most, in each direction; slow and resting are common
TURN: Final = 0.2  # LR pixels a frame and frame
DRAWS: Final = 7  # numbers in [0, 1) that a path is made of


class Camera:
    """Films the rows of a split that are stills."""

    def __init__(self, rows: Sequence[Row], scale: int, hr_patch: int, frames: int) -> None:
        """Raise DataError where LR of a moving view cannot be made as the pack's LR was."""
        self._scale, self._side, self._frames = scale, hr_patch, frames
        self._sizes = torch.tensor([[row.height, row.width] for row in rows])
        self._chain, self._margin = _way(rows, scale)
        self._weights = _shrinking(hr_patch + 2 * self._margin, scale, rows[0])

    def paths(self, rows: torch.Tensor, drawn: torch.Tensor) -> torch.Tensor:
        """Return where the window is, (N, T, 2): top and left, HR pixels.

        `rows (N,)` are the pictures, `drawn (N, DRAWS)` the random numbers.
        """
        moment = torch.arange(self._frames, dtype=torch.float64).view(1, -1, 1)
        # Films rest as often as they move; from haste alone a memory learns to sharpen for ever.
        pace = drawn[:, None, 6:] ** 2 * self._scale
        speed = (2 * drawn[:, None, :2] - 1) * SPEED * pace
        turn = (2 * drawn[:, None, 2:4] - 1) * TURN * pace
        path = speed * moment + turn * moment**2 / 2
        path = path - path.amin(dim=1, keepdim=True)
        room = (self._sizes[rows] - self._side)[:, None, :].double()
        extent = path.amax(dim=1, keepdim=True)
        path = path * (room / extent.clamp(min=1)).clamp(max=1)
        path = torch.minimum((path + 0.5).floor(), room)
        left_over = room - path.amax(dim=1, keepdim=True)
        start = torch.minimum((drawn[:, None, 4:6] * (left_over + 1)).floor(), left_over)
        return (start + path).long()

    def film(
        self,
        rows: torch.Tensor,
        places: torch.Tensor,
        store: tuple[Resident | Mapped, torch.Tensor],
        random: torch.Generator,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return `lr (N, T, 3, p, p)` and `hr (N, T, 3, s*p, s*p)` along `places (N, T, 2)`.

        `store`: the HR pixels, and the sampler's table of where pictures start and how wide they
        are. `random` draws what a degradation on the fly needs.
        """
        views = torch.stack(
            [self._views(int(row), path, store) for row, path in zip(rows, places, strict=True)]
        )
        count, length = views.shape[:2]
        flat, cut = views.flatten(0, 1), self._margin // self._scale
        if self._chain is not None:
            lr = self._chain(flat, random, frames=length)
            lr = lr[..., cut:-cut, cut:-cut]
        else:
            lr = self._shrunk(flat)
        inner = slice(self._margin, self._margin + self._side)
        return lr.reshape(count, length, *lr.shape[1:]), views[..., inner, inner]

    def _views(
        self, row: int, path: torch.Tensor, store: tuple[Resident | Mapped, torch.Tensor]
    ) -> torch.Tensor:
        """Cut the windows of one clip with a margin; beyond the picture its border goes on."""
        pixels, table = store
        wanted = self._side + 2 * self._margin
        side = min(wanted, int(self._sizes[row].min()))
        corner = path - self._margin
        inside = torch.minimum(corner.clamp(min=0), self._sizes[row] - side)
        start, width = (table[row, column].expand(len(path)) for column in (0, 1))
        top, left = inside.to(table.device).unbind(dim=1)
        crops = Crops(start, width, top, left, torch.zeros_like(top), side)
        found = pixels.gather(crops)
        if side == wanted and torch.equal(inside, corner):
            return found
        steps = torch.arange(wanted)
        at = ((corner - inside)[:, :, None] + steps).clamp(0, side - 1).to(found.device)
        moments = torch.arange(len(path), device=found.device)[:, None, None]
        return found.permute(0, 2, 3, 1)[moments, at[:, 0, :, None], at[:, 1, None, :]].permute(
            0, 3, 1, 2
        )

    def _shrunk(self, views: torch.Tensor) -> torch.Tensor:
        """Shrink as the pack's LR was: rows, then columns, whole levels after each."""
        weights = self._weights.to(views.device)
        levels = torch.round(views.double() * 255)
        for axis in (2, 3):
            mixed = weights @ levels if axis == 2 else levels @ weights.T
            levels = torch.floor(mixed + 0.5).clamp(0, 255)
        return levels.div(255).float()


def _shrinking(length: int, scale: int, row: Row) -> torch.Tensor:
    """Return the matrix that shrinks a line of `length` HR pixels, the margins cut off."""
    size = (length // scale, length)
    # The border of the picture is in the views already; the matrix's own is cut off.
    weights = imresize(np.eye(length), size=size, kernel=row.kernel)
    return torch.from_numpy(weights)[4:-4]


class _Compressed:
    """A chain that compresses a film, on the host: each clip of views is a film of its own."""

    def __init__(self, chain: "Degradation", scale: int) -> None:
        self._chain, self._scale = chain, scale

    def __call__(
        self, hr: torch.Tensor, random: torch.Generator, *, frames: int = 1
    ) -> torch.Tensor:
        """Make LR of views, every `frames` of which are one clip, as DeviceDegradation does."""
        seeds = torch.randint(2**53, (len(hr) // frames,), generator=random).tolist()
        levels = torch.round(hr * 255).to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()
        made = [
            lr
            for clip, seed in enumerate(seeds)
            for lr in self._chain.apply_clip(
                levels[clip * frames : (clip + 1) * frames], self._scale, seed
            )
        ]
        lrs = torch.from_numpy(np.stack(made)).permute(0, 3, 1, 2)
        return lrs.to(hr.device).float().div_(255)


def _way(rows: Sequence[Row], scale: int) -> "tuple[DeviceDegradation | _Compressed | None, int]":
    """Return the degradation of moving views, None for a plain resize, and the margin it needs."""
    from superres.data.degradations import Degradation
    from superres.data.fresh_lr import MARGIN

    ways = {row.degradation for row in rows}
    fresh = {way.removeprefix(ON_THE_FLY) for way in ways if way.startswith(ON_THE_FLY)}
    if not fresh and all(not way or way.startswith(f"x{scale} ") for way in ways):
        return None, 4 * scale
    margin = -(-MARGIN // scale) * scale
    if len(ways) == 1 and not fresh:
        chain = Degradation.parse(next(iter(ways)))
        if chain.needs_clip:
            return _Compressed(chain, scale), margin
    if len(ways) != 1 or not fresh:
        raise DataError(
            f"clips of still pictures need LR made anew, and the pack's was made by {sorted(ways)}."
            f" Set data.on_the_fly: true, or leave data.degradation out. {REBUILD}"
        )
    from superres.data.degradation_device import DeviceDegradation

    return DeviceDegradation(Degradation.parse(fresh.pop()), scale), margin
