"""Distances between pixels."""

import torch
from torch import nn


class Charbonnier(nn.Module):
    """A smooth L1: mean of sqrt(difference^2 + epsilon^2) (Lai et al., 2017)."""

    def __init__(self, epsilon: float = 1e-3) -> None:
        super().__init__()
        self.epsilon = epsilon

    def forward(self, sr: torch.Tensor, hr: torch.Tensor) -> torch.Tensor:
        """Compare images `(N, 3, H, W)`."""
        return ((sr - hr).square() + self.epsilon**2).sqrt().mean()


PIXEL_LOSSES: dict[str, type[nn.Module]] = {
    "mse": nn.MSELoss,
    "l1": nn.L1Loss,
    "charbonnier": Charbonnier,
}
