"""What a figure is called, how many digits it has and which way is better."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

from superres.evaluation import Row


@dataclass(frozen=True)
class Measure:
    """One column of figures."""

    key: str
    title: str
    digits: int
    lower: bool = False  # smaller is better
    unit: str = ""


KNOWN = (
    Measure("psnr_y", "PSNR-Y dB", 2, unit="dB"),
    Measure("ssim_y", "SSIM-Y", 4),
    Measure("psnr_rgb", "PSNR-RGB dB", 2, unit="dB"),
    Measure("ssim_rgb", "SSIM-RGB", 4),
    Measure("lpips", "LPIPS", 4, lower=True),
    Measure("dists", "DISTS", 4, lower=True),
    Measure("niqe", "NIQE", 2, lower=True),
    Measure("mse", "MSE", 5, lower=True),
    Measure("consistency", "consistency dB", 2, unit="dB"),
    Measure("checkerboard", "checkerboard", 4, lower=True),
    Measure("colour_shift", "colour shift", 2, lower=True),
    Measure("tof", "tOF", 3, lower=True),
    Measure("tlp", "tLP", 4, lower=True),
    Measure("flicker", "flicker", 4, lower=True),
    Measure("warping_error", "warping error", 4, lower=True),
)
TEMPORAL = ("tof", "tlp", "flicker", "warping_error")
IN_TABLE = ("psnr_y", "ssim_y", "psnr_rgb", "lpips", "mse", *TEMPORAL)


def figures(row: Row) -> dict[str, float]:
    """Return the row's known figures that were measured."""
    values = asdict(row)
    return {
        measure.key: float(values[measure.key])
        for measure in KNOWN
        if values.get(measure.key) is not None
    }


def measured(rows: Sequence[Row], among: Iterable[str] | None = None) -> list[Measure]:
    """Return the measures that at least one row has, in a fixed order."""
    wanted = None if among is None else set(among)
    found = {key for row in rows for key in figures(row)}
    return [one for one in KNOWN if one.key in found and (wanted is None or one.key in wanted)]
