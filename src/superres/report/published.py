"""Numbers of others: published benchmarks and the five reports, always marked as theirs."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

FILE = Path(__file__).with_name("published.yaml")
SETS = ("Set5", "Set14", "BSD100", "Urban100")


@dataclass(frozen=True)
class Published:
    """One published row: luma, shaved by the scale, LR by MATLAB's bicubic."""

    name: str
    scale: int
    parameters: str
    source: str
    scores: dict[str, tuple[float | None, float | None]]  # set -> PSNR dB, SSIM


@dataclass(frozen=True)
class Reported:
    """One figure of a report, on its own data with its own protocol."""

    report: str
    name: str
    scale: int | None
    data: str
    psnr: float
    ssim: float | None = None
    mse: float | None = None


@cache
def _content() -> dict[str, Any]:
    import yaml

    return dict(yaml.safe_load(FILE.read_text(encoding="utf-8")))


def published(scale: int) -> list[Published]:
    """Return the published rows of one scale."""
    return [
        Published(
            name=row["name"],
            scale=row["scale"],
            parameters=row.get("parameters", ""),
            source=row["source"],
            scores={name: (row[name][0], row[name][1]) for name in SETS if name in row},
        )
        for row in _content()["benchmarks"]
        if row["scale"] == scale
    ]


def reported() -> list[Reported]:
    """Return the figures of the five reports."""
    return [Reported(**row) for row in _content()["reports"]]
