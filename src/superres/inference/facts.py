"""What the engine asks of a model and of what computes it."""

from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


class Facts(Protocol):
    """What tiling must know of a network: ModelInfo, or what an export's model.json says."""

    @property
    def name(self) -> str:
        """Which network."""
        ...

    @property
    def kind(self) -> str:
        """Return "image" or "video"."""
        ...

    @property
    def scale(self) -> int:
        """The factor."""
        ...

    @property
    def halo(self) -> int:
        """Real neighbours that a tile needs, LR pixels."""
        ...

    @property
    def multiple_of(self) -> int:
        """Height and width must be multiples of this."""
        ...

    @property
    def minimum(self) -> int:
        """Smallest height and width."""
        ...


class Opened(Protocol):
    """A model that a backend can open: a `checkpoint.Model`, or an export without its network."""

    @property
    def info(self) -> Facts:
        """Facts of the network."""
        ...

    @property
    def provenance(self) -> dict[str, Any]:
        """Where it comes from."""
        ...

    @property
    def folder(self) -> Path | None:
        """The model folder."""
        ...

    @property
    def version(self) -> str:
        """Short name of exactly these weights."""
        ...


class Backend(Protocol):
    """A network ready to compute; called from several threads at once.

    A backend may also have `levels(lr, crop)`: (h, w, 3) uint8 -> the crop of the result as
    (height, width, 3) uint8, clamped and rounded, or None where it cannot.
    """

    name: str

    def __call__(self, lr: Floats) -> Floats:
        """Super-resolve `lr (N, 3, h, w) in [0, 1]`."""
        ...

    def best_tile(self, halo: int) -> int:
        """Return the core size in LR pixels that suits device and memory; 0 is the whole."""
        ...


def is_int8(model: Opened) -> bool:
    """Tell whether the model is what its export is: quantised weights, which no network here has.

    Its folder also holds the floats that it was quantised from.
    """
    return model.provenance.get("precision") == "int8"
