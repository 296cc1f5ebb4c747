"""The promotion gate: a challenger against bicubic, the champion and the budgets, as pure data."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from superres.config import GateParams

Scores = Mapping[str, Mapping[str, float]]  # set -> metric -> mean


@dataclass(frozen=True)
class Figures:
    """What the gate knows about one model, measured under one protocol."""

    version: str
    data_sha256: str  # of the test data
    protocol: str
    scores: Scores
    parameters: int
    ms: float  # for one picture, interleaved with the others
    tiled_difference: int  # grey levels, worst pixel, tiled against whole
    export_difference: int | None  # the same, exported against torch; None: not exported


@dataclass(frozen=True)
class Check:
    """One rule, what was found and what is accepted."""

    rule: str
    passed: bool
    found: str
    accepted: str


@dataclass(frozen=True)
class Verdict:
    """Why a challenger was promoted or refused."""

    challenger: str
    champion: str | None
    checks: tuple[Check, ...]

    @property
    def passed(self) -> bool:
        """Tell whether every rule was kept."""
        return all(check.passed for check in self.checks)

    @property
    def reasons(self) -> list[str]:
        """Return the broken rules in words."""
        return [
            f"{check.rule}: found {check.found}, accepted {check.accepted}"
            for check in self.checks
            if not check.passed
        ]

    def as_dict(self) -> dict[str, Any]:
        """Return the verdict as plain JSON values."""
        return {**asdict(self), "passed": self.passed}


def judge(
    challenger: Figures, bicubic: Figures, champion: Figures | None, params: GateParams
) -> Verdict:
    """Compare a challenger with bicubic and the champion; every rule is always reported."""
    checks = [_same_ground(challenger, bicubic, champion), _finite(challenger)]
    checks += _beats_bicubic(challenger, bicubic, params)
    if champion is not None:
        checks.append(_beats_champion(challenger, champion, params))
    checks += _budgets(challenger, bicubic, params)
    return Verdict(challenger.version, champion.version if champion else None, tuple(checks))


def _same_ground(challenger: Figures, bicubic: Figures, champion: Figures | None) -> Check:
    others = [bicubic, champion] if champion else [bicubic]
    wanted = (challenger.data_sha256, challenger.protocol, sorted(challenger.scores))
    same = all((one.data_sha256, one.protocol, sorted(one.scores)) == wanted for one in others)
    found = ", ".join(f"{one.data_sha256[:12]} {one.protocol}" for one in [challenger, *others])
    return Check("same data and protocol for all", same, found, "one data hash, one protocol")


def _finite(challenger: Figures) -> Check:
    values = [value for metrics in challenger.scores.values() for value in metrics.values()]
    good = bool(values) and all(math.isfinite(value) for value in values)
    return Check("finite figures", good, "all finite" if good else "NaN or none", "all finite")


def _beats_bicubic(challenger: Figures, bicubic: Figures, params: GateParams) -> list[Check]:
    checks = []
    for name, metrics in challenger.scores.items():
        gain = metrics["psnr_y"] - bicubic.scores.get(name, {}).get("psnr_y", math.nan)
        rule = f"PSNR-Y above bicubic on {name}"
        wanted = params.min_gain_over_bicubic
        checks.append(Check(rule, gain >= wanted, f"{gain:+.3f} dB", f">= {wanted:+.3f} dB"))
    return checks


def _beats_champion(challenger: Figures, champion: Figures, params: GateParams) -> Check:
    gains = [
        metrics["psnr_y"] - champion.scores.get(name, {}).get("psnr_y", math.nan)
        for name, metrics in challenger.scores.items()
    ]
    gain = sum(gains) / len(gains) if gains else math.nan
    wanted = params.min_gain_over_champion
    rule = f"mean PSNR-Y above the champion {champion.version}"
    return Check(rule, gain >= wanted, f"{gain:+.3f} dB", f">= {wanted:+.3f} dB")


def _budgets(challenger: Figures, bicubic: Figures, params: GateParams) -> list[Check]:
    ratio = challenger.ms / bicubic.ms if bicubic.ms > 0 else math.inf
    shift = max(
        (metrics["colour_shift"] for metrics in challenger.scores.values()), default=math.nan
    )
    exported = challenger.export_difference
    return [
        Check(
            "time as a ratio to bicubic",
            ratio <= params.max_ms_ratio_to_bicubic,
            f"{ratio:.1f}",
            f"<= {params.max_ms_ratio_to_bicubic:g}",
        ),
        Check(
            "parameters",
            challenger.parameters <= params.max_parameters,
            f"{challenger.parameters:,}",
            f"<= {params.max_parameters:,}",
        ),
        Check(
            "colour shift against LR",
            shift <= params.max_colour_shift,
            f"{shift:.2f} grey levels",
            f"<= {params.max_colour_shift:g}",
        ),
        Check(
            "tiled equals whole",
            challenger.tiled_difference <= 1,
            f"{challenger.tiled_difference} grey levels",
            "<= 1",
        ),
        Check(
            "exported equals torch",
            exported is not None and exported <= 1,
            "not exported" if exported is None else f"{exported} grey levels",
            "<= 1",
        ),
    ]
