"""The gate's rules of quality: above bicubic, above the champion beyond chance, steady in time.

A network trained with a discriminator is judged by LPIPS with a floor of PSNR, because such
networks lose PSNR by design (Ledig et al. 2017); all others are judged by PSNR-Y.
"""

import math
from collections.abc import Mapping
from typing import Protocol

from superres.config import GateParams
from superres.release.verdict import Check, Scores
from superres.report.statistics import PERFECT, Values, paired

PSNR, LPIPS = "psnr_y", "lpips"
TEMPORAL = ("flicker", "warping_error", "tof")  # the first that was measured is used; lower is good


class Measured(Protocol):
    """The part of gate.Figures that these rules read."""

    @property
    def version(self) -> str:
        """The model's version."""

    @property
    def scores(self) -> Scores:
        """Set -> metric -> mean."""

    @property
    def pictures(self) -> Mapping[str, Mapping[str, Mapping[str, float]]]:
        """Set -> picture -> metric -> figure."""

    @property
    def adversarial(self) -> bool:
        """Whether a discriminator took part in the training."""

    @property
    def kind(self) -> str:
        """Image or video."""


def quality_checks(
    challenger: Measured, bicubic: Measured, champion: Measured | None, params: GateParams
) -> list[Check]:
    """Return the rules of quality for this kind of model, each with its figures."""
    measured = all(_has(one, LPIPS) for one in (challenger, bicubic, champion) if one)
    wanted = LPIPS if params.metric == "auto" and challenger.adversarial else params.metric
    metric = PSNR if wanted in ("auto", PSNR) or not measured else LPIPS
    checks = []
    if wanted == LPIPS and metric == PSNR:
        told = "LPIPS was not measured (no weights here), so PSNR-Y decides"
        checks.append(Check("gate metric", True, told, "LPIPS where its weights are"))
    if metric == LPIPS:
        checks += _lpips_below_bicubic(challenger, bicubic, params)
        checks += _psnr_above(challenger, bicubic, -params.psnr_floor, "PSNR-Y floor")
    else:
        gain = params.min_gain_over_bicubic
        checks += _psnr_above(challenger, bicubic, gain, "PSNR-Y above bicubic")
    checks.append(_beats_champion(challenger, champion, metric, params))
    if challenger.kind == "video":
        checks += _steady(challenger, bicubic, params)
    return checks


def _has(one: Measured, metric: str) -> bool:
    return bool(one.scores) and all(metric in row for row in one.scores.values())


def _mean(one: Measured, name: str, metric: str) -> float:
    """Return the mean over a set; a picture without any error counts as 100 dB, not infinity."""
    values = [row[metric] for row in one.pictures.get(name, {}).values() if metric in row]
    if any(math.isinf(value) for value in values):
        return sum(min(value, PERFECT) for value in values) / len(values)
    return one.scores.get(name, {}).get(metric, math.nan)


def _psnr_above(challenger: Measured, bicubic: Measured, wanted: float, rule: str) -> list[Check]:
    checks = []
    for name in challenger.scores:
        ours, theirs = _mean(challenger, name, PSNR), _mean(bicubic, name, PSNR)
        gain = ours - theirs
        found = f"{gain:+.3f} dB ({ours:.3f} against {theirs:.3f})"
        checks.append(Check(f"{rule} on {name}", gain >= wanted, found, f">= {wanted:+.3f} dB"))
    return checks


def _lpips_below_bicubic(
    challenger: Measured, bicubic: Measured, params: GateParams
) -> list[Check]:
    wanted = params.min_lpips_gain_over_bicubic
    checks = []
    for name in challenger.scores:
        ours, theirs = _mean(challenger, name, LPIPS), _mean(bicubic, name, LPIPS)
        found = f"{ours - theirs:+.4f} ({ours:.4f} against {theirs:.4f})"
        rule = f"LPIPS below bicubic on {name}"
        checks.append(Check(rule, theirs - ours >= wanted, found, f"<= {-wanted:+.4f}"))
    return checks


def _beats_champion(
    challenger: Measured, champion: Measured | None, metric: str, params: GateParams
) -> Check:
    lower = metric == LPIPS
    rule = "mean LPIPS below the champion" if lower else "mean PSNR-Y above the champion"
    unit, digits = ("", 4) if lower else (" dB", 3)
    wanted = params.min_lpips_gain_over_champion if lower else params.min_gain_over_champion
    sure = f"{params.confidence * 100:g} %"
    accepted = f"gain >= {wanted:.{digits}f}{unit} and its {sure} interval above 0"
    if champion is None:
        return Check(rule, True, "no champion", accepted)
    ours, theirs = _values(challenger, metric), _values(champion, metric)
    names = (challenger.version, champion.version)
    gain = paired(names, ours, theirs, lower=lower, level=params.confidence).gain
    complete = gain.count == sum(len(own) for own in ours.values()) > 0
    passed = complete and gain.mean >= wanted and gain.low > 0
    found = (
        f"gain {gain.mean:+.{digits}f}{unit} ({_over_sets(challenger, metric):.{digits}f} against "
        f"{_over_sets(champion, metric):.{digits}f}), interval {gain.low:+.{digits}f} to "
        f"{gain.high:+.{digits}f} over {gain.count} pictures"
    )
    return Check(rule, passed, found, accepted)


def _values(one: Measured, metric: str) -> Values:
    return {
        name: {image: row[metric] for image, row in own.items() if metric in row}
        for name, own in one.pictures.items()
    }


def _over_sets(one: Measured, metric: str) -> float:
    means = [_mean(one, name, metric) for name in one.scores]
    return sum(means) / len(means) if means else math.nan


def _steady(challenger: Measured, bicubic: Measured, params: GateParams) -> list[Check]:
    wanted, rule = params.max_flicker_ratio_to_bicubic, "steady in time against bicubic"
    sets = {name for name, row in challenger.scores.items() if _temporal(row)}
    if not sets:
        found = "no temporal figure: no neighbouring frames in the test data (a video, every: 1)"
        return [Check(rule, False, found, f"<= {wanted:g} times bicubic's")]
    checks = []
    for name in sorted(sets):
        key = _temporal(challenger.scores[name])
        ours, theirs = _mean(challenger, name, key), _mean(bicubic, name, key)
        found = f"{key} {ours:.4f} against {theirs:.4f}"
        accepted = f"<= {wanted:g} times bicubic's"
        checks.append(Check(f"{rule} on {name}", ours <= wanted * theirs, found, accepted))
    return checks


def _temporal(row: Mapping[str, float]) -> str:
    return next((key for key in TEMPORAL if key in row), "")
