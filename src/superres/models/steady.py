"""Our steady video network: it carries the detail it made, not only what it was made of.

The detail that a frame got beyond bicubic is carried to the next frame along the flow between
their LR frames, at the size of SR (as Sajjadi et al., 2018, FRVSR, with a flow that is not
learned). There the network sees it, folded to LR size, and a gate per pixel says how much of it
stays: a recursive filter over time whose strength is learned. What two frames show at different
sub-pixel places adds up, and what was decided once does not change with every frame.
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
OPEN = -1.0  # of the gate before it has learned: sigmoid(-1) = 0.27 of what is carried stays


class Steady(VideoGenerator):
    """`layers` convolutions of `channels` a frame, one to the detail, one to the gate.

    The first sees the frame, how the frame before it differs where things are now, and the detail
    carried. For streams and files alike: it looks at no later frame. `colour` and `expansion` as
    in the fast network.
    """

    paper: ClassVar[str] = "ours, after Sajjadi et al., 2018 and Zhang et al., 2021"
    keeps_state = True

    def __init__(
        self,
        *,
        scale: int = 4,
        channels: int = 48,
        layers: int = 12,
        expansion: int = 2,
        colour: str = "rgb",
        method: str = "dis",
        deployed: bool = False,
    ) -> None:
        super().__init__()
        if colour not in ("luma", "rgb") or method not in METHODS:
            raise ModelError(
                f"steady colour '{colour}', method '{method}': accepted: colour 'luma', 'rgb'; "
                f"method {', '.join(METHODS)}"
            )
        self.method, self.planes = method, 1 if colour == "luma" else 3
        outside, inside = self.planes * scale**2, 2 * SEEN + self.planes * scale**2
        make = Layers(expansion, deployed=deployed)
        self.trunk = make.trunk(inside, channels, layers, seen=SEEN)
        self.last = make.layer(channels, outside, zero=True)
        self.gate = make.layer(channels, scale**2, zero=True)
        self.shuffle, self.fold = nn.PixelShuffle(scale), nn.PixelUnshuffle(scale)
        self.skip = Interpolation(scale=scale, kernel="bicubic")
        options = {
            "scale": scale,
            "channels": channels,
            "layers": layers,
            "expansion": expansion,
            "colour": colour,
            "method": method,
            "deployed": deployed,
        }
        self.info = ModelInfo(
            "steady", options, scale=scale, kind="video", window=1, halo=layers + 1
        )

    def piece(
        self, lr: torch.Tensor, state: State | None, later: int
    ) -> tuple[torch.Tensor, State | None]:
        """Go on from the frame of the piece before and the detail that it got."""
        made = []
        for frame in lr.unbind(dim=1)[: lr.shape[1] - later]:
            detail = self._detail(frame, state)
            state = {"frame": frame, "detail": detail.clamp(-1, 1)}  # all that pixels can need
            made.append(self.skip(frame) + detail)
        return torch.stack(made, dim=1), state

    def _detail(self, frame: torch.Tensor, state: State | None) -> torch.Tensor:
        scale = self.info.scale
        if state is None:  # nothing was seen
            size = [scale * side for side in frame.shape[-2:]]
            carried = frame.new_zeros(len(frame), self.planes, *size)
            change = torch.zeros_like(frame)
        else:
            flow = motion(frame, state["frame"], self.method)
            change = fetched(state["frame"], flow) - frame
            large = F.interpolate(flow, scale_factor=scale, mode="bilinear") * scale
            carried = fetched(state["detail"], large)
        features = self.trunk(torch.cat([frame, change, self.fold(carried)], dim=1))
        own: torch.Tensor = self.shuffle(self.last(features))
        if state is None:
            return own
        stays = torch.sigmoid(self.shuffle(self.gate(features)) + OPEN)
        return own + stays * (carried - own)

    @torch.no_grad()
    def deployed(self) -> "Steady":
        """Return the plain network that computes the same."""
        return settled(self, Steady(**{**self.info.options, "deployed": True}))

    def from_image_network(self, weights: dict[str, Any]) -> dict[str, Any]:
        """Return weights of a fast network as this network's; what is carried is not seen yet."""
        count, own = 2 * int(self.info.options["layers"]), self.state_dict()
        taken = {name: value for name, value in own.items() if name.startswith("gate.")}
        for name, value in weights.items():
            _, place, part = name.split(".", 2)
            mine = f"trunk.{place}.{part}" if int(place) < count else f"last.{part}"
            taken[mine] = widened(value, own.get(mine))
        return taken
