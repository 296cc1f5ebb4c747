"""3-D convolutions over five frames (report R3): two before, the frame, two after."""

from typing import ClassVar

import torch
from torch import nn

from superres.errors import ModelError
from superres.models.blocks import upsampling
from superres.models.info import ModelInfo
from superres.models.interpolation import Interpolation
from superres.models.video import State, VideoGenerator

BESIDE = 2  # frames on either side


class VolumeBlock(nn.Module):
    """Two 3x3x3 convolutions around PReLU, added to the input: SRGAN's block with time."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv3d(channels, channels, 3, padding=1),
            nn.PReLU(),
            nn.Conv3d(channels, channels, 3, padding=1),
        )

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Refine `features (N, C, T, h, w)`."""
        refined: torch.Tensor = features + self.body(features)
        return refined


class Volume(VideoGenerator):
    """SRGAN's generator with 3-D convolutions, five LR frames to the SR of the middle one.

    `frames="raw"` sees the frames as they are, "differences" the neighbours minus the middle one:
    R3's idea to make motion visible. At the ends of a clip its first or last frame stands for
    those that are missing. `skip` as in SRResNet; the report's convolution has none.
    """

    paper: ClassVar[str] = "R3 (Liu, Spero, Raventos)"
    scales: ClassVar[tuple[int, ...]] = (2, 4, 8)
    behind = BESIDE
    ahead = BESIDE

    def __init__(
        self,
        *,
        scale: int = 4,
        channels: int = 64,
        blocks: int = 4,
        frames: str = "raw",
        upsampler: str = "pixel_shuffle",
        skip: str = "none",
    ) -> None:
        super().__init__()
        if frames not in ("raw", "differences") or skip not in ("none", "bicubic"):
            raise ModelError(
                f"volume frames '{frames}', skip '{skip}': accepted: frames 'raw', 'differences'; "
                "skip 'none', 'bicubic'"
            )
        self.differences = frames == "differences"
        self.head = nn.Sequential(nn.Conv3d(3, channels, 3, padding=1), nn.PReLU())
        self.body = nn.Sequential(*(VolumeBlock(channels) for _ in range(blocks)))
        # All five moments become one.
        depth = 2 * BESIDE + 1
        self.flat = nn.Sequential(
            nn.Conv3d(channels, channels, (depth, 3, 3), padding=(0, 1, 1)), nn.PReLU()
        )
        self.up = upsampling(upsampler, channels, scale)
        self.tail = nn.Conv2d(channels, 3, 9, padding=4)
        self.skip = Interpolation(scale=scale, kernel="bicubic") if skip == "bicubic" else None
        if self.skip is not None:
            nn.init.zeros_(self.tail.weight)
            nn.init.zeros_(self.tail.bias) if self.tail.bias is not None else None
        options = {
            "scale": scale,
            "channels": channels,
            "blocks": blocks,
            "frames": frames,
            "upsampler": upsampler,
            "skip": skip,
        }
        halo = 1 + 2 * blocks + 1 + (scale.bit_length() - 1) + -(-4 // scale)
        self.info = ModelInfo("volume", options, scale=scale, kind="video", window=depth, halo=halo)

    def piece(
        self, lr: torch.Tensor, state: State | None, later: int
    ) -> tuple[torch.Tensor, State | None]:
        """Super-resolve each frame from its window; there is no state."""
        count, length = lr.shape[:2]
        wanted = length - later
        moments = torch.arange(wanted, device=lr.device)[:, None]
        beside = torch.arange(-BESIDE, BESIDE + 1, device=lr.device)[None, :]
        windows = lr[:, (moments + beside).clamp(0, length - 1)]  # N, T, 5, 3, h, w
        windows = windows.flatten(0, 1).transpose(1, 2)
        middle = windows[:, :, BESIDE]
        if self.differences:
            changes = windows - middle[:, :, None]
            parts = [changes[:, :, :BESIDE], middle[:, :, None], changes[:, :, BESIDE + 1 :]]
            windows = torch.cat(parts, dim=2)
        features = self.flat(self.body(self.head(windows)))[:, :, 0]
        sr = self.tail(self.up(features))
        if self.skip is not None:
            sr = sr + self.skip(middle)
        return sr.unflatten(0, (count, wanted)), None
