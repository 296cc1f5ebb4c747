"""A term on a crop whose corner is drawn anew each time: `lpips_shifted`, `vgg19_54_shifted`.

Networks that halve the size look at every second pixel and at fixed squares. A generator learns
where these lie and leaves a grid there, which they do not see (Odena et al., 2016); when the
squares lie elsewhere each time there is no such place.
"""

import torch
from torch import nn

SHIFTED = "_shifted"
REACH = 8  # pixels that the corner may lie from the crop's own, in both directions


class Shifted(nn.Module):
    """The term on what is left of a crop without up to REACH - 1 rows and columns."""

    def __init__(self, term: nn.Module) -> None:
        super().__init__()
        self.term = term

    def forward(self, sr: torch.Tensor, hr: torch.Tensor) -> torch.Tensor:
        """Compare images `(..., H, W)` in [0, 1]; the corner is drawn from torch's generator."""
        top, left = torch.randint(REACH, (2,)).tolist()
        told: torch.Tensor = self.term(sr[..., top:, left:], hr[..., top:, left:])
        return told
