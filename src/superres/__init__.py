"""superres: raw pixels in, a gated, served super-resolution model out."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from superres.inference.upscaler import Upscaler

__all__ = ["__version__", "load"]
__version__ = "0.1.0"


def load(model: "str | Path" = "champion", *, tile: int | None = None) -> "Upscaler":
    """Open a model to upscale with: the champion, a baseline's name or a model folder.

    `superres.load("bicubic").image("photo.png")`. Torch is imported here, not before.
    """
    from superres.checkpoint import load_model
    from superres.inference.upscaler import Upscaler

    return Upscaler(load_model(model), tile=tile)
