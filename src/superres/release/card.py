"""The model card at promotion: figures, failures shown, limits, the gate; and what it must say."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from superres.atomic import write_bytes, write_text
from superres.checkpoint import Model, load_model
from superres.evaluation import Pair, Row
from superres.images import Picture, encode
from superres.inference.upscaler import Upscaler
from superres.release.gate import NOT_OF_THE_MODEL
from superres.release.score_table import score_table
from superres.release.verdict import Verdict
from superres.report.strips import strip
from superres.report.tables import Entry, markdown_table

CARD = "README.md"
FAILURES = "failures"  # folder of the pictures beside the card
WORST = 3
# What model.json must know, and what the card calls it. The code's commit is not among them: the
# project may have come as an archive; the card then states it as a limit.
FACTS = {
    "degradation.scale": "scale",
    "degradation.kernel": "degradation",
    "data.sets": "training data",
    "data.licences": "licences of the data",
    "training_seconds": "training cost",
    "experiment": "experiment",
    "data_sha256": "data hash",
}


def card_gaps(model: Model) -> tuple[str, ...]:
    """Return what a model folder does not say about its model; nothing for a complete card."""
    gaps = [title for key, title in FACTS.items() if _fact(model.provenance, key) in _NOTHING]
    card = model.folder / CARD if model.folder else None
    if card is None or not card.is_file() or not card.read_text(encoding="utf-8").strip():
        gaps.append(CARD)
    return tuple(gaps)


_NOTHING: tuple[Any, ...] = (None, "", [], {}, "unknown")


def _fact(provenance: Mapping[str, Any], dotted: str) -> Any:
    value: Any = provenance
    for key in dotted.split("."):
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def complete_card(
    model: Model, verdict: Verdict, rows: Sequence[Row], pairs: Sequence[Pair]
) -> None:
    """Append figures, failures, limits and the gate's table to the card of a staged folder.

    Times are left out: equal models have equal cards, and the registry takes them once.
    """
    assert model.folder is not None
    card = model.folder / CARD
    worst = sorted(rows, key=lambda row: row.psnr_y)[:WORST]
    files = _write_failures(model, worst, pairs)
    parts = [
        card.read_text(encoding="utf-8").rstrip("\n"),
        "## Figures",
        f"{_protocol(verdict)} Means over each set; the champion is the one before.",
        score_table(verdict),
        "## Failures",
        "The worst pictures of the test data by PSNR-Y, each in its worst square: LR, bicubic, "
        "this model, original.",
        "\n".join(
            f"- {row.set}, {row.image}: {row.psnr_y:.2f} dB, SSIM {row.ssim_y:.4f}\n\n"
            f"  ![{row.image}]({file.relative_to(model.folder).as_posix()})"
            for row, file in zip(worst, files, strict=True)
        ),
        "## Limits",
        "\n".join(f"- {line}" for line in _limits(model, verdict)),
        "## Gate",
        _gate_table(verdict),
    ]
    write_text(card, "\n\n".join(part for part in parts if part) + "\n")


def _protocol(verdict: Verdict) -> str:
    own = verdict.figures.get("challenger", {})
    return (
        f"Protocol {own.get('protocol', '?')}, test data {str(own.get('data_sha256', '?'))[:12]}."
    )


def _limits(model: Model, verdict: Verdict) -> list[str]:
    facts = model.provenance
    degradation = facts.get("degradation", {})
    lines = [
        f"Made for LR by {degradation.get('kernel', '?')} at x{degradation.get('scale', '?')}; "
        "other blur, noise or compression was not seen in training and lowers every figure above.",
        "Detail that LR does not hold is guessed: no evidence, no measurement, no identity of a "
        "person can rest on it.",
    ]
    sets = ", ".join(_fact(facts, "data.sets") or ["?"])
    images = _fact(facts, "data.images")
    lines.append(f"Trained on {sets} ({images} pictures): other subjects may do worse.")
    if model.info.kind == "image":
        lines.append("A video is upscaled frame by frame; nothing holds the frames together.")
    if facts.get("budget") not in (None, "full"):
        lines.append(f"Trained with the budget {facts['budget']}, less than its source's.")
    if facts.get("git_commit", "unknown") == "unknown":
        lines.append("The code's commit is not known: it was trained outside a git checkout.")
    shift = verdict.figures.get("challenger", {}).get("colour_shift")
    if shift is not None:
        lines.append(f"Mean colours are up to {shift:.2f} grey levels from LR's.")
    return lines


def _gate_table(verdict: Verdict) -> str:
    kept = [check for check in verdict.checks if check.rule not in NOT_OF_THE_MODEL]
    rows = [[check.rule, check.found, check.accepted] for check in kept]
    return markdown_table([["rule", "found", "accepted"], *rows], left=3).rstrip("\n")


def _write_failures(model: Model, worst: Sequence[Row], pairs: Sequence[Pair]) -> list[Path]:
    assert model.folder is not None
    known = {(pair.set, pair.image): pair for pair in pairs}
    bicubic = load_model("bicubic", scale=model.info.scale)
    entries = [Entry("bicubic", Upscaler(bicubic), 0, 0.0), Entry("model", Upscaler(model), 0, 0.0)]
    files = []
    for row in worst:
        shown = strip(known[row.set, row.image], entries, failure=True)
        files.append(model.folder / FAILURES / f"{shown.name}.png")
        write_bytes(files[-1], encode(Picture(shown.joined)))
    return files
