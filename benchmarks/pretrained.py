"""Every shipped model, bicubic and others' public weights under one protocol, with pictures.

python benchmarks/pretrained.py [--write] [--times] [--sheet] [NAME...]

Figures are kept in runs/pretrained/ by model, weights and set: what is there is not measured again.
--times measures anew what a picture takes, all models in turns beside SRResNet of 16 blocks.
--sheet makes docs/pretrained.png. --write puts the tables between the marks of docs/pretrained.md
and README.md, and each model's own figures into its card. Needs the benchmark sets; peers need
SUPERRES_SHARED_DATA/weights.
"""

import argparse
import importlib
import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pretrained_sheet import sheet

from superres import pretrained
from superres.atomic import write_text
from superres.checkpoint import Model, load_model
from superres.evaluation import evaluate, find_set, means, milliseconds, open_meters
from superres.images import Picture
from superres.inference.upscaler import Upscaler
from superres.losses.weights import shared_weights
from superres.models import build, parameter_count
from superres.report.published import published
from superres.training.lineage import weights_digest

ROOT = Path(__file__).resolve().parents[1]
KEPT = ROOT / "runs" / "pretrained"
SETS = ("set5", "set14", "bsd100")
PEERS = ("SRGAN", "IMDN", "VDSR")  # functions of tests/peers.py
PUBLIC = " (public weights)"
BESIDE = ("SRCNN", "FSRCNN", "ESPCN (trained on ImageNet)", "VDSR", "EDSR-baseline", "IMDN")
BESIDE += ("SRResNet (paper; another SSIM)", "SRGAN (paper)")
METERS = ("lpips", "checkerboard")
SHEET = ("bicubic", "fast-x4", "quality-x4", "photo-x4", "SRGAN" + PUBLIC)
MARKS = ("<!-- pretrained: begin -->", "<!-- pretrained: end -->")
TIMED = {4: (135, 240), 2: (270, 480)}  # LR rows and columns: results of 960x540
Figures = dict[str, dict[str, float]]  # set -> metric -> mean


@dataclass(frozen=True)
class Judged:
    """A model with what its row needs."""

    name: str
    model: Model
    command: str

    @property
    def scale(self) -> int:
        """Its scale."""
        return self.model.info.scale

    def upscaler(self) -> Upscaler:
        """Return it as it is served; the peers whole, for some see the whole picture."""
        return Upscaler(self.model, tile=None if self.command else 0)

    @property
    def parameters(self) -> int:
        """Those of the form that inference runs."""
        return parameter_count(self.model.generator.deployed())


def models() -> list[Judged]:
    """Return bicubic at both scales, the shipped models and the peers that are here."""
    found = [
        Judged("bicubic", load_model("bicubic", scale=scale), f"--model bicubic --scale {scale}")
        for scale in (2, 4)
    ]
    found += [
        Judged(name, load_model(folder), f"--model {name}")
        for name, folder in pretrained.folders().items()
    ]
    return [*found, *_peers(shared_weights() / "peers")]


def _peers(folder: Path) -> Iterator[Judged]:
    """Yield the networks of others, which are defined beside the tests that check them."""
    if folder.is_dir():
        sys.path.insert(0, str(ROOT / "tests"))
        loaders = importlib.import_module("peers")
        for name in PEERS:
            yield Judged(name + PUBLIC, getattr(loaders, name.lower())(folder), "")


def figures(one: Judged) -> Figures:
    """Return the means over each set, from the kept files where they are of these weights."""
    weights = weights_digest(one.model.generator.state_dict())
    plain = one.name.split(" ")[0].lower()
    found = {}
    for name in SETS:
        file = KEPT / f"{plain}-x{one.scale}-{weights}.{name}.json"
        if not file.is_file():
            print(f"{one.name} x{one.scale} on {name} ...", file=sys.stderr, flush=True)
            write_text(file, json.dumps(measured(one, name)))
        found[name] = json.loads(file.read_text(encoding="utf-8"))
    return found


def measured(one: Judged, name: str) -> dict[str, float]:
    """Evaluate as `superres evaluate --set` does."""
    pairs = list(find_set(name, one.scale).pairs(one.scale))
    rows = evaluate(one.name, one.upscaler(), pairs, one.scale, meters=open_meters(METERS))
    (scores,) = means(rows)[one.name].values()
    return dict(scores)


def times(all_: Sequence[Judged]) -> dict[str, float]:
    """Return what a picture takes as a share of SRResNet's time, kept until asked again."""
    found = {}
    for scale, (height, width) in TIMED.items():
        same = {one.name: Upscaler(one.model) for one in all_ if one.scale == scale}
        network = build("srresnet", scale=scale).eval()
        same["SRResNet"] = Upscaler(Model(network, network.info))
        lr = np.random.default_rng(1).integers(0, 256, (height, width, 3), dtype=np.uint8)
        spent = milliseconds(same, Picture(lr), 5)
        print(f"x{scale}: ms { ({k: round(v, 1) for k, v in spent.items()}) }", file=sys.stderr)
        found |= {f"{name} x{scale}": ms / spent["SRResNet"] for name, ms in spent.items()}
    return found


