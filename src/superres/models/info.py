"""The facts of a network that serving, tiling and the model folder need."""

from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar

import torch
from torch import nn

from superres.errors import ModelError


@dataclass(frozen=True)
class ModelInfo:
    """What a generator is, stored beside its weights; sizes are LR pixels."""

    name: str
    options: dict[str, Any] = field(default_factory=dict)
    scale: int = 4
    kind: str = "image"  # image | video
    window: int = 1  # frames needed at once
    halo: int = 0  # real neighbours a tile needs so that tiled equals whole
    multiple_of: int = 1  # height and width must be multiples of this
    minimum: int = 1  # smallest height and width

    def as_dict(self) -> dict[str, Any]:
        """Return the facts as plain JSON values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> "ModelInfo":
        """Read the facts back; ModelError when a key is unknown or missing."""
        try:
            return cls(**content)
        except TypeError as error:
            raise ModelError(
                f"model info: {error}; accepted: {list(cls.__annotations__)}"
            ) from None


class Generator(nn.Module):
    """A network `(N, 3, h, w) -> (N, 3, s*h, s*w)`, both in [0, 1], with its facts."""

    paper: ClassVar[str] = "ours"  # who published it, or the report that asks for it
    scales: ClassVar[tuple[int, ...]] = ()  # that it is made for; empty is every whole number
    info: ModelInfo

    def forward(self, lr: torch.Tensor) -> torch.Tensor:
        """Super-resolve `lr (N, 3, h, w) in [0, 1]`."""
        raise NotImplementedError  # every generator has its own

    def deployed(self) -> "Generator":
        """Return the form that inference should run: itself, or what it was re-parameterised to."""
        return self


def parameter_count(network: nn.Module) -> int:
    """Return the number of learned values."""
    return sum(parameter.numel() for parameter in network.parameters())
