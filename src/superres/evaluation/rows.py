"""An upscaler over test pictures: one row of figures per picture, under one stated protocol."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from superres.errors import DataError, InputError
from superres.evaluation.meters import EXTRA, Meters
from superres.evaluation.pairs import Pair
from superres.evaluation.protocol import Rounding
from superres.evaluation.results import results
from superres.images import to_pixels
from superres.inference.upscaler import Upscaler
from superres.metrics import score
from superres.metrics.artefacts import colour_shift

METRICS = ("psnr_y", "ssim_y", "psnr_rgb", "ssim_rgb", "mse", "colour_shift")

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Row:
    """The figures of one model on one picture; PSNR in dB, mse on the [0, 1] scale.

    `colour_shift`: how far the mean colour of SR is from LR's, in grey levels, worst channel.
    None is not measured, or not measurable on this picture. `consistency`: PSNR in dB of SR made
    small again against LR. `checkerboard`: dB of the upsampling's grid above HR's own. `flicker`
    to `warping_error`: of the step from the frame before (metrics.temporal).
    """

    model: str
    set: str
    image: str
    psnr_y: float
    ssim_y: float
    psnr_rgb: float
    ssim_rgb: float
    mse: float
    colour_shift: float
    seconds: float
    lpips: float | None = None
    niqe: float | None = None
    consistency: float | None = None
    checkerboard: float | None = None
    flicker: float | None = None
    tof: float | None = None
    tlp: float | None = None
    warping_error: float | None = None


def evaluate(
    name: str,
    upscaler: Upscaler,
    pairs: Iterable[Pair],
    shave: int,
    *,
    rounding: Rounding = "uint8",
    meters: Meters | None = None,
) -> list[Row]:
    """Upscale every LR picture and compare the result, as it would be written, with HR.

    `shave` HR pixels are cut from each border; `meters` add figures to the rows. `rounding` other
    than "uint8" is for comparison with tables made so (see Protocol). Raises DataError for pairs
    that do not fit the model's scale or are too small to measure.
    """
    return [row for _, _, row in measured(name, upscaler, pairs, shave, rounding, meters)]


def measured(
    name: str,
    upscaler: Upscaler,
    pairs: Iterable[Pair],
    shave: int,
    rounding: Rounding = "uint8",
    meters: Meters | None = None,
) -> Iterator[tuple[Pair, Pixels, Row]]:
    """Yield every pair with SR (H, W, 3) uint8 and its figures, as `evaluate`."""
    asked = meters or Meters()
    before: tuple[Pair, Pixels] | None = None
    for pair, made, seconds in results(name, upscaler, pairs, rounding):
        sr, row = _row(pair, made, shave, rounding)
        row |= {"model": name, "seconds": seconds}
        row |= asked.of_picture(sr, pair, shave)
        if before is not None and pair.follows(before[0]):
            row |= asked.of_step((before[1], _levels(before[0])), (sr, _levels(pair)))
        before = pair, sr
        yield pair, sr, Row(**row)


def _levels(pair: Pair) -> Pixels:
    return pair.hr.pixels.astype(np.uint8, casting="no")


def _row(pair: Pair, made: Any, shave: int, rounding: Rounding) -> tuple[Pixels, dict[str, Any]]:
    """Return SR as it would be written and the figures that every row has."""
    lr, hr = pair.lr, pair.hr
    sr = compared = made
    if rounding == "none":
        sr = to_pixels(torch.from_numpy(made)).astype(np.uint8, casting="no")
        compared = made[0].transpose(1, 2, 0) * np.float64(255)
    try:
        luma = score(
            compared,
            _levels(pair),
            border=shave,
            channel="y",
            grey=hr.grey,
            whole_levels=rounding == "luma",
        )
        rgb = score(compared, _levels(pair), border=shave, channel="rgb")
    except InputError as error:
        raise DataError(f"{pair.image} cannot be measured: {error}.") from None
    return sr, {
        "set": pair.set,
        "image": pair.image,
        "psnr_y": luma.psnr,
        "ssim_y": luma.ssim,
        "psnr_rgb": rgb.psnr,
        "ssim_rgb": rgb.ssim,
        "mse": rgb.mse,
        "colour_shift": colour_shift(sr, lr.pixels.astype(np.uint8, casting="no")),
    }


def means(rows: Sequence[Row]) -> dict[str, dict[str, dict[str, float]]]:
    """Return model -> set -> metric -> mean over the set's pictures.

    Figures beyond METRICS are there when at least one picture of the set has them.
    """
    table: dict[str, dict[str, dict[str, float]]] = {}
    for row in rows:
        table.setdefault(row.model, {}).setdefault(row.set, {})
    for model, sets in table.items():
        for name in sets:
            own = [asdict(row) for row in rows if (row.model, row.set) == (model, name)]
            sets[name] = _means(own)
    return table


def _means(rows: Sequence[dict[str, Any]]) -> dict[str, float]:
    found = {}
    for key in (*METRICS, *EXTRA):
        values = [row[key] for row in rows if row[key] is not None]
        if values:
            found[key] = float(np.mean(values))
    return found
