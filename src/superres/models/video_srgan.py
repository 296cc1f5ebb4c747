"""R5's ladder (Wen, UC Santa Cruz): video SRGAN, + recurrence, + alignment by smoothed motion."""

from typing import ClassVar

import torch
from torch import nn

from superres.errors import ModelError
from superres.models.blocks import ResidualBlock, icnr, upsampling
from superres.models.info import ModelInfo
from superres.models.interpolation import Interpolation
from superres.models.motion import METHODS, blurred, fetched, motion
from superres.models.video import State, VideoGenerator

SMOOTHINGS = ("none", "exponential", "gaussian")
ALPHA = 0.9  # weight of the newest flow: the report's value
SIGMA = 2.0  # LR pixels


class ConvLSTM(nn.Module):
    """An LSTM whose gates are 3x3 convolutions, so that any size goes (Shi et al., 2015).

    R5's own is fully connected and tied to one size.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gates = nn.Conv2d(2 * channels, 4 * channels, 3, padding=1)

    def forward(
        self, features: torch.Tensor, hidden: torch.Tensor, cell: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the new hidden state and cell, each `(N, C, h, w)`."""
        gates = self.gates(torch.cat([features, hidden], dim=1))
        enter, forget, leave, fresh = gates.chunk(4, dim=1)
        cell = torch.sigmoid(forget + 1) * cell + torch.sigmoid(enter) * torch.tanh(fresh)
        return torch.sigmoid(leave) * torch.tanh(cell), cell


class VideoSRGAN(VideoGenerator):
    """SRGAN's generator, frame by frame or with a memory; output (tanh + 1) / 2.

    `recurrent`: a ConvLSTM over the features of the frames, added to them. `align`: "none", or a
    flow by which the frame before, shown beside the frame, and the memory are remapped to where
    things are now. `smoothing` of that flow: "exponential" over time, or "gaussian" over its
    neighbourhood. `skip="bicubic"` adds the bicubic image instead of tanh: our variant for short
    trainings.
    """

    paper: ClassVar[str] = "R5 (Wen)"
    scales: ClassVar[tuple[int, ...]] = (2, 4, 8)

    def __init__(
        self,
        *,
        scale: int = 4,
        blocks: int = 16,
        channels: int = 64,
        recurrent: bool = False,
        align: str = "none",
        smoothing: str = "none",
        norm: bool = True,
        skip: str = "none",
    ) -> None:
        super().__init__()
        _check(align, smoothing, skip)
        self.align, self.smoothing = align, smoothing
        self.keeps_state = recurrent or align != "none"
        seen = 3 if align == "none" else 6
        self.head = nn.Sequential(nn.Conv2d(seen, channels, 9, padding=4), nn.PReLU())
        self.body = nn.Sequential(
            *(ResidualBlock(channels, norm=norm) for _ in range(blocks)),
            nn.Conv2d(channels, channels, 3, padding=1),
            nn.BatchNorm2d(channels) if norm else nn.Identity(),
        )
        self.memory = ConvLSTM(channels) if recurrent else None
        self.up = upsampling("pixel_shuffle", channels, scale)
        for module in self.up:
            if isinstance(module, nn.Conv2d):
                icnr(module)
        self.tail = nn.Conv2d(channels, 3, 9, padding=4)
        self.skip = Interpolation(scale=scale, kernel="bicubic") if skip == "bicubic" else None
        if self.skip is not None:
            nn.init.zeros_(self.tail.weight)
            nn.init.zeros_(self.tail.bias) if self.tail.bias is not None else None
        options = {
            "scale": scale,
            "blocks": blocks,
            "channels": channels,
            "recurrent": recurrent,
            "align": align,
            "smoothing": smoothing,
            "norm": norm,
            "skip": skip,
        }
        halo = 4 + 2 * blocks + 1 + int(recurrent) + (scale.bit_length() - 1) + -(-4 // scale)
        self.info = ModelInfo("video_srgan", options, scale=scale, kind="video", halo=halo)

    def piece(
        self, lr: torch.Tensor, state: State | None, later: int
    ) -> tuple[torch.Tensor, State | None]:
        """Go frame by frame; the state is the frame before, the memory and the smoothed flow."""
        made = []
        for frame in lr.unbind(dim=1)[: lr.shape[1] - later]:
            state = self._arrived(frame, state)
            shallow = self.head(self._shown(frame, state))
            features = shallow + self.body(shallow)
            if self.memory is not None:
                if "hidden" not in state:
                    state["hidden"] = state["cell"] = torch.zeros_like(features)
                state["hidden"], state["cell"] = self.memory(
                    features, state["hidden"], state["cell"]
                )
                features = features + state["hidden"]
            made.append(self._finished(features, frame))
            state["before"] = frame
        return torch.stack(made, dim=1), state if self.keeps_state else None

    def _arrived(self, frame: torch.Tensor, state: State | None) -> State:
        """Return the state of the frame before, remapped to where things are in this one."""
        if state is None:
            return {"before": frame}
        if self.align == "none":
            return dict(state)
        flow = motion(frame, state["before"], self.align)
        if self.smoothing == "exponential" and "flow" in state:
            flow = ALPHA * flow + (1 - ALPHA) * state["flow"]
        if self.smoothing == "gaussian":
            flow = blurred(flow, SIGMA)
        moved = {name: fetched(value, flow) for name, value in state.items() if name != "flow"}
        return moved | {"flow": flow}

    def _shown(self, frame: torch.Tensor, state: State) -> torch.Tensor:
        return frame if self.align == "none" else torch.cat([frame, state["before"]], dim=1)

    def _finished(self, features: torch.Tensor, frame: torch.Tensor) -> torch.Tensor:
        sr: torch.Tensor = self.tail(self.up(features))
        return (torch.tanh(sr) + 1) / 2 if self.skip is None else sr + self.skip(frame)


def _check(align: str, smoothing: str, skip: str) -> None:
    known = ("none", *METHODS)
    if align not in known or smoothing not in SMOOTHINGS or skip not in ("none", "bicubic"):
        raise ModelError(
            f"video_srgan align '{align}', smoothing '{smoothing}', skip '{skip}': accepted: align "
            f"{', '.join(known)}; smoothing {', '.join(SMOOTHINGS)}; skip none, bicubic"
        )
    if smoothing != "none" and align == "none":
        raise ModelError(f"video_srgan smoothing '{smoothing}' needs a flow: align dis, farneback")
