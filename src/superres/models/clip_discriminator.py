"""A critic that sees a clip at once, and so motion, which one that sees frames cannot judge."""

from typing import ClassVar

import torch
from torch import nn


class ClipDiscriminator(nn.Module):
    """3-D convolutions that judge overlapping patches of a clip (as Chu et al., 2020, TecoGAN).

    `layers` halvings of height and width; time is kept. No batch norm, so that clips of a batch
    do not touch each other. Takes clips of any length from 1, frames of at least 2^layers pixels.
    """

    for_clips: ClassVar[bool] = True

    def __init__(self, *, channels: int = 32, layers: int = 3, dropout: float = 0.0) -> None:
        super().__init__()
        steps: list[nn.Module] = []
        inside = 3
        for layer in range(layers):
            outside = min(channels * 2**layer, 8 * channels)
            convolution = nn.Conv3d(inside, outside, (3, 4, 4), stride=(1, 2, 2), padding=1)
            steps += [convolution, nn.LeakyReLU(0.2)]
            inside = outside
        steps += [nn.Dropout3d(dropout), nn.Conv3d(inside, 1, 3, padding=1)]
        self.features = nn.Sequential(*steps)

    def forward(self, clip: torch.Tensor) -> torch.Tensor:
        """Return logits `(N, 1, T, h, w)`, one a patch, for `clip (N, T, 3, H, W) in [0, 1]`."""
        logits: torch.Tensor = self.features(clip.transpose(1, 2) * 2 - 1)
        return logits