def table(scale: int, all_: Sequence[Judged], ratios: Mapping[str, float]) -> Iterator[str]:
    """Yield the lines of one scale: measured here first, then published."""
    titles = ["PSNR / SSIM / LPIPS on " + find_set(name, scale).title for name in SETS]
    yield f"| x{scale} | parameters | time / SRResNet | " + " | ".join(titles) + " |"
    yield "|---|--:|--:|" + "--:|" * len(SETS)
    for one in all_:
        if one.scale != scale:
            continue
        scores, ratio = figures(one), ratios.get(f"{one.name} x{scale}")
        cells = [
            f"{own['psnr_y']:.2f} / {own['ssim_y']:.4f} / {own['lpips']:.3f}"
            for own in (scores[name] for name in SETS)
        ]
        size = f"{one.parameters:,}" if one.parameters else "0"
        told = "" if ratio is None else f"{ratio:.3f}"
        yield f"| **{one.name}** | {size} | {told} | " + " | ".join(cells) + " |"
    for row in published(scale):
        if row.name in BESIDE:
            own = [row.scores.get(find_set(name, scale).title, (None, None)) for name in SETS]
            cells = [" / ".join(_said(value) for value in pair) for pair in own]
            yield f"| {row.name}, published | {row.parameters} |  | " + " | ".join(cells) + " |"


def _said(value: float | None) -> str:
    return "?" if value is None else f"{value:.4f}" if value < 1 else f"{value:.2f}"


def artefacts(all_: Sequence[Judged]) -> Iterator[str]:
    """Yield the lines of grid and tint at x4."""
    titles = [f"{what} on {find_set(name, 4).title}" for name in SETS for what in ("grid", "tint")]
    yield "| x4 | " + " | ".join(titles) + " |"
    yield "|---|" + "--:|" * len(titles)
    for one in all_:
        if one.scale == 4:
            scores = figures(one)
            cells = [
                f"{scores[name][key]:.2f}"
                for name in SETS
                for key in ("checkerboard", "colour_shift")
            ]
            yield f"| {one.name} | " + " | ".join(cells) + " |"


def commands(all_: Sequence[Judged]) -> Iterator[str]:
    """Yield the command of every row."""
    for one in all_:
        if one.command:
            yield f"superres evaluate {one.command} --set set5"
    yield "python benchmarks/pretrained.py    # all rows, the public weights of others among them"


def card(one: Judged, references: Sequence[Judged]) -> str:
    """Return the figures of a shipped model's card: a line for each set and model."""
    lines = [
        "",
        "## Figures",
        "",
        "Luma, borders of the scale shaved, uint8, MATLAB's LR; LPIPS of SqueezeNet.",
        "",
        "| set | model | PSNR-Y dB | SSIM-Y | LPIPS |",
        "|---|---|--:|--:|--:|",
    ]
    for name in SETS:
        for each in (one, *references):
            own = figures(each)[name]
            cells = f"{own['psnr_y']:.2f} | {own['ssim_y']:.4f} | {own['lpips']:.4f}"
            lines.append(f"| {find_set(name, one.scale).title} | {each.name} | {cells} |")
    return "\n".join(lines) + "\n"


def write_card(one: Judged, all_: Sequence[Judged]) -> None:
    """Put figures and a comparison into the folder of a shipped model."""
    folder = one.model.folder
    if folder is None or not one.command or one.name == "bicubic":
        return
    plain = [each for each in all_ if (each.name, each.scale) == ("bicubic", one.scale)]
    file = folder / "README.md"
    before = file.read_text(encoding="utf-8").partition("\n\n## Figures\n")[0].rstrip("\n")
    write_text(file, before + "\n" + card(one, plain))
    shown = {each.name: each.upscaler() for each in (*plain, one)}
    sheet(shown, one.scale, folder / "comparison.png", rows=2)


def write(text: str, file: Path) -> None:
    """Put the text between the marks of a file, where it has them."""
    before, begin, rest = file.read_text(encoding="utf-8").partition(MARKS[0])
    _, end, after = rest.partition(MARKS[1])
    if begin and end:
        write_text(file, f"{before}{begin}\n{text}\n{end}{after}")


def main() -> None:
    """Print the tables; write and draw what was asked for."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    for option in ("--write", "--times", "--sheet"):
        parser.add_argument(option, action="store_true")
    parser.add_argument("names", nargs="*", help="only these models")
    asked = parser.parse_args()
    os.chdir(ROOT)
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "2")))
    all_ = [one for one in models() if not asked.names or one.name in asked.names]
    kept = KEPT / "times.json"
    if asked.times:
        write_text(kept, json.dumps(times(all_)))
    ratios: dict[str, Any] = json.loads(kept.read_text()) if kept.is_file() else {}
    x4, x2 = ("\n".join(table(scale, all_, ratios)) for scale in (4, 2))
    tables = f"{x4}\n\n{x2}"
    more = "\n".join(artefacts(all_))
    told = "\n".join(commands(all_))
    print(f"{tables}\n\n{more}\n\n{told}")
    if asked.write:
        write(f"{tables}\n\n{more}\n\n```console\n{told}\n```", ROOT / "docs" / "pretrained.md")
        write(tables, ROOT / "README.md")
        for one in all_:
            write_card(one, all_)
    if asked.sheet:
        x4_ = {one.name: one for one in all_ if one.scale == 4}
        shown = {
            name.replace(PUBLIC, ", public"): x4_[name].upscaler() for name in SHEET if name in x4_
        }
        sheet(shown, 4, ROOT / "docs" / "pretrained.png")


if __name__ == "__main__":
    main()
