"""Random training clips: T frames in order, the same crop of each, from one scene.

Of a video in the pack they are neighbouring frames; of a still picture, views along a smooth
camera path. A clip is flipped, turned and played backwards as a whole.
"""

from collections.abc import Iterator, Sequence
from itertools import groupby, pairwise
from pathlib import Path

import torch

from superres.data.camera import DRAWS, Camera
from superres.data.gathering import Crops
from superres.data.manifest import Row
from superres.data.sampler import Batch, Sampler
from superres.errors import DataError


class ClipSampler(Sampler):
    """Draws clips `lr (N, T, 3, p, p)`, `hr (N, T, 3, s*p, s*p)`; its state is the sampler's.

    `Batch.images` are the numbers of the first frames, or of the stills.
    """

    def __init__(
        self,
        folder: Path,
        split: str,
        *,
        frames: int,
        hr_patch: int,
        seed: int,
        device: str = "cpu",
        resident: bool | None = None,
    ) -> None:
        """Raise DataError where no clip is long enough and there is no still picture."""
        super().__init__(
            folder, split, hr_patch=hr_patch, seed=seed, device=device, resident=resident
        )
        self.frames = frames
        first = [place for run in _runs(self.rows) for place in _starts(run, frames)]
        stills = [place for place, row in enumerate(self.rows) if not row.clip]
        if not first and not stills:
            raise DataError(
                f"{folder}: the split '{split}' has no {frames} neighbouring frames of one scene "
                "and no still picture. Add a video, lower `frames`, or lower data.sources.every."
            )
        self._first = torch.tensor(first + stills)
        self._is_still = torch.tensor([False] * len(first) + [True] * len(stills))
        # A still is as likely as a window: both are one clip.
        self._chances = self.weights[self._first]
        usable = [self.rows[place] for place in stills]
        self._stills = torch.full((len(self.rows),), -1)
        self._stills[torch.tensor(stills, dtype=torch.int64)] = torch.arange(len(stills))
        self._camera = Camera(usable, self.scale, hr_patch, frames) if usable else None

    def batch(self, size: int, share: slice = slice(None)) -> Batch:
        """Draw `size` clips and cut those of `share`; every place and window is equally likely."""
        entries = torch.multinomial(self._chances, size, replacement=True, generator=self.random)
        drawn = torch.rand(size, 2 + DRAWS, generator=self.random, dtype=torch.float64)
        turns = torch.randint(8, (size,), generator=self.random)
        backwards = torch.randint(2, (size,), generator=self.random) > 0
        # What is drawn for fresh LR must not depend on the share: then all are cut.
        has_fresh = self._fresh is not None
        early, late = (slice(None), share) if has_fresh else (share, slice(None))
        entries, drawn, turns, backwards = (
            one[early] for one in (entries, drawn, turns, backwards)
        )
        patch, count = self.hr_patch // self.scale, len(entries)
        shapes = [(count, self.frames, 3, side, side) for side in (patch, self.hr_patch)]
        lr, hr = (torch.empty(shape, device=self.device) for shape in shapes)
        still = self._is_still[entries]
        first = self._first[entries]
        for chosen, cut in ((~still, self._cut), (still, self._filmed)):
            places = chosen.nonzero()[:, 0]
            if len(places):
                where = places.to(self.device)
                lr[where], hr[where] = cut(first[places], drawn[places])
        clips = [_arranged(one, turns, backwards)[late] for one in (lr, hr)]
        return Batch(clips[0], clips[1], first[late].to(self.device))

    def _cut(self, first: torch.Tensor, drawn: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Cut the clips of real footage that begin at rows `first (N,)`."""
        patch, device = self.hr_patch // self.scale, self.table.device
        moments = torch.arange(self.frames)
        images = (first[:, None] + moments).flatten()
        rows = self.table[images.to(device)]
        hr_start, hr_width, lr_start, lr_height, lr_width = rows.unbind(dim=1)
        shares = drawn[:, :2].repeat_interleave(self.frames, dim=0).to(device)
        top = (shares[:, 0] * (lr_height - patch + 1)).long()
        left = (shares[:, 1] * (lr_width - patch + 1)).long()
        upright = torch.zeros_like(top)
        lr = Crops(lr_start, lr_width, top, left, upright, patch)
        hr = Crops(hr_start, hr_width, top * self.scale, left * self.scale, upright, self.hr_patch)
        lrs = self._lr.gather(lr)
        if self._fresh is not None:
            lrs = self._fresh.replace(lrs, images, hr, self._hr, self.random, frames=self.frames)
        hrs, shape = self._hr.gather(hr), (len(first), self.frames)
        return lrs.reshape(*shape, *lrs.shape[1:]), hrs.reshape(*shape, *hrs.shape[1:])

    def _filmed(
        self, first: torch.Tensor, drawn: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        if self._camera is None:
            raise AssertionError("a still was drawn where there is none")
        own = self._stills[first]
        places = self._camera.paths(own, drawn[:, 2:])
        table = self.table[self._stills.to(self.table.device) >= 0]
        return self._camera.film(own, places, (self._hr, table), self.random)


def _arranged(clips: torch.Tensor, turns: torch.Tensor, backwards: torch.Tensor) -> torch.Tensor:
    """Flip rows, flip columns, swap both, as the bits of `turns (N,)` say; reverse time."""
    arranged = []
    for clip, turn, reverse in zip(clips, turns.tolist(), backwards.tolist(), strict=True):
        axes = [axis for wanted, axis in ((turn & 1, -2), (turn & 2, -1), (reverse, 0)) if wanted]
        one = clip.flip(axes) if axes else clip
        arranged.append(one.transpose(-2, -1) if turn & 4 else one)
    return torch.stack(arranged)


def _runs(rows: Sequence[Row]) -> Iterator[range]:
    """Yield maximal ranges of neighbouring frames of one scene and size, as places in `rows`."""
    places = range(len(rows))
    for clip, group in groupby(places, key=lambda place: (rows[place].source, rows[place].clip)):
        found = list(group)
        if not clip[1]:
            continue
        step = min((_between(rows[a], rows[b]) for a, b in pairwise(found)), default=1)
        start = found[0]
        for a, b in pairwise(found):
            if not _neighbours(rows[a], rows[b], step):
                yield range(start, b)
                start = b
        yield range(start, found[-1] + 1)


def _starts(run: range, frames: int) -> range:
    return range(run.start, run.stop - frames + 1)


def _between(before: Row, after: Row) -> int:
    if before.index is None or after.index is None:
        return 1
    return max(1, after.index - before.index)


def _neighbours(before: Row, after: Row, step: int) -> bool:
    """Tell whether a frame was kept right after another, at the clip's own step."""
    if before.index is None or after.index is None or before.scene != after.scene:
        return False
    sizes = [(row.height, row.width) for row in (before, after)]
    return after.index - before.index == step and sizes[0] == sizes[1]
