"""From uint8 to uint8 in one go for networks of our fast kind: plain steps plus a bicubic skip.

What a network of 25 milliseconds spends around its convolutions is as much again when it is done
step by step: a bicubic image of three float planes, a pixel-shuffle, a sum, clamping, rounding
and the way to interleaved pixels each pass over memory that no cache holds. Here bands of rows
stay in the cache through all of it. The bicubic image is two small matrix products (an upscaling
matrix for 16 rows, the same for 16 columns), and the residual is what the second one adds to.
"""

from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional as F

from superres.errors import ModelError
from superres.inference.levels import Crop
from superres.models.interpolation import Interpolation, phase_weights

if TYPE_CHECKING:
    from superres.inference.backends import Facts

BLOCK = 16  # LR rows or columns of one product
BAND = 16  # LR rows that stay in the cache from the product to the pixels


class FastLevels:
    """`body(lr)`, pixel-shuffled onto one or three channels, plus the interpolated image."""

    def __init__(self, body: nn.Sequential, skip: Interpolation, name: str) -> None:
        self._body = body[:-1]
        self._name = name
        self._scale = skip.scale
        self._reach = skip.reach
        weights = phase_weights(skip.info.name, skip.scale).float()
        self._columns = _product(weights, BLOCK).T.contiguous()
        # 255 turns the sum into levels.
        self._rows = 255 * _product(weights, BAND)

    @classmethod
    def of(cls, network: nn.Module, info: "Facts") -> "FastLevels | None":
        """Return the fused form of `network`, None where it is of another kind."""
        body, skip = getattr(network, "body", None), getattr(network, "skip", None)
        if info.name not in ("fast", "compact") or info.scale < 2:
            return None
        if not isinstance(body, nn.Sequential) or not isinstance(skip, Interpolation):
            return None
        return cls(body, skip, info.name) if isinstance(body[-1], nn.PixelShuffle) else None

    def __call__(self, lr: NDArray[Any], crop: Crop) -> NDArray[Any]:
        """`lr (h, w, 3)` uint8 -> the crop of the result, uint8; ModelError if not finite."""
        with torch.inference_mode():
            # A copy as floats: decoded arrays are read-only, which torch does not know.
            image = torch.from_numpy(lr.astype(np.float32)).permute(2, 0, 1)[None].div_(255)
            residual = self._body(image.contiguous(memory_format=torch.channels_last))
            if not torch.isfinite(residual.sum()):
                raise ModelError(
                    f"model '{self._name}': the result has NaN or infinite values, so nothing is "
                    "written. Use another model or backend."
                )
            return self._merged(self._wide(image), residual, crop)

    def _wide(self, image: torch.Tensor) -> torch.Tensor:
        """Interpolate along the rows: (1, 3, h, w) -> (3, h + 2 * reach, s * w or a bit more)."""
        reach = self._reach
        width = image.shape[3]
        blocks = -(-width // BLOCK)
        missing = blocks * BLOCK - width
        padded = F.pad(image, [reach, reach + missing, reach, reach], mode="replicate")[0]
        parts = padded.unfold(2, BLOCK + 2 * reach, BLOCK)  # 3, rows, blocks, columns
        wide = parts.reshape(-1, BLOCK + 2 * reach) @ self._columns
        return wide.view(3, padded.shape[1], blocks * BLOCK * self._scale)

    def _merged(self, wide: torch.Tensor, residual: torch.Tensor, crop: Crop) -> NDArray[Any]:
        """Interpolate along the columns, add the residual, clamp, round, interleave."""
        scale = self._scale
        width = residual.shape[3]
        planes = residual.shape[1] // scale**2
        columns = slice(crop.left, crop.left + crop.width)
        out = np.empty((crop.height, crop.width, 3), np.uint8)
        detail = torch.empty(planes, BAND, scale, width, scale)
        floats = torch.empty(3, BAND * scale, width * scale)
        levels = np.empty((3, BAND * scale, width * scale), np.uint8)
        last = -(-(crop.top + crop.height) // scale)
        for top in range(crop.top // scale, last, BAND):
            count = min(BAND, last - top)
            part = residual[0, :, top : top + count]
            part = part.reshape(planes, scale, scale, count, width)
            # planes, i, j, rows, columns -> planes, rows, i, columns, j
            torch.mul(part.permute(0, 3, 1, 4, 2), 255, out=detail[:, :count])
            added = detail[:, :count].view(planes, count * scale, width * scale)
            rows = self._rows[: count * scale, : count + 2 * self._reach]
            for channel in range(3):
                result = floats[channel, : count * scale]
                source = wide[channel, top : top + count + 2 * self._reach, : width * scale]
                torch.addmm(added[min(channel, planes - 1)], rows, source, out=result)
                result.clamp_(min=0)  # OpenCV rounds and saturates, but takes absolute values
                cv2.convertScaleAbs(result.numpy(), levels[channel, : count * scale])
            start = max(crop.top, top * scale)
            end = min(crop.top + crop.height, (top + count) * scale)
            inside = slice(start - top * scale, end - top * scale)
            merged = [levels[channel, inside, columns] for channel in range(3)]
            cv2.merge(merged, out[start - crop.top : end - crop.top])
        return out


def _product(weights: torch.Tensor, block: int) -> torch.Tensor:
    """Return the matrix (s * block, block + 2 * reach) that interpolates a block of pixels."""
    scale, taps = weights.shape
    matrix = torch.zeros(scale * block, block + taps - 1)
    for position in range(scale * block):
        first = position // scale
        matrix[position, first : first + taps] = weights[position % scale]
    return matrix
