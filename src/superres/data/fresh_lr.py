"""LR made anew for every training crop, on the device that trains."""

from collections.abc import Sequence
from typing import Final

import torch

from superres.data.degradation_device import DeviceDegradation
from superres.data.degradations import Degradation
from superres.data.gathering import Crops, Mapped, Resident
from superres.data.manifest import ON_THE_FLY, REBUILD, Row
from superres.errors import DataError

# HR pixels around a crop that are degraded with it and cut off then, so that its border is made
# of the picture and not of a mirror. More than any kernel of the resizes up to x8 and BD's blur
# need, so those chains give the pixels they give to the whole picture; the real-world chain
# reaches farther (JPEG blocks, blurs of shrunk pictures), its faintest tails are mirrored.
MARGIN: Final = 32


class FreshLr:
    """Degrades the crops of those rows whose manifest says "on the fly"."""

    def __init__(self, rows: Sequence[Row], scale: int, hr_patch: int) -> None:
        """Raise DataError when the rows name several chains, ConfigError as `DeviceDegradation`."""
        ways = {row.degradation for row in rows if row.degradation.startswith(ON_THE_FLY)}
        if len(ways) != 1:
            raise DataError(
                f"the manifest names several degradations on the fly: {ways}. {REBUILD}"
            )
        chain = Degradation.parse(ways.pop().removeprefix(ON_THE_FLY))
        self._degrade = DeviceDegradation(chain, scale)
        self._scale = scale
        self._margin = -(-MARGIN // scale) * scale
        room = hr_patch + 2 * self._margin
        self._is_fresh = torch.tensor([row.degradation.startswith(ON_THE_FLY) for row in rows])
        self._has_room = torch.tensor([min(row.height, row.width) >= room for row in rows])
        self._sizes = torch.tensor([[row.height, row.width] for row in rows])

    def replace(
        self,
        lr: torch.Tensor,
        images: torch.Tensor,
        hr: Crops,
        store: Resident | Mapped,
        random: torch.Generator,
        frames: int = 1,
    ) -> torch.Tensor:
        """Return `lr (N, 3, p, p)` with the fresh crops in place of the stored ones.

        `images (N,)` are the rows on the host, `hr` where their crops lie in `store`; `random` is
        the sampler's own, so what is drawn here is part of its state. A crop is degraded upright
        and turned afterwards, as a stored one is. A picture without room for the margin is
        degraded as far as it goes: to the crop's own border. Every `frames` crops are a clip,
        whose frames are all fresh or none, with the same parameters.
        """
        fresh, has_room = self._is_fresh[images], self._has_room[images]
        for members, margin in ((fresh & has_room, self._margin), (fresh & ~has_room, 0)):
            places = members.nonzero()[:, 0]
            if len(places):
                chosen = places.to(hr.start.device)
                lr[places.to(lr.device)] = self._made(
                    _only(hr, chosen), self._sizes[images[places]], margin, (store, random, frames)
                )
        return lr

    def _made(
        self,
        hr: Crops,
        sizes: torch.Tensor,
        margin: int,
        means: tuple[Resident | Mapped, torch.Generator, int],
    ) -> torch.Tensor:
        store, random, frames = means
        side = hr.side + 2 * margin
        last = sizes.to(hr.top.device) - side  # the farthest down and right that it fits
        top = torch.minimum((hr.top - margin).clamp(min=0), last[:, 0])
        left = torch.minimum((hr.left - margin).clamp(min=0), last[:, 1])
        around = Crops(hr.start, hr.width, top, left, torch.zeros_like(hr.turn), side)
        made = self._degrade(store.gather(around), random, frames=frames)
        patch = hr.side // self._scale
        starts = zip(
            ((hr.top - top) // self._scale).tolist(),
            ((hr.left - left) // self._scale).tolist(),
            hr.turn.tolist(),
            made,
            strict=True,
        )
        return torch.stack(
            [
                _turned(one[:, down : down + patch, right : right + patch], turn)
                for down, right, turn, one in starts
            ]
        )


def _only(crops: Crops, places: torch.Tensor) -> Crops:
    columns = (crops.start, crops.width, crops.top, crops.left, crops.turn)
    start, width, top, left, turn = (column[places] for column in columns)
    return Crops(start, width, top, left, turn, crops.side)


def _turned(crop: torch.Tensor, turn: int) -> torch.Tensor:
    """Flip rows, flip columns, swap both, as the bits of `turn` say: see `Crops`."""
    flips = [axis for bit, axis in ((1, 1), (2, 2)) if turn & bit]
    crop = crop.flip(flips) if flips else crop
    return crop.transpose(1, 2) if turn & 4 else crop
