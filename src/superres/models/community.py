"""Networks of other projects: any architecture that spandrel knows, rebuilt from its weights.

spandrel (an optional extra) reads an architecture and its sizes off the names and shapes of the
weights, so a model folder of such a network holds its weights and nothing else.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import nn

from superres.errors import ModelError
from superres.models.info import Generator, ModelInfo

_PREFIX = "network."


class Community(Generator):
    """A network that gets its layers with its weights; until then it cannot compute.

    `halo` is measured when a model is imported (superres.inference.reach); `multiple_of` and
    `minimum` are what the architecture asks for.
    """

    paper: ClassVar[str] = "other projects, through spandrel"

    def __init__(
        self,
        *,
        architecture: str,
        scale: int,
        halo: int = 0,
        multiple_of: int = 1,
        minimum: int = 1,
    ) -> None:
        super().__init__()
        options = {
            "architecture": architecture,
            "scale": scale,
            "halo": halo,
            "multiple_of": multiple_of,
            "minimum": minimum,
        }
        self.info = ModelInfo(
            "community", options, scale=scale, halo=halo, multiple_of=multiple_of, minimum=minimum
        )
        self.network: nn.Module | None = None

    def forward(self, lr: torch.Tensor) -> torch.Tensor:
        """Super-resolve `lr (N, 3, h, w) in [0, 1]`; ModelError before weights are loaded."""
        if self.network is None:
            raise ModelError("this network has no layers yet: it gets them with its weights.")
        sr: torch.Tensor = self.network(lr)
        return sr

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False
    ) -> Any:
        """Build the layers that fit the weights, then load them."""
        if self.network is None:
            weights = {name.removeprefix(_PREFIX): value for name, value in state_dict.items()}
            self.network = described(weights).model.eval()
        return super().load_state_dict(state_dict, strict, assign)


def described(weights: Mapping[str, torch.Tensor]) -> Any:
    """Return spandrel's descriptor of the network that these weights belong to.

    Raises ModelError without spandrel, for an architecture that it does not know, and for a
    network that is not RGB in, RGB out.
    """
    try:
        from spandrel import ImageModelDescriptor, ModelLoader, UnsupportedModelError
    except ImportError:
        raise ModelError(
            "this is a network of another project: install superres[community] (spandrel)."
        ) from None
    try:
        found = ModelLoader(torch.device("cpu")).load_from_state_dict(dict(weights))
    except UnsupportedModelError:
        raise ModelError("spandrel knows no architecture with these weights.") from None
    except Exception as error:  # a damaged file fails within whatever layer meets it
        raise ModelError(f"spandrel cannot build a network of these weights ({error}).") from None
    if not isinstance(found, ImageModelDescriptor) or found.purpose not in ("SR", "Restoration"):
        raise ModelError(f"a network for '{found.purpose}'; accepted: super-resolution.")
    if (found.input_channels, found.output_channels) != (3, 3):
        raise ModelError(
            f"a network of {found.input_channels} channels to {found.output_channels}; "
            "accepted: 3 to 3 (RGB)."
        )
    return found
