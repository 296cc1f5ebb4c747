"""An upscaler and the name under which clients ask for it."""

from pathlib import Path
from typing import NamedTuple

from superres.config import ServingParams
from superres.inference.backends import Opened
from superres.inference.upscaler import Upscaler


class Which(NamedTuple):
    """Who computes, in the words of headers and metrics; `network` is the kind of network."""

    model: str
    version: str
    network: str


class Served(Upscaler):
    """A model as it is served: two of the same network are told apart by `name`."""

    def __init__(self, name: str, model: Opened, folder: Path | None, params: ServingParams):
        tile = None if params.tile == "auto" else params.tile
        # A baseline has no export: without a folder only torch computes.
        super().__init__(model, tile=tile, backend=params.backend if folder else "auto")
        self.name = name

    @property
    def which(self) -> Which:
        """Name, version and network."""
        return Which(self.name, self.version, self.info.name)
