"""FSRCNN and ESPCN as OpenCV's dnn_superres runs them, for comparisons.

dnn_superres left OpenCV with version 5 and its weights cannot be had here, so the same steps are
made of what is left: BGR to YCrCb, luma through `cv2.dnn` (our networks of the papers' sizes,
exported; weights do not change the time), chroma by bicubic, and back. FSRCNN's transposed
convolution takes OpenCV 5 a second, so it is given as the plain convolution with a pixel-shuffle
that makes the same sums, and takes a tenth.
"""

import contextlib
import io
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from superres.models import build

Frame = NDArray[Any]


def opencv_network(name: str, height: int, width: int, scale: int = 4) -> Callable[[Frame], Frame]:
    """Return what upscales (h, w, 3) uint8 RGB with "fsrcnn" or "espcn" in cv2.dnn."""
    network = build(name, scale=scale).eval().requires_grad_(False)
    luma = network.body
    if isinstance(network.get_submodule("up") if name == "fsrcnn" else None, nn.ConvTranspose2d):
        luma = nn.Sequential(network.body, sub_pixel(network.up), nn.PixelShuffle(scale))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "luma.onnx"
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")  # the exporter's, about its own future
            example = (torch.zeros(1, 1, height, width),)
            torch.onnx.export(luma, example, path, dynamo=True, external_data=False, verbose=False)
        loaded = cv2.dnn.readNetFromONNX(str(path))

    def upscale(rgb: Frame) -> Frame:
        parts = cv2.split(cv2.cvtColor(rgb, cv2.COLOR_RGB2YCrCb))
        loaded.setInput(cv2.dnn.blobFromImage(parts[0], 1 / 255))
        result = loaded.forward()[0, 0]
        made = np.empty(result.shape, np.uint8)
        cv2.convertScaleAbs(np.maximum(result, 0), made, 255)
        size = (scale * rgb.shape[1], scale * rgb.shape[0])
        chroma = [cv2.resize(p, size, interpolation=cv2.INTER_CUBIC) for p in parts[1:]]
        return cv2.cvtColor(cv2.merge([made, *chroma]), cv2.COLOR_YCrCb2RGB)

    return upscale


def sub_pixel(up: nn.ConvTranspose2d) -> nn.Conv2d:
    """Return the convolution that gives, before the pixel-shuffle, what `up` gives."""
    scale, pad = up.stride[0], up.kernel_size[0] // 2
    plain = nn.Conv2d(up.in_channels, scale**2, 3, padding=1).requires_grad_(False)
    up = up.requires_grad_(False)
    plain.weight.zero_()
    for row, column in np.ndindex(scale, scale):
        for y, x in np.ndindex(3, 3):
            tap = (row + pad - scale * (y - 1), column + pad - scale * (x - 1))
            if max(tap) < up.kernel_size[0] and min(tap) >= 0:
                plain.weight[row * scale + column, :, y, x] = up.weight[:, 0, *tap]
    plain.bias.copy_(up.bias.expand(scale**2))
    probe = torch.rand(1, up.in_channels, 9, 7)
    torch.testing.assert_close(nn.functional.pixel_shuffle(plain(probe), scale), up(probe))
    return plain
