"""A small comparison: bicubic and sharpeners on soft discs and on the frames of a clip."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from small import SCALE, scene, sharpener, write_pack

from superres.checkpoint import Model
from superres.evaluation import Pair, Row, evaluate, packed_pairs
from superres.inference.upscaler import Upscaler
from superres.report.strips import strip
from superres.report.study import Study
from superres.report.tables import Entry

SIZES = {
    "discs/a": (60, 80),
    "discs/b": (160, 150),
    "discs/c": (48, 64),
    "clip/000/7": (48, 64),
    "clip/000/8": (48, 64),
    "clip/000/9": (48, 64),
}


def entry(name: str, strength: float = 0.0, **facts: Any) -> Entry:
    generator = sharpener(strength)
    upscaler = Upscaler(Model(generator, generator.info, {"experiment": name}))
    return replace(Entry(name, upscaler, 1234, 2.0), **facts)


def entries() -> list[Entry]:
    return [
        entry("bicubic", parameters=0),
        entry("sharp", 0.05, ms=5.0, training_seconds=61.6, source="R0", expected="30 dB"),
    ]


def pairs(folder: Path) -> list[Pair]:
    pictures = {name: scene(seed, *size) for seed, (name, size) in enumerate(SIZES.items())}
    return list(packed_pairs(write_pack(folder, pictures)))


def rows(on: list[Pair], models: list[Entry]) -> list[Row]:
    return [row for one in models for row in evaluate(one.name, one.upscaler, on, SCALE)]


def study(folder: Path, **changes: Any) -> Study:
    on, models = pairs(folder / "pack"), entries()
    made = Study(
        rows=rows(on, models),
        entries=models,
        reference="bicubic",
        scale=SCALE,
        protocol="2 pixels shaved",
        data_sha256="5502d314cfd3" * 5,
        curves={"sharp": [(1, 20.0), (2, 21.5)]},
        strips=[strip(pair, models) for pair in on[:2]],
    )
    return replace(made, **changes)
