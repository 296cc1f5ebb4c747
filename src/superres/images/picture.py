"""What a picture is inside the package, and its numeric view as a tensor."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import features

from superres.errors import InputError

if TYPE_CHECKING:
    import torch

Pixels = NDArray[np.uint8] | NDArray[np.uint16]

# Suffix -> format that can be written.
FORMATS: Mapping[str, str] = {
    ".png": "PNG",
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".webp": "WEBP",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".bmp": "BMP",
    **({".avif": "AVIF"} if features.check("avif") else {}),
}


@dataclass(frozen=True)
class Picture:
    """One decoded picture, upright.

    `pixels` (H, W, 3) RGB and `alpha` (H, W), both uint8 in 0..255 or both uint16 in 0..65535,
    alpha straight (not premultiplied). `grey`: the file had one colour channel, so the three are
    equal. `icc`: the colour profile. `exif`: from its "Exif\\0\\0" header on, the orientation
    already applied to the pixels and removed. `format`: of the file it was read from. `dpi`: pixels
    an inch across and down, where the file says so.
    """

    pixels: Pixels
    alpha: Pixels | None = None
    grey: bool = False
    icc: bytes | None = None
    exif: bytes | None = None
    format: str | None = "PNG"
    dpi: tuple[float, float] | None = None

    @property
    def height(self) -> int:
        """Rows of pixels."""
        return int(self.pixels.shape[0])

    @property
    def width(self) -> int:
        """Columns of pixels."""
        return int(self.pixels.shape[1])

    @property
    def bit_depth(self) -> int:
        """Bits per channel, 8 or 16."""
        return 8 * self.pixels.dtype.itemsize

    @property
    def channels(self) -> int:
        """Channels a file of it needs: 1 grey, 2 grey + alpha, 3 colour, 4 colour + alpha."""
        return (1 if self.grey else 3) + (self.alpha is not None)


@dataclass(frozen=True)
class Limits:
    """What is accepted, checked against the size and the header before anything is decoded."""

    max_bytes: int = 64 << 20
    max_pixels: int = 50_000_000

    def too_many_bytes(self, found: int) -> InputError:
        """Return the error for a file of `found` bytes."""
        message = f"the file has {found} bytes, at most {self.max_bytes} are accepted"
        return InputError(message, code="too_many_bytes", status=413)

    def too_many_pixels(self, width: int, height: int) -> InputError:
        """Return the error for a picture or frame of width x height pixels."""
        message = (
            f"the picture is {width}x{height} = {width * height} pixels, "
            f"at most {self.max_pixels} are accepted"
        )
        return InputError(message, code="too_many_pixels", status=413)


def to_tensor(pixels: Pixels) -> "torch.Tensor":
    """(H, W, 3) uint8 or uint16 -> float32 (1, 3, H, W) in [0, 1]."""
    import torch

    planes = np.ascontiguousarray(pixels.transpose(2, 0, 1), dtype=np.float32)
    planes /= np.iinfo(pixels.dtype).max
    return torch.from_numpy(planes).unsqueeze(0)


def to_pixels(
    tensor: "torch.Tensor", dtype: type[np.uint8] | type[np.uint16] | np.dtype[Any] = np.uint8
) -> Pixels:
    """Float (1, 3, H, W) or (3, H, W), nominally in [0, 1] -> (H, W, 3) uint8 or uint16.

    Clamps, then rounds half up: the one place where a network's output becomes integers.
    """
    planes = tensor.detach().reshape(tensor.shape[-3:]).to("cpu", copy=True).float()
    scaled = planes.clamp_(0, 1).mul_(float(np.iinfo(dtype).max)).add_(0.5).floor_()
    result: Pixels = np.ascontiguousarray(scaled.permute(1, 2, 0).numpy()).astype(dtype)
    return result
