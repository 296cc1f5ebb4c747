"""Our steady video network: an image network that stays as it is, and a memory beside it.

The image network super-resolves every frame alone. The SR made so far is carried to the next frame
along the flow between their LR frames, at the size of SR (as Sajjadi et al., 2018, FRVSR, with a
flow that is not learned), with features that say how far it can be trusted. Where it differs from
what the frame alone gives is news: a few convolutions see it, folded to LR size, correct the frame,
and a gate per pixel says how much of the news stays: a recursive filter over time whose strength is
learned. What two frames show at different sub-pixel places adds up, and what was decided once does
not change with every frame. A first frame is the image network's, to the last digit.
"""

from typing import Any, ClassVar

import torch
from torch import nn
from torch.nn import functional as F

from superres.errors import ModelError
from superres.models.branched import Layers, settled
from superres.models.fast import Fast
from superres.models.info import ModelInfo
from superres.models.motion import fetched, motion
from superres.models.video import State, VideoGenerator

SEEN = 3  # channels of a frame
OPEN = -2.0  # of the gate before it has learned: sigmoid(-2) = 0.12 of the news stays


class Steady(VideoGenerator):
    """The fast network of `channels`, `layers` and `expansion`, and `fusion` convolutions more.

    These see the features of the frame, the frame, how the frame before it differs where things
    are now, the news, and `memory` channels carried. `hold` keeps the image network as `init` gave
    it and trains the rest. For streams and files alike: it looks at no later frame.
    """

    paper: ClassVar[str] = "ours, after Sajjadi et al., 2018 and Zhang et al., 2021"
    keeps_state = True

    def __init__(
        self,
        *,
        scale: int = 4,
        channels: int = 48,
        layers: int = 12,
        fusion: int = 5,
        memory: int = 16,
        expansion: int = 2,
        hold: bool = True,
        deployed: bool = False,
    ) -> None:
        super().__init__()
        if not 1 <= memory <= channels or fusion < 1:
            raise ModelError(
                f"steady memory {memory}, fusion {fusion}: accepted: memory 1 to {channels} "
                "(channels), fusion from 1"
            )
        self.memory, self.hold = memory, hold
        outside, make = SEEN * scale**2, Layers(expansion, deployed=deployed)
        shape = {"scale": scale, "channels": channels, "layers": layers, "expansion": expansion}
        self.alone = Fast(**shape, colour="rgb", deployed=deployed).requires_grad_(not hold)
        inside = channels + 2 * SEEN + outside + memory
        self.fusion = make.trunk(inside, channels, fusion, seen=channels)
        self.last = make.layer(channels, outside, zero=True)
        self.gate = make.layer(channels, scale**2, zero=True)
        self.shuffle, self.fold = nn.PixelShuffle(scale), nn.PixelUnshuffle(scale)
        options = {
            **shape,
            "fusion": fusion,
            "memory": memory,
            "hold": hold,
            "deployed": deployed,
        }
        halo = layers + fusion + 2
        self.info = ModelInfo("steady", options, scale=scale, kind="video", window=1, halo=halo)

    def forward(self, lr: torch.Tensor) -> torch.Tensor:
        """Super-resolve a whole clip; of one frame, a picture, without making a memory of it."""
        if lr.shape[1] == 1:
            sr: torch.Tensor = self.alone(lr[:, 0])
            return sr[:, None]
        return super().forward(lr)

    def piece(
        self, lr: torch.Tensor, state: State | None, later: int
    ) -> tuple[torch.Tensor, State | None]:
        """Go on from the frame of the piece before, its SR and the memory."""
        made = []
        for frame in lr.unbind(dim=1)[: lr.shape[1] - later]:
            with torch.set_grad_enabled(torch.is_grad_enabled() and not self.hold):
                features = self.alone.body[:-2](frame)
                own = self.alone.skip(frame) + self.alone.body[-2:](features)
            sr, memory = self._remembering(frame, features, own, state)
            state = {"frame": frame, "sr": sr.clamp(0, 1), "memory": memory}
            made.append(sr)
        return torch.stack(made, dim=1), state

    def _remembering(
        self, frame: torch.Tensor, features: torch.Tensor, own: torch.Tensor, state: State | None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return SR and what to remember; `features` and `own` are of the frame alone."""
        if state is None:  # nothing was seen
            change, news = torch.zeros_like(frame), torch.zeros_like(own)
            memory = frame.new_zeros(len(frame), self.memory, *frame.shape[-2:])
        else:
            flow = motion(frame, state["frame"], "dis-fine")
            scale = self.info.scale
            large = F.interpolate(flow, scale_factor=scale, mode="bilinear") * scale
            change = fetched(state["frame"], flow) - frame
            news = fetched(state["sr"], large) - own
            memory = fetched(state["memory"], flow)
        seen = torch.cat([features, frame, change, self.fold(news), memory], dim=1)
        made = self.fusion(seen)
        memory = F.softsign(made[:, : self.memory])  # within (-1, 1): nothing grows over a film
        if state is None:
            return own, memory
        more = self.shuffle(self.last(made))
        stays = torch.sigmoid(self.shuffle(self.gate(made)) + OPEN)
        return own + more + stays * (news - more), memory

    @torch.no_grad()
    def deployed(self) -> "Steady":
        """Return the plain network that computes the same."""
        return settled(self, Steady(**{**self.info.options, "deployed": True}))

    def from_image_network(self, weights: dict[str, Any]) -> dict[str, Any]:
        """Return weights of a fast network as this network's; the memory begins anew."""
        taken = {name: v for name, v in self.state_dict().items() if not name.startswith("alone.")}
        return {**taken, **{f"alone.{name}": value for name, value in weights.items()}}
