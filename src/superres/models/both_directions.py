"""The self-ensemble of a network with a state: the mean of a film forwards and backwards."""

from dataclasses import replace

import torch

from superres.errors import ModelError
from superres.models.video import State, VideoGenerator

AHEAD = 6  # frames later from which the way back begins


class BothDirections(VideoGenerator):
    """Any causal network, also run backwards from `ahead` frames later; for files.

    What it has learned of the past it uses of the future as well: frames after a cut have no past,
    and what one direction got wrong the other halves. About two and a half times the work.
    """

    keeps_state = True

    def __init__(self, network: VideoGenerator, ahead: int = AHEAD) -> None:
        """Raise ModelError for a network that sees later frames or has no state."""
        super().__init__()
        if network.ahead or not network.keeps_state:
            raise ModelError(
                f"model '{network.info.name}': the ensemble of both directions in time is for "
                "networks that keep a state and look at no later frame."
            )
        self.network, self.ahead = network, ahead
        self.info = replace(network.info, window=1 + ahead)

    def piece(
        self, lr: torch.Tensor, state: State | None, later: int
    ) -> tuple[torch.Tensor, State | None]:
        """Go on from the state of the way forwards; the way back begins at the piece's end."""
        forwards, state = self.network.piece(lr, state, later)
        backwards = self.network.piece(lr.flip(1), None, 0)[0].flip(1)
        return (forwards + backwards[:, : forwards.shape[1]]) / 2, state

    def deployed(self) -> "BothDirections":
        """Return the same of the network's plain form."""
        plain = self.network.deployed()
        if not isinstance(plain, VideoGenerator):
            raise ModelError(f"model '{self.info.name}' has a plain form that is not of video")
        return BothDirections(plain, self.ahead)
