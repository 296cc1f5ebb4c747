"""superres: raw pixels in, a gated, served super-resolution model out."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from superres.client import Client
    from superres.inference.upscaler import Upscaler

__all__ = ["Client", "__version__", "load"]
__version__ = "0.1.0"


def load(model: "str | Path" = "champion", *, tile: int | None = None) -> "Upscaler":
    """Open a model to upscale with: the champion, a name (`fast-x4`, `bicubic`) or a model folder.

    Until there is a champion, that is the shipped quality-x4.
    `superres.load("bicubic").image("photo.png")`. Torch is imported here, not before.
    """
    from superres.checkpoint import load_model
    from superres.inference.upscaler import Upscaler

    return Upscaler(load_model(model), tile=tile)


def __getattr__(name: str) -> "type[Client]":
    """Import the client when it is asked for: it is above all that reads the version here."""
    if name != "Client":
        raise AttributeError(f"module 'superres' has no attribute '{name}'")
    client: type[Client] = import_module("superres.client").Client
    return client
