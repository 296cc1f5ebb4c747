"""Critics that tell super-resolved from real."""

import torch
from torch import nn


class SRGANDiscriminator(nn.Module):
    """Eight convolutions, width doubling as the size halves, then two dense layers (Ledig, 2017).

    Any patch of at least 16 pixels: the paper's 6x6 maps (of 96-pixel patches) come from pooling.
    """

    def __init__(self, *, channels: int = 64, dense: int = 1024, dropout: float = 0.0) -> None:
        super().__init__()
        steps: list[nn.Module] = [nn.Conv2d(3, channels, 3, padding=1), nn.LeakyReLU(0.2)]
        width = channels
        for out, stride in ((1, 2), (2, 1), (2, 2), (4, 1), (4, 2), (8, 1), (8, 2)):
            convolution = nn.Conv2d(width, channels * out, 3, stride=stride, padding=1)
            width = channels * out
            steps += [convolution, nn.BatchNorm2d(width), nn.LeakyReLU(0.2)]
        self.features = nn.Sequential(*steps)
        self.verdict = nn.Sequential(
            nn.AdaptiveAvgPool2d(6),
            nn.Flatten(),
            nn.Linear(width * 36, dense),
            nn.LeakyReLU(0.2),
            nn.Dropout(dropout),
            nn.Linear(dense, 1),
        )

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Return logits `(N, 1)` of "real" for `image (N, 3, H, W) in [0, 1]`."""
        logits: torch.Tensor = self.verdict(self.features(image * 2 - 1))
        return logits
