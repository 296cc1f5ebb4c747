"""What generators of video have besides: clips in and out, and a state that goes on."""

import torch

from superres.models.info import Generator

State = dict[str, torch.Tensor]  # (N, ...) tensors


class VideoGenerator(Generator):
    """A network `(N, T, 3, h, w) -> (N, T, 3, s*h, s*w)`, both in [0, 1]; T is any from 1.

    A frame of SR is made of its own LR, `behind` frames before, `ahead` frames after, and, where
    `keeps_state`, of a state that sums up everything before. `info.window` is behind + 1 + ahead.
    A clip that comes in pieces gives the same as the whole: exactly, but for what a network with
    a state sees beyond `ahead`.
    """

    behind: int = 0
    ahead: int = 0
    keeps_state: bool = False

    def forward(self, lr: torch.Tensor) -> torch.Tensor:
        """Super-resolve a whole clip `lr (N, T, 3, h, w) in [0, 1]`."""
        return self.piece(lr, None, 0)[0]

    def piece(
        self, lr: torch.Tensor, state: State | None, later: int
    ) -> tuple[torch.Tensor, State | None]:
        """Super-resolve all frames of `lr` but the last `later`, which are only looked at.

        `state` is what the piece before returned: of the moment before the first frame; None at
        the start of a scene. The new state is of the last frame that was super-resolved.
        """
        raise NotImplementedError  # every network has its own
