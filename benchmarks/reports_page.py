"""The page of `reports.py`: the table, and what the reports claim against what was measured."""

import json
import math
import statistics
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from superres.atomic import write_text
from superres.config import load_experiment

SETS = ("Set5", "Set14", "BSD100")
EXPERIMENTS = Path(__file__).resolve().parents[1] / "experiments"
PRE = 0.2  # the first share of a run's validations is "early"

Cell = tuple[float, float] | None  # mean over seeds, spread over seeds


@dataclass
class Runs:
    """All seeds of one configuration."""

    name: str
    scale: int
    rows: list[dict[str, Any]] = field(default_factory=list)
    logs: list[list[dict[str, Any]]] = field(default_factory=list)

    def of(self, set_: str, metric: str) -> Cell:
        """Return a figure of a test set over the seeds."""
        return _cell(row["sets"][set_].get(metric) for row in self.rows)

    def series(self, figure: str) -> list[list[float]]:
        """Return a logged figure over the steps, per seed."""
        return [
            [entry["values"][figure] for entry in log if figure in entry.get("values", {})]
            for log in self.logs
        ]


def read_runs(work: Path) -> dict[str, Runs]:
    """Return name@scale -> its runs."""
    found: dict[str, Runs] = {}
    for file in sorted(work.glob("x*/rows/*.json")):
        row = json.loads(file.read_text(encoding="utf-8"))
        key = f"{row['name']}@{row['scale']}"
        runs = found.setdefault(key, Runs(row["name"], row["scale"]))
        runs.rows.append(row)
        log = file.parents[1] / "runs" / file.stem / "log.jsonl"
        if log.is_file():
            lines = log.read_text(encoding="utf-8").splitlines()
            runs.logs.append([json.loads(line) for line in lines])
    return found


def write_page(work: Path, out: Path, spent: dict[str, float], steps: int) -> None:
    """Write the Markdown page."""
    runs = read_runs(work)
    parts = [_head(runs, steps)]
    for scale in (2, 4):
        own = {key: value for key, value in runs.items() if value.scale == scale}
        if own:
            parts += [f"## x{scale}\n", _table(own, spent, scale)]
    parts += ["## What the reports claim\n", *_claims(runs)]
    write_text(out, "\n".join(parts))


def _head(runs: dict[str, Runs], steps: int) -> str:
    counts = {len(one.rows) for one in runs.values() if one.name != "bicubic"}
    seeds = "-".join(str(count) for count in sorted({min(counts), max(counts)}))
    return f"""# The configurations of reports R1 to R4 under one small equal budget

Made by `python benchmarks/reports.py --steps {steps}`; it resumes where it was stopped.

Every row: {steps} steps of 8 crops of 64 HR pixels from BSDS400 and General100 (bicubic LR), the
`demo` network of its file, the weights of the last step, {seeds} seeds (mean and, above
one, half the range).
PSNR and SSIM in luma, the scale shaved; LPIPS with SqueezeNet. `ms / bicubic`: one picture of
Set14, all models of a scale in interleaved rounds of one process. Perceptual rows compare features
of the ImageNet layers that could be had (VGG16 to relu2_2); deeper ones come from a slim VGG19
trained here on the same crops, as each run's tag `perceptual_weights` says.

This is no ranking of the papers' systems: it is what the same few minutes of two CPU cores make of
each. What the reports measured themselves stands in each experiment file and in the comparison
page, marked as theirs.
"""


def _table(runs: dict[str, Runs], spent: dict[str, float], scale: int) -> str:
    head = ["configuration", "from"]
    head += [f"{name} PSNR / SSIM / LPIPS" for name in SETS]
    head += ["parameters", "ms / bicubic"]
    lines = [_row(head), _row(["---"] * len(head))]
    base = spent.get(f"bicubic@{scale}", math.nan)
    order = sorted(runs, key=lambda key: -(runs[key].of("Set5", "psnr_y") or (0.0, 0.0))[0])
    for key in order:
        one = runs[key]
        cells = [one.name, _source(one.name)]
        for name in SETS:
            psnr, ssim, lpips = (one.of(name, metric) for metric in ("psnr_y", "ssim_y", "lpips"))
            cells.append(f"{_show(psnr, 2)} / {_show(ssim, 4)} / {_show(lpips, 3)}")
        cells.append(f"{one.rows[0]['parameters']:,}")
        cells.append(f"{spent.get(key, math.nan) / base:.1f}")
        lines.append(_row(cells))
    return "\n".join(lines) + "\n"


Measure = Callable[[Runs], Cell]

PSNR = "Set5 PSNR, dB"
GRID = "checkerboard of validation pictures, dB over HR's"
UPSAMPLERS = (
    ("srresnet-mse-x2@2", "srresnet-resize-mse-x2@2"),
    ("srresnet-mse@4", "srresnet-resize-mse@4"),
    ("srgan-lsgan-x2@2", "srgan-resize-lsgan-x2@2"),
)
FEATURES = (
    ("srunet-mse-x2@2", "srunet-vgg19-x2@2"),
    ("srgan-mse-x2@2", "srgan-vgg19-x2@2"),
    ("srgan-mse@4", "srgan-vgg54@4"),
    ("srgan-mse@4", "srgan-vgg22@4"),
)
GAMES = (
    ("srgan-lsgan-x2@2", "srgan-bce-x2@2"),
    ("srgan-lsgan-x2@2", "srgan-wgan-gp-x2@2"),
)


