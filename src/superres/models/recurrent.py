"""Our video network: the fast network, remembering, its memory moved along with the picture.

The features that a frame was made of are carried to the next one, fetched along the optical flow
between their LR frames (as Chan et al., 2021, BasicVSR, with a flow that is not learned). They are
squashed to (-1, 1) on the way, so that nothing grows over a long film. A new network carries them
and does not look at them: it is the fast network frame by frame, and can start from a trained one.
"""

from typing import Any, ClassVar

import torch
from torch import nn
from torch.nn import functional as F

from superres.errors import ModelError
from superres.models.branched import Layers, settled, widened
from superres.models.info import ModelInfo
from superres.models.interpolation import Interpolation
from superres.models.motion import METHODS, fetched, motion
from superres.models.video import State, VideoGenerator

SEEN = 3  # channels of a frame


class Recurrent(VideoGenerator):
    """`layers` convolutions of `channels` a frame and direction, one to the sub-pixels.

    The first sees the frame, the frame before fetched to where things are now, and its features.
    `ahead`: 0 goes forwards only, one frame at a time, for streams; more goes backwards as well,
    from so many frames later, for files. `colour` and `expansion` as in the fast network.
    """

    paper: ClassVar[str] = "ours, after Chan et al., 2021 and Zhang et al., 2021"
    keeps_state = True

    def __init__(
        self,
        *,
        scale: int = 4,
        channels: int = 16,
        layers: int = 9,
        expansion: int = 4,
        colour: str = "luma",
        ahead: int = 0,
        method: str = "dis",
        deployed: bool = False,
    ) -> None:
        super().__init__()
        _check(colour, ahead, method)
        self.channels, self.method = channels, method
        self.ahead = ahead
        outside = (1 if colour == "luma" else 3) * scale**2
        make = Layers(expansion, deployed=deployed)
        self.trunk = make.trunk(2 * SEEN + channels, channels, layers, seen=SEEN)
        self.back = make.trunk(2 * SEEN + channels, channels, layers, seen=SEEN) if ahead else None
        self.last = make.layer(channels, outside, zero=True)
        self.last_back = make.layer(channels, outside, zero=True) if self.back else None
        self.shuffle = nn.PixelShuffle(scale)
        self.skip = Interpolation(scale=scale, kernel="bicubic")
        options = {
            "scale": scale,
            "channels": channels,
            "layers": layers,
            "expansion": expansion,
            "colour": colour,
            "ahead": ahead,
            "method": method,
            "deployed": deployed,
        }
        self.info = ModelInfo(
            "recurrent", options, scale=scale, kind="video", window=1 + ahead, halo=layers + 1
        )

    def piece(
        self, lr: torch.Tensor, state: State | None, later: int
    ) -> tuple[torch.Tensor, State | None]:
        """Go on from the features and the frame of the piece before."""
        frames = list(lr.unbind(dim=1))
        wanted = len(frames) - later
        back = self._backwards(frames, wanted)
        made = []
        for frame, later_features in zip(frames[:wanted], back, strict=True):
            features = self._features(self.trunk, frame, state)
            state = {"features": features, "frame": frame}
            residual = self.last(features)
            if self.last_back is not None:
                residual = residual + self.last_back(later_features)
            made.append(self.skip(frame) + self.shuffle(residual))
        return torch.stack(made, dim=1), state

    def _backwards(
        self, frames: list[torch.Tensor], wanted: int
    ) -> "list[torch.Tensor] | list[None]":
        """Return the features of the first `wanted` frames as seen from the end of the clip."""
        if self.back is None:
            return [None] * wanted
        state: State | None = None
        found: list[torch.Tensor] = []
        for frame in reversed(frames):
            features = self._features(self.back, frame, state)
            state = {"features": features, "frame": frame}
            found.append(features)
        return found[::-1][:wanted]

    def _features(self, trunk: nn.Module, frame: torch.Tensor, state: State | None) -> torch.Tensor:
        if state is None:  # nothing was seen: the frame itself, and no features
            empty = frame.new_zeros(len(frame), self.channels, *frame.shape[-2:])
            known = torch.cat([frame, empty], dim=1)
        else:
            flow = motion(frame, state["frame"], self.method)
            carried = F.softsign(state["features"])
            known = fetched(torch.cat([state["frame"], carried], dim=1), flow)
        features: torch.Tensor = trunk(torch.cat([frame, known], dim=1))
        return features

    @torch.no_grad()
    def deployed(self) -> "Recurrent":
        """Return the plain network that computes the same."""
        return settled(self, Recurrent(**{**self.info.options, "deployed": True}))

    def from_image_network(self, weights: dict[str, Any]) -> dict[str, Any]:
        """Return weights of a fast network as this network's; what is carried counts for nothing.

        Both directions begin alike, each with half of the residual.
        """
        count = 2 * int(self.info.options["layers"])
        taken: dict[str, Any] = {}
        for name, value in weights.items():
            _, place, part = name.split(".", 2)
            mine = f"trunk.{place}.{part}" if int(place) < count else f"last.{part}"
            taken[mine] = widened(value, self.state_dict().get(mine))
        if self.back is None:
            return taken
        taken |= {k.replace("trunk", "back"): v for k, v in taken.items() if k.startswith("trunk")}
        halves = ("direct", "point", "squeeze", "bias", "weight")
        for name in [one for one in taken if one.startswith("last.")]:
            if name.partition(".")[2] in halves:
                taken[name] = taken[name] / 2
            taken[name.replace("last", "last_back")] = taken[name].clone()
        return taken


def _check(colour: str, ahead: int, method: str) -> None:
    if colour not in ("luma", "rgb") or ahead < 0:
        raise ModelError(
            f"recurrent colour '{colour}', ahead {ahead}: accepted: colour 'luma', 'rgb'; ahead "
            "from 0"
        )
    if method not in METHODS:
        raise ModelError(f"recurrent method '{method}': accepted: {', '.join(METHODS)}")
