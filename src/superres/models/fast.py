"""A real-time network of our own: wide in training, plain 3x3 convolutions when it is used.

Every convolution is trained as a sum of linear branches (Ding et al., 2021; ECBSR, Zhang et al.,
2021) and run as the one 3x3 kernel that they add up to. The sum is taken over the kernels, not over
the features (Hu et al., 2022), so training costs little more than the plain network, and zero
padding means the same in both forms.
"""

from typing import ClassVar

import torch
from torch import nn
from torch.nn import functional as F

from superres.errors import ModelError
from superres.models.info import Generator, ModelInfo
from superres.models.interpolation import Interpolation


class BranchedConv(nn.Module):
    """A 3x3 convolution as the sum of 3x3, 1x1, 1x1 -> 3x3 and identity branches."""

    def __init__(self, inside: int, outside: int, *, expansion: int, zero: bool) -> None:
        super().__init__()
        wide = expansion * outside
        self.direct = nn.Parameter(torch.zeros(outside, inside, 3, 3))
        self.point = nn.Parameter(torch.zeros(outside, inside))
        self.expand = nn.Parameter(torch.empty(wide, inside))
        self.squeeze = nn.Parameter(torch.zeros(outside, wide, 3, 3))
        self.bias = nn.Parameter(torch.zeros(outside))
        nn.init.kaiming_normal_(self.expand, nonlinearity="linear")
        if not zero:  # a last layer of zeros starts the network as exact bicubic
            nn.init.kaiming_normal_(self.direct, a=0.25)
            nn.init.normal_(self.squeeze, std=0.3 * (2 / (9 * wide)) ** 0.5)
        identity = torch.eye(outside) if inside == outside and not zero else None
        self.register_buffer("identity", identity, persistent=False)

    identity: torch.Tensor | None

    def kernel(self) -> torch.Tensor:
        """Return the 3x3 kernel `(outside, inside, 3, 3)` that all branches add up to."""
        middle = self.point if self.identity is None else self.point + self.identity
        wide = torch.einsum("owyx,wi->oiyx", self.squeeze, self.expand)
        return self.direct + wide + F.pad(middle[:, :, None, None], [1, 1, 1, 1])

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Convolve `features (N, inside, h, w)` with the summed kernel."""
        kernel = self.kernel().contiguous(memory_format=torch.channels_last)
        return F.conv2d(features, kernel, self.bias, padding=1)


class Fast(Generator):
    """`layers` convolutions of `channels` at LR size, one to the sub-pixels, a bicubic skip.

    `colour="luma"` makes one residual for all three channels: it moves the luma and leaves the
    chroma bicubic, as the published luma networks do, for a third of the last convolution.
    `deployed=True` is the plain form; `deployed()` turns a trained one into it.
    """

    paper: ClassVar[str] = "ours, after Zhang et al., 2021 and Hu et al., 2022"

    def __init__(
        self,
        *,
        scale: int = 4,
        channels: int = 16,
        layers: int = 8,
        expansion: int = 4,
        colour: str = "luma",
        deployed: bool = False,
    ) -> None:
        super().__init__()
        if colour not in ("luma", "rgb"):
            raise ModelError(f"fast colour '{colour}': accepted: 'luma', 'rgb'")
        self.last = (1 if colour == "luma" else 3) * scale**2
        steps: list[nn.Module] = []
        for inside in [3] + [channels] * (layers - 1):
            steps += [_convolution(inside, channels, expansion, deployed), nn.PReLU(channels)]
        steps += [_convolution(channels, self.last, expansion, deployed, zero=True)]
        self.body = nn.Sequential(*steps, nn.PixelShuffle(scale))
        self.skip = Interpolation(scale=scale, kernel="bicubic")
        options = {
            "scale": scale,
            "channels": channels,
            "layers": layers,
            "expansion": expansion,
            "colour": colour,
            "deployed": deployed,
        }
        self.info = ModelInfo("fast", options, scale=scale, halo=max(layers + 1, 2))

    def forward(self, lr: torch.Tensor) -> torch.Tensor:
        """Add detail to the bicubic image of `lr (N, 3, h, w) in [0, 1]`."""
        sr: torch.Tensor = self.skip(lr) + self.body(lr)
        return sr

    @torch.no_grad()
    def deployed(self) -> "Fast":
        """Return the plain network that computes the same."""
        plain = Fast(**{**self.info.options, "deployed": True})
        for mine, theirs in zip(self.body, plain.body, strict=True):
            if isinstance(mine, BranchedConv) and isinstance(theirs, nn.Conv2d):
                theirs.weight.copy_(mine.kernel())
                if theirs.bias is not None:
                    theirs.bias.copy_(mine.bias)
            else:
                theirs.load_state_dict(mine.state_dict())
        return plain.train(self.training)


def _convolution(
    inside: int, outside: int, expansion: int, deployed: bool, *, zero: bool = False
) -> nn.Module:
    if deployed:
        return nn.Conv2d(inside, outside, 3, padding=1)
    return BranchedConv(inside, outside, expansion=expansion, zero=zero)
