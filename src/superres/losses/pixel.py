"""Distances between pixels, and between their Fourier transforms."""

from collections.abc import Callable

import torch
from torch import nn

from superres.colour import LUMA


class Charbonnier(nn.Module):
    """A smooth L1: mean of sqrt(difference^2 + epsilon^2) (Lai et al., 2017)."""

    def __init__(self, epsilon: float = 1e-3) -> None:
        super().__init__()
        self.epsilon = epsilon

    def forward(self, sr: torch.Tensor, hr: torch.Tensor) -> torch.Tensor:
        """Compare images `(N, 3, H, W)`."""
        return ((sr - hr).square() + self.epsilon**2).sqrt().mean()


class LumaDistance(nn.Module):
    """Mean absolute or squared difference of BT.601 luma, white being 1: what tables measure."""

    def __init__(self, power: int) -> None:
        super().__init__()
        weights = torch.tensor(LUMA) / sum(LUMA)
        self.register_buffer("weights", weights.view(1, 3, 1, 1), persistent=False)
        self.power = power

    weights: torch.Tensor

    def forward(self, sr: torch.Tensor, hr: torch.Tensor) -> torch.Tensor:
        """Compare images `(N, 3, H, W)`."""
        difference = ((sr - hr) * self.weights).sum(dim=1)
        return (difference.abs() if self.power == 1 else difference.square()).mean()


class TotalVariation(nn.Module):
    """How rough the output is, whatever HR is: a penalty, 0 for flat images only.

    Mean absolute difference of horizontal neighbours plus that of vertical ones (the anisotropic
    form of Rudin et al., 1992).
    """

    def forward(self, sr: torch.Tensor, hr: torch.Tensor) -> torch.Tensor:
        """Judge `sr (N, 3, H, W)`; `hr` is not looked at."""
        return _mean_step(sr, 2) + _mean_step(sr, 3)


def _mean_step(image: torch.Tensor, axis: int) -> torch.Tensor:
    steps = image.diff(dim=axis).abs()
    return steps.sum() / max(1, steps.numel())


class Frequency(nn.Module):
    """Mean absolute value of the difference of 2-D Fourier transforms (as Cho et al., 2021).

    The transform is orthonormal: values are of the size of pixel values, and every frequency
    counts as one pixel does. L1 keeps the weak high frequencies from drowning in the strong low
    ones, as they do in MSE (which is the same in both domains, by Parseval).
    """

    def forward(self, sr: torch.Tensor, hr: torch.Tensor) -> torch.Tensor:
        """Compare images `(N, 3, H, W)`; half precision is transformed in float32."""
        difference = sr - hr
        if difference.dtype in (torch.float16, torch.bfloat16):
            difference = difference.float()
        spectrum: torch.Tensor = torch.fft.fft2(difference, norm="ortho")
        return spectrum.abs().mean()


class Grid(nn.Module):
    """How much SR - HR repeats every 4 pixels: the grid that pixel-shuffle leaves at x2 and x4.

    Mean absolute difference between the means of its 16 phases and their own mean, picture by
    picture and channel by channel (Odena et al., 2016, on where such grids come from).
    """

    period = 4

    def forward(self, sr: torch.Tensor, hr: torch.Tensor) -> torch.Tensor:
        """Compare images `(N, 3, H, W)`; those below 4 pixels a side have no grid."""
        height, width = (side - side % self.period for side in sr.shape[-2:])
        difference = (sr - hr)[..., :height, :width]
        if not difference.numel():
            return difference.sum()
        rows, columns = height // self.period, width // self.period
        blocks = difference.reshape(*sr.shape[:2], rows, self.period, columns, self.period)
        phases = blocks.mean(dim=(2, 4))  # (N, 3, 4, 4)
        told: torch.Tensor = (phases - phases.mean(dim=(2, 3), keepdim=True)).abs().mean()
        return told


PIXEL_LOSSES: dict[str, Callable[[], nn.Module]] = {
    "mse": nn.MSELoss,
    "l1": nn.L1Loss,
    "charbonnier": Charbonnier,
    "luma_l1": lambda: LumaDistance(1),
    "luma_mse": lambda: LumaDistance(2),
    "tv": TotalVariation,
    "frequency": Frequency,
    "grid": Grid,
}
