"""The promotion gate: a challenger against bicubic, the champion and the budgets, as pure data."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from superres.config import GateParams

Scores = Mapping[str, Mapping[str, float]]  # set -> metric -> mean
TIME = "time as a ratio to bicubic"
MAX_DIFFERENCE = 1  # grey levels between two ways to compute the same picture


@dataclass(frozen=True)
class Figures:
    """What the gate knows about one model, measured under one protocol."""

    version: str
    data_sha256: str  # of the test data
    protocol: str
    scores: Scores
    colour_shift: float  # grey levels between the mean colours of SR and LR, worst picture
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
    scores: Scores = field(default_factory=dict)  # the challenger's, as they were judged

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
        """Return the verdict as plain JSON values; a figure that is not finite is None."""
        scores = {
            name: {key: value if math.isfinite(value) else None for key, value in row.items()}
            for name, row in self.scores.items()
        }
        return {**asdict(self), "scores": scores, "passed": self.passed}


def judge(
    challenger: Figures, bicubic: Figures, champion: Figures | None, params: GateParams
) -> Verdict:
    """Compare a challenger with bicubic and the champion; every rule is always reported."""
    checks = [_same_ground(challenger, bicubic, champion), _finite(challenger)]
    checks += _beats_bicubic(challenger, bicubic, params)
    checks.append(_beats_champion(challenger, champion, params))
    checks += _budgets(challenger, bicubic, params)
    before = champion.version if champion else None
    return Verdict(challenger.version, before, tuple(checks), challenger.scores)


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
    rules = {name: f"PSNR-Y above bicubic on {name}" for name in challenger.scores}
    return [
        _gain(rule, _psnr(challenger, name), _psnr(bicubic, name), params.min_gain_over_bicubic)
        for name, rule in rules.items()
    ]


def _beats_champion(challenger: Figures, champion: Figures | None, params: GateParams) -> Check:
    rule, wanted = "mean PSNR-Y above the champion", params.min_gain_over_champion
    if champion is None:
        return Check(rule, True, "no champion", f">= {wanted:+.3f} dB")
    means = [
        sum(_psnr(figures, name) for name in challenger.scores) / max(1, len(challenger.scores))
        for figures in (challenger, champion)
    ]
    return _gain(rule, means[0], means[1], wanted)


def _psnr(figures: Figures, name: str) -> float:
    return figures.scores.get(name, {}).get("psnr_y", math.nan)


def _gain(rule: str, ours: float, theirs: float, wanted: float) -> Check:
    gain = ours - theirs
    found = f"{gain:+.3f} dB ({ours:.3f} against {theirs:.3f})"
    return Check(rule, gain >= wanted, found, f">= {wanted:+.3f} dB")


def _budgets(challenger: Figures, bicubic: Figures, params: GateParams) -> list[Check]:
    ratio = challenger.ms / bicubic.ms if bicubic.ms > 0 else math.inf
    return [
        Check(
            TIME,
            ratio <= params.max_ms_ratio_to_bicubic,
            f"{ratio:.1f} ({challenger.ms:.1f} ms against {bicubic.ms:.1f})",
            f"<= {params.max_ms_ratio_to_bicubic:g}",
        ),
        Check(
            "parameters",
            challenger.parameters <= params.max_parameters,
            f"{challenger.parameters:,}",
            f"<= {params.max_parameters:,}",
        ),
        Check(
            "colour shift against LR, worst picture",
            challenger.colour_shift <= params.max_colour_shift,
            f"{challenger.colour_shift:.2f} grey levels",
            f"<= {params.max_colour_shift:g}",
        ),
        _equal("tiled equals whole", challenger.tiled_difference),
        _equal("exported equals torch", challenger.export_difference),
    ]


def _equal(rule: str, difference: int | None) -> Check:
    found = "not exported" if difference is None else f"{difference} grey levels"
    passed = difference is not None and difference <= MAX_DIFFERENCE
    return Check(rule, passed, found, f"<= {MAX_DIFFERENCE}")
