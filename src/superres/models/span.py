"""SPAN: plain 3x3 convolutions with an attention that has no parameters (Wan et al., 2024).

Our `quality` network: nothing in it pools or looks at the whole picture, so tiles are exact, and
once trained every convolution but one is a plain 3x3, which CPUs run best.
"""

from typing import ClassVar

import torch
from torch import nn

from superres.errors import ModelError
from superres.models.branched import BranchedConv
from superres.models.info import Generator, ModelInfo
from superres.models.interpolation import Interpolation

# A block squares small signals and large ones grow: between, this start keeps six blocks alive.
START = 0.9


class AttentionBlock(nn.Module):
    """Three convolutions; their result decides by its own sign and size how much of it counts."""

    def __init__(self, channels: int, expansion: int) -> None:
        super().__init__()
        self.first = _convolution(channels, channels, expansion)
        self.second = _convolution(channels, channels, expansion)
        self.third = _convolution(channels, channels, expansion)
        self.activation = nn.SiLU()

    def forward(self, features: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return `features (N, C, h, w)` refined, and the first convolution's result."""
        first: torch.Tensor = self.first(features)
        third = self.third(self.activation(self.second(self.activation(first))))
        return (third + features) * (torch.sigmoid(third) - 0.5), first


class SPAN(Generator):
    """Six blocks of `channels`; the first, the last and two features between meet before the end.

    Deployed, 52 channels at x4 have 498 thousand parameters as the paper's; our default of 64 has
    748 thousand, about IMDN's cost. `expansion` is the training width of a convolution
    (`superres.models.fast`), 0 trains the plain form. `skip`: "bicubic" and "nearest" start as
    that image; "none" is the paper.
    """

    paper: ClassVar[str] = "Wan et al., 2024"

    def __init__(
        self,
        *,
        scale: int = 4,
        channels: int = 64,
        blocks: int = 6,
        expansion: int = 2,
        skip: str = "bicubic",
    ) -> None:
        super().__init__()
        if skip not in ("none", "bicubic", "nearest") or blocks < 1:
            raise ModelError(
                f"span skip '{skip}', blocks {blocks}: accepted: skip 'none', 'bicubic', "
                "'nearest'; blocks from 1"
            )
        self.head = _convolution(3, channels, expansion)
        self.blocks = nn.ModuleList(AttentionBlock(channels, expansion) for _ in range(blocks))
        self.body_end = _convolution(channels, channels, expansion)
        self.fuse = nn.Conv2d(4 * channels, channels, 1)
        with torch.no_grad():  # else the first steps overshoot, which Adam remembers for long
            self.fuse.weight.mul_(0.1)
        # Branches pay inside the deep stack; the last is plain, and zero where a skip starts it.
        last = nn.Conv2d(channels, 3 * scale**2, 3, padding=1)
        self.up = nn.Sequential(last, nn.PixelShuffle(scale))
        self.skip = None if skip == "none" else Interpolation(scale=scale, kernel=skip)
        if self.skip is not None:
            nn.init.zeros_(last.weight)
            nn.init.zeros_(last.bias) if last.bias is not None else None
        options = {
            "scale": scale,
            "channels": channels,
            "blocks": blocks,
            "expansion": expansion,
            "skip": skip,
        }
        halo = 1 + 3 * blocks + 1 + 1
        self.info = ModelInfo("span", options, scale=scale, halo=halo)

    def forward(self, lr: torch.Tensor) -> torch.Tensor:
        """Super-resolve `lr (N, 3, h, w) in [0, 1]`."""
        shallow = features = self.head(lr)
        refined: list[torch.Tensor] = []
        inner = shallow
        for block in self.blocks:
            features, inner = block(features)
            refined.append(features)
        meeting = [shallow, self.body_end(features), refined[0], inner]
        sr: torch.Tensor = self.up(self.fuse(torch.cat(meeting, dim=1)))
        return sr if self.skip is None else sr + self.skip(lr)

    @torch.no_grad()
    def deployed(self) -> "SPAN":
        """Return the plain network that computes the same."""
        plain = SPAN(**{**self.info.options, "expansion": 0})
        weights = self.state_dict()
        for name, module in self.named_modules():
            if isinstance(module, BranchedConv):
                mine = [key for key in weights if key.startswith(f"{name}.")]
                for key in mine:
                    del weights[key]
                weights[f"{name}.weight"] = module.kernel()
                weights[f"{name}.bias"] = module.bias
        plain.load_state_dict(weights)
        return plain.train(self.training)


def _convolution(inside: int, outside: int, expansion: int) -> nn.Module:
    """Return a 3x3 convolution that starts the same, in branches or plain."""
    branched = BranchedConv(inside, outside, expansion=expansion or 1, zero=False)
    with torch.no_grad():
        branched.direct.mul_(START)
        branched.squeeze.mul_(START)
    if expansion:
        return branched
    plain = nn.Conv2d(inside, outside, 3, padding=1)
    with torch.no_grad():
        plain.weight.copy_(branched.kernel())
        plain.bias.zero_() if plain.bias is not None else None
    return plain
