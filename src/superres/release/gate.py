"""The promotion gate: a challenger against bicubic, the champion and the budgets, as pure data."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from superres.config import GateParams
from superres.release.quality import quality_checks
from superres.release.verdict import Check, Scores, Verdict

TIME = "time as a ratio to bicubic"
MEMORY = "memory for one picture of 480x270"
SIZE = "size of the model folder"
CARD = "card complete"
HERE = "the champion here is the registry's"
IN_PIECES = "a film in pieces equals whole"
NOT_OF_THE_MODEL = (TIME, MEMORY, SIZE, HERE)  # other each time: not for a card
MAX_DIFFERENCE = 1  # grey levels between two ways to compute the same picture
MIB = 1 << 20

Pictures = Mapping[str, Mapping[str, Mapping[str, float]]]  # set -> picture -> metric -> figure


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
    pictures: Pictures = field(default_factory=dict)  # the same figures, picture by picture
    adversarial: bool = False  # trained with a discriminator: judged by LPIPS
    kind: str = "image"  # or "video": judged over time, too, and never exported
    pieces_difference: int | None = None  # video: in pieces against whole; None: sees ahead
    memory: int | None = None  # bytes at the peak for one picture; None: cannot be measured here
    size: int = 0  # bytes of the model folder
    card_gaps: tuple[str, ...] = ()  # what the model card does not say

    def as_dict(self) -> dict[str, Any]:
        """Return every figure as plain values."""
        return asdict(self)


def judge(
    challenger: Figures, bicubic: Figures, champion: Figures | None, params: GateParams
) -> Verdict:
    """Compare a challenger with bicubic and the champion; every rule is always reported."""
    checks = [_same_ground(challenger, bicubic, champion), _finite(challenger)]
    checks += quality_checks(challenger, bicubic, champion, params)
    checks += _budgets(challenger, bicubic, params)
    checks += [
        Check(
            "colour shift against LR, worst picture",
            challenger.colour_shift <= params.max_colour_shift,
            f"{challenger.colour_shift:.2f} grey levels",
            f"<= {params.max_colour_shift:g}",
        ),
        _equal("tiled equals whole", challenger.tiled_difference),
        _other_form(challenger),
        _card(challenger),
    ]
    named = {"challenger": challenger, "bicubic": bicubic, "champion": champion}
    figures = {name: one.as_dict() for name, one in named.items() if one is not None}
    before = champion.version if champion else None
    return Verdict(challenger.version, before, tuple(checks), challenger.scores, figures)


def _same_ground(challenger: Figures, bicubic: Figures, champion: Figures | None) -> Check:
    others = [bicubic, champion] if champion else [bicubic]
    same = all(_ground(one) == _ground(challenger) for one in others)
    found = ", ".join(f"{one.data_sha256[:12]} {one.protocol}" for one in [challenger, *others])
    return Check("same data and protocol for all", same, found, "one data hash, one protocol")


def _ground(one: Figures) -> tuple[object, ...]:
    pictures = {name: sorted(own) for name, own in one.pictures.items()}
    return one.data_sha256, one.protocol, sorted(one.scores), pictures


def _finite(challenger: Figures) -> Check:
    """PSNR may be infinite: that is a picture without any error."""
    found = [
        (name, key, value) for name, row in challenger.scores.items() for key, value in row.items()
    ]
    bad = [
        f"{key} of {name}"
        for name, key, value in found
        if not (math.isfinite(value) or (key.startswith("psnr") and value == math.inf))
    ]
    told = f"NaN or infinite: {', '.join(bad)}" if bad else "all finite" if found else "none"
    return Check("finite figures", bool(found) and not bad, told, "all finite")


def _budgets(challenger: Figures, bicubic: Figures, params: GateParams) -> list[Check]:
    ratio = challenger.ms / bicubic.ms if bicubic.ms > 0 else math.inf
    memory, most = challenger.memory, params.max_memory_mib
    return [
        Check(
            TIME,
            ratio <= params.max_ms_ratio_to_bicubic,
            f"{ratio:.1f} ({challenger.ms:.1f} ms against {bicubic.ms:.1f})",
            f"<= {params.max_ms_ratio_to_bicubic:g}",
        ),
        Check(
            MEMORY,
            memory is None or memory <= most * MIB,
            "cannot be measured on this system" if memory is None else f"{memory / MIB:.0f} MiB",
            f"<= {most:,} MiB",
        ),
        Check(
            "parameters",
            challenger.parameters <= params.max_parameters,
            f"{challenger.parameters:,}",
            f"<= {params.max_parameters:,}",
        ),
        Check(
            SIZE,
            challenger.size <= params.max_size_mib * MIB,
            f"{challenger.size / MIB:.2f} MiB",
            f"<= {params.max_size_mib:g} MiB",
        ),
    ]


def _card(challenger: Figures) -> Check:
    gaps = ", ".join(challenger.card_gaps)
    found = f"it does not say: {gaps}" if gaps else "complete"
    return Check(CARD, not gaps, found, "data, licences, degradation, cost, lineage")


def _other_form(challenger: Figures) -> Check:
    """What is served must be what was trained: exported, or, of video, in pieces as films are."""
    if challenger.kind != "video":
        return _equal("exported equals torch", challenger.export_difference)
    if challenger.pieces_difference is None:
        told = "not applicable: it looks ahead, and no further than it says"
        return Check(IN_PIECES, True, told, f"<= {MAX_DIFFERENCE}")
    return _equal(IN_PIECES, challenger.pieces_difference)


def _equal(rule: str, difference: int | None) -> Check:
    found = "not exported" if difference is None else f"{difference} grey levels"
    passed = difference is not None and difference <= MAX_DIFFERENCE
    return Check(rule, passed, found, f"<= {MAX_DIFFERENCE}")
