"""Forward passes in bfloat16 or float16 where that is faster; everything else stays float32.

A network that runs so keeps float32 weights and gives float32 images and logits, so that losses,
gradients, optimizers and averages are those of float32 training (Micikevicius et al., 2018).
float16 needs the loss scaled so that small gradients do not vanish; bfloat16 does not.
"""

import logging
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from superres.config import TrainingParams

log = logging.getLogger(__name__)

DTYPES = {"fp32": None, "bf16": torch.bfloat16, "fp16": torch.float16}
FIRST_SCALE = 2.0**14  # of losses in float16; halved by each overflow


class Lowered:
    """Stands in front of a network's method and runs it under autocast.

    `dtype` None: as if it were not there. `always`: also while the network does not train.
    """

    def __init__(
        self, network: nn.Module, call: Callable[..., Any], dtype: torch.dtype, always: bool
    ) -> None:
        self.network = network
        self.call = call
        self.dtype: torch.dtype | None = dtype
        self.always = always

    def __call__(self, *given: Any) -> Any:
        """Return what the method returns, float tensors as float32."""
        if self.dtype is None or not (self.always or self.network.training):
            return self.call(*given)
        with torch.autocast(given[0].device.type, self.dtype):
            return _float(self.call(*given))


class Precision:
    """Which of a run's networks compute in fewer bits, and the scales of their losses."""

    def __init__(self, params: TrainingParams, device: str) -> None:
        self.device = torch.device(device)
        self.dtype = _supported(params.precision, self.device)
        self._in_fp32: set[str] = set(params.fp32_networks)
        self._lowered: dict[str, list[Lowered]] = {}
        self._scalers: dict[str, torch.amp.GradScaler] = {}

    def lower(self, name: str, network: nn.Module, method: str = "forward") -> None:
        """Let a network's `method` run in fewer bits, unless params.yaml excepts it."""
        if self.dtype is None or name in self._in_fp32:
            return
        always = name == "features"
        stand_in = Lowered(network, getattr(network, method), self.dtype, always)
        setattr(network, method, stand_in)
        self._lowered.setdefault(name, []).append(stand_in)
        if self.dtype == torch.float16 and not always:
            self._scalers[name] = torch.amp.GradScaler(self.device.type, init_scale=FIRST_SCALE)

    def scaled(self, name: str, loss: torch.Tensor) -> torch.Tensor:
        """Return the loss as its gradient is to be computed."""
        scaler = self._scalers.get(name)
        return loss if scaler is None else scaler.scale(loss)

    def unscale(self, name: str, optimizer: torch.optim.Optimizer) -> None:
        """Divide the gradients by the scale again, and adapt the scale to what was found."""
        scaler = self._scalers.get(name)
        if scaler is not None:
            scaler.unscale_(optimizer)
            scaler.update()

    def fall_back(self, name: str) -> bool:
        """Let a network compute in float32 from now on; False when it does already."""
        if name not in self._lowered:
            return False
        for stand_in in self._lowered.pop(name):
            stand_in.dtype = None
        self._scalers.pop(name, None)
        self._in_fp32.add(name)
        return True

    def state(self) -> dict[str, Any]:
        """Return the scales, and which networks fell back."""
        scales = {name: scaler.state_dict() for name, scaler in self._scalers.items()}
        return {"scales": scales, "fp32": sorted(self._in_fp32)}

    def restore(self, state: dict[str, Any]) -> None:
        """Take them back."""
        for name in state["fp32"]:
            self.fall_back(name)
        self._in_fp32 |= set(state["fp32"])
        for name, scale in state["scales"].items():
            if name in self._scalers:
                self._scalers[name].load_state_dict(scale)


def _float(made: Any) -> Any:
    if isinstance(made, torch.Tensor):
        return made.float() if made.is_floating_point() else made
    if isinstance(made, list | tuple):
        return type(made)(_float(one) for one in made)
    return made


def _supported(wanted: str, device: torch.device) -> torch.dtype | None:
    """Return the type, or None with a warning where the device cannot convolve in it."""
    dtype = DTYPES[wanted]
    if dtype is None:
        return None
    needs_check = device.type == "cuda" and dtype == torch.bfloat16
    try:
        if needs_check and not torch.cuda.is_bf16_supported(including_emulation=False):
            raise RuntimeError("no bfloat16 in this GPU")
        probe = torch.ones(1, 1, 3, 3, device=device, dtype=dtype)
        torch.nn.functional.conv2d(probe, probe)
    except RuntimeError as error:
        log.warning("precision %s: not on this device (%s); fp32 is used", wanted, error)
        return None
    return dtype
