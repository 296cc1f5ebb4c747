"""The U-Net trunk (Ronneberger et al., 2015) that R1's two networks share."""

import torch
from torch import nn
from torch.nn import functional as F


def double_conv(inside: int, outside: int, *, norm: bool) -> nn.Sequential:
    """Return two 3x3 convolutions with ReLU, batch norm between where it is asked for."""
    steps: list[nn.Module] = []
    for width in (inside, outside):
        convolution = nn.Conv2d(width, outside, 3, padding=1)
        nn.init.kaiming_normal_(convolution.weight, nonlinearity="relu")
        steps += [convolution, nn.BatchNorm2d(outside) if norm else nn.Identity(), nn.ReLU()]
    return nn.Sequential(*steps)


class Expand(nn.Module):
    """Nearest resize and a convolution that halves the width, the skip beside it, two more.

    The paper's "up-convolution"; a 3x3 kernel instead of its 2x2 keeps the picture centred.
    """

    def __init__(self, inside: int, outside: int, *, beside: int, norm: bool) -> None:
        super().__init__()
        self.up = nn.Conv2d(inside, outside, 3, padding=1)
        self.body = double_conv(outside + beside, outside, norm=norm)

    def forward(self, features: torch.Tensor, skip: torch.Tensor | None = None) -> torch.Tensor:
        """Go from `(N, inside, h, w)` to the size of `skip`, without one to (2h, 2w)."""
        if skip is None:
            grown: torch.Tensor = self.up(F.interpolate(features, scale_factor=2, mode="nearest"))
        else:
            grown = self.up(F.interpolate(features, size=skip.shape[-2:], mode="nearest"))
            grown = torch.cat([skip, grown], dim=1)
        expanded: torch.Tensor = self.body(grown)
        return expanded


class UNet(nn.Module):
    """`depth` halvings by max-pooling, the width doubling, and the way back up with skips.

    Any size: what cannot be halved keeps its odd pixel. Only on multiples of 2^depth does every
    pool cover the same pixels whatever the picture is a part of, which exact tiles need.
    """

    def __init__(self, *, channels: int, depth: int, norm: bool) -> None:
        super().__init__()
        widths = [channels * 2**level for level in range(depth + 1)]
        before = [3, *widths[:-1]]
        self.contracting = nn.ModuleList(
            double_conv(inside, outside, norm=norm)
            for inside, outside in zip(before, widths, strict=True)
        )
        self.expanding = nn.ModuleList(
            Expand(2 * width, width, beside=width, norm=norm) for width in widths[-2::-1]
        )
        # Convolutions reach 2 pixels a level down, 2 at the bottom, 3 a level up, each pixel of
        # its level's size; a pool adds that its last pixel reaches as far as its first.
        self.reach = 8 * 2**depth - 6

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Return features `(N, channels, H, W)` of `image (N, 3, H, W)`."""
        skips: list[torch.Tensor] = []
        features = image
        for level, contract in enumerate(self.contracting):
            if level:
                features = F.max_pool2d(features, 2, ceil_mode=True)
            features = contract(features)
            skips.append(features)
        for expand, skip in zip(self.expanding, skips[-2::-1], strict=True):
            features = expand(features, skip)
        return features
