"""Real pairs: LR comes from a camera or from somebody else, and is checked instead of made."""

import numpy as np

from superres.data.clips import Bad
from superres.data.degrade import degrade, mod_crop
from superres.data.manifest import GIVEN, Pixels
from superres.data.prepare import Candidate, PairOptions
from superres.data.reading import load
from superres.data.registration import fault_of


def given_pair(
    rgb: Pixels, candidate: Candidate, options: PairOptions
) -> tuple[Pixels, Pixels, str] | Bad:
    """Return (hr, lr, how LR came to be) of a picture `rgb` whose LR is a file.

    LR must have 1/scale of the sides of HR, rounded down or up: both are then cropped to whole
    multiples, and no pixel of LR is changed. An LR as large as HR, as RealVSR has them, is
    shrunk by `options.kernel`. The two must be registered, see `fault_of`.
    """
    found = load(candidate.root, candidate.lr, candidate.lr_sha256)
    if isinstance(found, Bad):
        return found
    hr = np.ascontiguousarray(mod_crop(rgb, options.scale))
    if 0 in hr.shape:
        return Bad(candidate.path, f"too small: no {options.scale} pixels on each side")
    if found.rgb.shape == rgb.shape:
        lr = degrade(found.rgb, options.scale, options.kernel, options.border)
        origin = f"{GIVEN} x1, then x{options.scale} {options.kernel} {options.border}"
    elif _fits(found.rgb, rgb, options.scale):
        lr = found.rgb[: hr.shape[0] // options.scale, : hr.shape[1] // options.scale]
        origin = f"{GIVEN} x{options.scale}"
    else:
        return Bad(
            candidate.path, f"its LR {candidate.lr} is {_size(found.rgb)}, {_wanted(hr, options)}"
        )
    if fault := fault_of(lr, hr, options.max_shift):
        return Bad(candidate.path, f"not registered with {candidate.lr}: {fault}")
    return hr, np.ascontiguousarray(lr), origin


def _fits(lr: Pixels, hr: Pixels, scale: int) -> bool:
    sides = zip(lr.shape[:2], hr.shape[:2], strict=True)
    return all(small in (large // scale, -(-large // scale)) for small, large in sides)


def _size(pixels: Pixels) -> str:
    return f"{pixels.shape[1]}x{pixels.shape[0]}"


def _wanted(hr: Pixels, options: PairOptions) -> str:
    height, width = (side // options.scale for side in hr.shape[:2])
    return f"expected {width}x{height} at scale {options.scale}, or the size of HR, {_size(hr)}"
