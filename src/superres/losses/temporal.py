"""Losses of clips: what changes from frame to frame, not what a frame looks like.

All take `sr (N, T, 3, H, W)` and `hr` of the same shape, in [0, 1].
"""

from collections.abc import Callable
from typing import ClassVar

import torch
from torch import nn

from superres.models.motion import fetched, motion


class TemporalDifference(nn.Module):
    """Mean squared error between the changes of SR and of HR from frame to frame (R5, Wen)."""

    def forward(self, sr: torch.Tensor, hr: torch.Tensor) -> torch.Tensor:
        """Compare clips; 0 for a single frame."""
        change = sr.diff(dim=1) - hr.diff(dim=1)
        return change.square().sum() / max(1, change.numel())


class WarpedConsistency(nn.Module):
    """Mean absolute difference of a frame of SR and the one before it, warped along HR's flow.

    A pixel counts by how well HR itself agrees there, exp(-50 difference^2): what is hidden or
    badly tracked does not count (Lai et al., 2018, eq. 2).
    """

    sharpness: ClassVar[float] = 50.0

    def forward(self, sr: torch.Tensor, hr: torch.Tensor) -> torch.Tensor:
        """Judge the steps of `sr`; the flow is from `hr` and has no gradient."""
        if sr.shape[1] < 2:
            return sr.sum() * 0
        before, now = hr[:, :-1].flatten(0, 1), hr[:, 1:].flatten(0, 1)
        flow = motion(now, before)
        with torch.no_grad():
            error = (now - fetched(before, flow)).square().sum(dim=1, keepdim=True)
            trust = torch.exp(-self.sharpness * error)
        told = sr[:, 1:].flatten(0, 1) - fetched(sr[:, :-1].flatten(0, 1), flow)
        return (trust * told.abs()).mean()


class PingPong(nn.Module):
    """Mean absolute difference of a clip upscaled on the way there and on the way back.

    What drifts or piles up over time differs (Chu et al., 2020, TecoGAN). `there_and_back` makes
    the LR that the generator must see for it.
    """

    def forward(self, sr: torch.Tensor, hr: torch.Tensor) -> torch.Tensor:
        """Compare both halves of `sr (N, 2 T - 1, 3, H, W)`; `hr` is not looked at."""
        length = (sr.shape[1] + 1) // 2
        there, back = sr[:, : length - 1], sr[:, length:].flip(1)
        return (there - back).abs().sum() / max(1, there.numel())


def there_and_back(lr: torch.Tensor) -> torch.Tensor:
    """Return a clip `(N, T, ...)` with its way back, `(N, 2 T - 1, ...)`, the last frame once."""
    return torch.cat([lr, lr[:, :-1].flip(1)], dim=1)


class PerFrame(nn.Module):
    """A loss of pictures, applied to every frame of a clip alike."""

    def __init__(self, term: nn.Module) -> None:
        super().__init__()
        self.term = term

    def forward(self, sr: torch.Tensor, hr: torch.Tensor) -> torch.Tensor:
        """Compare clips or pictures."""
        if sr.dim() == 5:
            sr, hr = sr.flatten(0, 1), hr.flatten(0, 1)
        loss: torch.Tensor = self.term(sr, hr)
        return loss


TEMPORAL_LOSSES: dict[str, Callable[[], nn.Module]] = {
    "temporal": TemporalDifference,
    "warped": WarpedConsistency,
    "ping_pong": PingPong,
}