def _claims(runs: dict[str, Runs]) -> Iterable[str]:
    """Yield a paragraph per claim; the first of each pair is the one that is claimed to be more."""
    yield _mse_beats_bicubic(runs)
    more = "MSE is above VGG features in PSNR (R1, R2)"
    yield _compared(more, runs, FEATURES, _psnr, PSNR)
    more = "Per-Pix is above MSE (R2: 26.57 against 26.53 dB on Set5)"
    yield _compared(more, runs, (("srgan-perpix@4", "srresnet-mse@4"),), _psnr, PSNR)
    more = "Early in training pixel-shuffle shows more of a grid than resize-convolution (R3)"
    yield _compared(more, runs, UPSAMPLERS, _early_grid, GRID)
    more = "At the end pixel-shuffle is sharper: less LPIPS means sharper, so resize has more (R3)"
    swapped = tuple((resize, shuffle) for shuffle, resize in UPSAMPLERS)
    yield _compared(more, runs, swapped, lambda one: one.of("Set5", "lpips"), "Set5 LPIPS")
    more = "Cross-entropy and WGAN-GP are less steady than least squares, two D steps each (R3)"
    swapped = tuple((other, least) for least, other in GAMES)
    yield _compared(more, runs, swapped, _unrest, "mean change between validations, dB PSNR")


def _mse_beats_bicubic(runs: dict[str, Runs]) -> str:
    lines = ["### Configurations on MSE alone beat bicubic\n"]
    for key, one in runs.items():
        base = runs.get(f"bicubic@{one.scale}")
        if base is None or one.name == "bicubic" or not _is_mse(one.name):
            continue
        gains = [_mean(one.of(name, "psnr_y")) - _mean(base.of(name, "psnr_y")) for name in SETS]
        told = "yes" if min(gains) > 0 else "no"
        listed = ", ".join(f"{gain:+.2f}" for gain in gains)
        lines.append(f"- {key}: {told} ({listed} dB on {', '.join(SETS)})")
    return "\n".join(lines) + "\n"


def _is_mse(name: str) -> bool:
    phases = load_experiment(name, EXPERIMENTS).phases
    return all(set(phase.losses) == {"mse"} for phase in phases)


def _compared(
    claim: str,
    runs: dict[str, Runs],
    pairs: Iterable[tuple[str, str]],
    measure: Measure,
    unit: str,
) -> str:
    """Say for each pair whether the first has more, and by how much against the seeds' spread."""
    lines = [f"### {claim}\n", f"Measured: {unit}.\n"]
    for first, second in pairs:
        if first not in runs or second not in runs:
            continue
        one, other = measure(runs[first]), measure(runs[second])
        if one is None or other is None:
            continue
        gap, spread = one[0] - other[0], one[1] + other[1]
        verdict = "undecided" if abs(gap) <= spread else "confirmed" if gap > 0 else "refuted"
        if min(len(runs[first].rows), len(runs[second].rows)) == 1:
            verdict += ", one seed"
        lines.append(
            f"- {first} {_show(one, 3)}, {second} {_show(other, 3)}: **{verdict}** ({gap:+.3f})"
        )
    return "\n".join(lines) + "\n"


def _psnr(one: Runs) -> Cell:
    return one.of("Set5", "psnr_y")


def _early_grid(one: Runs) -> Cell:
    """Return the worst grid over HR's in the first share of the validations."""
    sr, hr = (one.series(f"diagnostics/{name}") for name in ("checkerboard", "checkerboard_hr"))
    worst = []
    for made, real in zip(sr, hr, strict=True):
        first = max(1, round(PRE * len(made)))
        worst.append(max(a - b for a, b in zip(made[:first], real[:first], strict=True)))
    return _cell(worst)


def _unrest(one: Runs) -> Cell:
    """Return the mean absolute change of PSNR between validations after the pre-training."""
    found = []
    share = load_experiment(one.name, EXPERIMENTS)
    before = sum(phase.steps for phase in share.phases if phase.adversarial is None) / share.steps
    for series in one.series("val/psnr"):
        later = series[round(before * len(series)) :]
        changes = [abs(b - a) for a, b in pairwise(later)]
        found.append(statistics.mean(changes) if changes else math.nan)
    return _cell(found)


def _cell(values: Iterable[float | None]) -> Cell:
    known = [value for value in values if value is not None and math.isfinite(value)]
    if not known:
        return None
    return statistics.mean(known), (max(known) - min(known)) / 2


def _mean(cell: Cell) -> float:
    return math.nan if cell is None else cell[0]


def _show(cell: Cell, digits: int) -> str:
    if cell is None:
        return "-"
    mean, spread = cell
    return f"{mean:.{digits}f}" + (f" ±{spread:.{digits}f}" if spread else "")


def _source(name: str) -> str:
    if name == "bicubic":
        return "baseline"
    words = load_experiment(name, EXPERIMENTS).source.replace(",", " ").split()
    return " ".join(word for word in words if word in ("R1", "R2", "R3", "R4"))


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"
