"""Under which protocol a figure was measured, as data: its name says every choice."""

import re
from dataclasses import asdict, dataclass
from typing import Any, Literal

from superres.errors import ConfigError
from superres.metrics import Channel

Rounding = Literal["uint8", "luma", "none"]

ROUNDINGS: dict[str, Rounding] = {"uint8": "uint8", "luma": "luma", "none": "none"}
_FORM = re.compile(r"(y|rgb)(?:-shave([0-9]*))?(?:-(uint8|luma|none))?(-x8)?")
ACCEPTED = "y, rgb, y-shave, rgb-shave0, y-shave4-luma, y-shave-uint8-x8"


@dataclass(frozen=True)
class Protocol:
    """How SR is compared with HR.

    `channel`: the luma of BT.601, or RGB. `shave`: HR pixels cut from each border; None is the
    scale. `rounding`: "uint8", SR as its file would be; "luma", that and whole levels of luma;
    "none", neither. `self_ensemble`: the mean of the eight turned and mirrored results.
    """

    channel: Channel = "y"
    shave: int | None = None
    rounding: Rounding = "uint8"
    self_ensemble: bool = False

    def border(self, scale: int) -> int:
        """Return the HR pixels that are cut from each border at `scale`."""
        return scale if self.shave is None else self.shave

    def name(self, scale: int) -> str:
        """Return the full name, as "y-shave4-uint8" or "rgb-shave0-uint8-x8"."""
        ensemble = "-x8" if self.self_ensemble else ""
        return f"{self.channel}-shave{self.border(scale)}-{self.rounding}{ensemble}"

    def as_dict(self, scale: int) -> dict[str, Any]:
        """Return the name and every option as plain JSON values."""
        return {"name": self.name(scale), **asdict(self), "shave": self.border(scale)}


def read_protocol(name: str) -> Protocol:
    """Return the protocol called CHANNEL[-shave[N]][-uint8|-luma|-none][-x8].

    "y" and "y-shave" shave the scale and round to uint8, as published tables do. Raises
    ConfigError for any other form.
    """
    found = _FORM.fullmatch(name)
    if found is None:
        raise ConfigError(f"protocol '{name}': accepted: {ACCEPTED}")
    channel: Channel = "rgb" if found[1] == "rgb" else "y"
    shave = int(found[2]) if found[2] else None
    return Protocol(channel, shave, ROUNDINGS[found[3] or "uint8"], bool(found[4]))
