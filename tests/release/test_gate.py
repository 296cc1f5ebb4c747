"""The gate: which model is refused, for which reason, and that every rule is always listed."""

import json
import math
from dataclasses import replace
from typing import Any

import pytest

from superres.config import GateParams
from superres.release.gate import Figures, Verdict, judge

PARAMS = GateParams(
    min_gain_over_bicubic=0.1,
    min_gain_over_champion=0.02,
    max_ms_ratio_to_bicubic=100,
    max_parameters=1000,
    max_colour_shift=4,
)
RULES = [
    "same data and protocol for all",
    "finite figures",
    "PSNR-Y above bicubic on discs",
    "PSNR-Y above bicubic on lines",
    "mean PSNR-Y above the champion",
    "time as a ratio to bicubic",
    "parameters",
    "colour shift against LR, worst picture",
    "tiled equals whole",
    "exported equals torch",
]


def scores(discs: float, lines: float) -> dict[str, dict[str, float]]:
    return {
        "discs": {"psnr_y": discs, "ssim_y": 0.9},
        "lines": {"psnr_y": lines, "ssim_y": 0.8},
    }


def figures(discs: float = 31.0, lines: float = 26.0, **changes: Any) -> Figures:
    good = Figures(
        version="new",
        data_sha256="d" * 64,
        protocol="y-shave4-uint8",
        scores=scores(discs, lines),
        colour_shift=0.5,
        parameters=900,
        ms=50.0,
        tiled_difference=0,
        export_difference=1,
    )
    return replace(good, **changes)


BICUBIC = figures(30.0, 25.0, version="bicubic", ms=1.0, parameters=0, export_difference=None)
CHAMPION = figures(30.9, 25.9, version="old")


def verdict(challenger: Figures, champion: Figures | None = CHAMPION) -> Verdict:
    return judge(challenger, BICUBIC, champion, PARAMS)


def broken(found: Verdict) -> list[str]:
    assert [check.rule for check in found.checks] == RULES
    assert found.passed == (not found.reasons)
    return [check.rule for check in found.checks if not check.passed]


def test_a_better_model_passes_every_rule() -> None:
    found = verdict(figures())
    assert found.passed
    assert broken(found) == []
    assert (found.challenger, found.champion) == ("new", "old")


def test_the_first_champion_needs_no_other() -> None:
    found = verdict(figures(), champion=None)
    assert broken(found) == []
    assert found.champion is None
    assert "no champion" in [check.found for check in found.checks]


@pytest.mark.parametrize(
    ("challenger", "rules"),
    [
        (figures(30.91, 25.92), ["mean PSNR-Y above the champion"]),
        (figures(30.05, 28), ["PSNR-Y above bicubic on discs"]),
        (figures(32.5, 25.0), ["PSNR-Y above bicubic on lines"]),
        (figures(29, 24), RULES[2:5]),
        (figures(data_sha256="e" * 64), ["same data and protocol for all"]),
        (figures(protocol="y-shave0-uint8"), ["same data and protocol for all"]),
        (figures(ms=101), ["time as a ratio to bicubic"]),
        (figures(ms=math.nan), ["time as a ratio to bicubic"]),
        (figures(parameters=1001), ["parameters"]),
        (figures(colour_shift=4.1), ["colour shift against LR, worst picture"]),
        (figures(colour_shift=math.nan), ["colour shift against LR, worst picture"]),
        (figures(tiled_difference=2), ["tiled equals whole"]),
        (figures(export_difference=2), ["exported equals torch"]),
        (figures(export_difference=None), ["exported equals torch"]),
        (
            figures(math.nan, 26),
            ["finite figures", "PSNR-Y above bicubic on discs", "mean PSNR-Y above the champion"],
        ),
        (figures(math.inf, 26), ["finite figures"]),
    ],
)
def test_a_broken_rule_refuses(challenger: Figures, rules: list[str]) -> None:
    found = verdict(challenger)
    assert broken(found) == rules
    assert not found.passed


@pytest.mark.parametrize(
    "challenger",
    [
        figures(ms=100),
        figures(parameters=1000),
        figures(colour_shift=4),
        figures(tiled_difference=1, export_difference=1),
    ],
)
def test_a_budget_may_be_used_up(challenger: Figures) -> None:
    assert verdict(challenger).passed


def test_a_champion_measured_on_other_data_refuses() -> None:
    found = verdict(figures(), replace(CHAMPION, data_sha256="f" * 64))
    assert broken(found) == ["same data and protocol for all"]


def test_other_test_sets_are_other_data() -> None:
    less = figures(scores={"discs": {"psnr_y": 40.0}})
    found = verdict(less)
    assert [check.rule for check in found.checks if not check.passed] == [RULES[0]]
    more = figures(scores=scores(31, 26) | {"new": {"psnr_y": 40.0}})
    refused = [check.rule for check in verdict(more).checks if not check.passed]
    assert refused == [RULES[0], "PSNR-Y above bicubic on new", RULES[4]]


def test_no_figures_at_all_refuse() -> None:
    found = verdict(figures(scores={}))
    assert not found.passed
    assert {RULES[0], RULES[1]} <= {check.rule for check in found.checks if not check.passed}


def test_reasons_say_what_was_found_and_what_is_accepted() -> None:
    (reason,) = verdict(figures(30.91, 25.91)).reasons
    assert reason == (
        "mean PSNR-Y above the champion: found +0.010 dB (28.410 against 28.400), "
        "accepted >= +0.020 dB"
    )
    (reason,) = verdict(figures(ms=150)).reasons
    assert reason == (
        "time as a ratio to bicubic: found 150.0 (150.0 ms against 1.0), accepted <= 100"
    )


def test_the_verdict_is_strict_json_with_every_figure() -> None:
    content = verdict(figures(math.nan, 26)).as_dict()
    read = json.loads(json.dumps(content, allow_nan=False))
    assert read["passed"] is False
    assert [check["rule"] for check in read["checks"]] == RULES
    assert read["scores"]["lines"]["psnr_y"] == 26
    assert read["scores"]["discs"]["psnr_y"] is None
