"""Critics that tell super-resolved from real."""

from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm

from superres.errors import ModelError


class SRGANDiscriminator(nn.Module):
    """Eight convolutions, width doubling as the size halves, then two dense layers (Ledig, 2017).

    Any patch of at least 16 pixels: the paper's 6x6 maps (of 96-pixel patches) come from pooling.
    R5's remedies for a critic that gives up are `dropout` and wider `channels` and `dense`;
    `norm=False` leaves out batch norm, which a gradient penalty does not go with.
    """

    def __init__(
        self,
        *,
        channels: int = 64,
        dense: int = 1024,
        dropout: float = 0.0,
        norm: bool = True,
    ) -> None:
        super().__init__()
        steps: list[nn.Module] = [nn.Conv2d(3, channels, 3, padding=1), nn.LeakyReLU(0.2)]
        width = channels
        for out, stride in ((1, 2), (2, 1), (2, 2), (4, 1), (4, 2), (8, 1), (8, 2)):
            convolution = nn.Conv2d(width, channels * out, 3, stride=stride, padding=1)
            width = channels * out
            steps += [convolution, nn.BatchNorm2d(width) if norm else nn.Identity()]
            steps += [nn.LeakyReLU(0.2)]
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


class PatchDiscriminator(nn.Module):
    """4x4 convolutions that judge overlapping patches, PatchGAN (Isola et al., 2017).

    `layers` halvings: 1, 2, 3 see patches of 16, 34, 70 pixels. `norm`: "batch" is the paper's,
    "instance" keeps the pictures of a batch apart, "none" goes with a gradient penalty.
    Takes images of at least 3 * 2^layers pixels (24 for three).
    """

    def __init__(
        self, *, channels: int = 64, layers: int = 3, norm: str = "batch", dropout: float = 0.0
    ) -> None:
        super().__init__()
        norms = {"batch": nn.BatchNorm2d, "instance": nn.InstanceNorm2d, "none": nn.Identity}
        if norm not in norms or layers < 1:
            raise ModelError(
                f"patch discriminator norm '{norm}', layers {layers}: accepted: norm "
                f"{sorted(norms)}; layers from 1"
            )
        widths = [min(channels * 2**step, channels * 8) for step in range(layers + 1)]
        steps: list[nn.Module] = [nn.Conv2d(3, channels, 4, stride=2, padding=1)]
        steps += [nn.LeakyReLU(0.2)]
        for step in range(1, layers + 1):
            stride = 2 if step < layers else 1
            convolution = nn.Conv2d(widths[step - 1], widths[step], 4, stride=stride, padding=1)
            steps += [convolution, norms[norm](widths[step]), nn.LeakyReLU(0.2)]
        steps += [nn.Dropout2d(dropout), nn.Conv2d(widths[-1], 1, 4, padding=1)]
        self.features = nn.Sequential(*steps)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Return logits `(N, 1, h, w)`, one a patch, for `image (N, 3, H, W) in [0, 1]`.

        After three halvings h is H / 8 - 2.
        """
        logits: torch.Tensor = self.features(image * 2 - 1)
        return logits


class UNetDiscriminator(nn.Module):
    """A U-Net with spectral norm that judges every pixel (Wang et al., 2021, Real-ESRGAN).

    64 channels have 4,376,897 parameters. Any size from 8 pixels.
    """

    def __init__(self, *, channels: int = 64, dropout: float = 0.0) -> None:
        super().__init__()
        widths = [channels, 2 * channels, 4 * channels, 8 * channels]
        self.head = nn.Conv2d(3, channels, 3, padding=1)
        self.down = nn.ModuleList(
            spectral_norm(nn.Conv2d(inside, outside, 4, stride=2, padding=1, bias=False))
            for inside, outside in pairwise(widths)
        )
        self.up = nn.ModuleList(
            spectral_norm(nn.Conv2d(inside, outside, 3, padding=1, bias=False))
            for inside, outside in pairwise(widths[::-1])
        )
        self.verdict = nn.Sequential(
            *(_judge(channels) for _ in range(2)),
            nn.Dropout2d(dropout),
            nn.Conv2d(channels, 1, 3, padding=1),
        )

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Return logits `(N, 1, H, W)`, one a pixel, for `image (N, 3, H, W) in [0, 1]`."""
        features = F.leaky_relu(self.head(image * 2 - 1), 0.2)
        skips: list[torch.Tensor] = []
        for down in self.down:
            skips.append(features)
            features = F.leaky_relu(down(features), 0.2)
        for up, skip in zip(self.up, reversed(skips), strict=True):
            size = skip.shape[-2:]
            grown = F.interpolate(features, size=size, mode="bilinear", align_corners=False)
            features = F.leaky_relu(up(grown), 0.2) + skip
        logits: torch.Tensor = self.verdict(features)
        return logits


def _judge(channels: int) -> nn.Sequential:
    convolution = spectral_norm(nn.Conv2d(channels, channels, 3, padding=1, bias=False))
    return nn.Sequential(convolution, nn.LeakyReLU(0.2))
