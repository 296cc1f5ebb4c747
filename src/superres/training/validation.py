"""Scores of a generator on the validation split while it trains, and a strip to look at."""

import logging
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from superres.data.manifest import load_pair, read_manifest
from superres.metrics import score
from superres.models import Generator
from superres.models.interpolation import Interpolation

log = logging.getLogger(__name__)
Pixels = NDArray[np.uint8]
STRIP = 96  # HR pixels of the shown square, at most
EXACT = 100.0  # dB that an exact picture counts as: one black frame must not hide the others


class Validation:
    """The first images of the split "val", whole, in luma with `scale` pixels shaved."""

    def __init__(self, pack: Path, scale: int, images: int, device: str) -> None:
        rows = [row for row in read_manifest(pack) if row.split == "val"][:images]
        self.pairs = [load_pair(pack, row) for row in rows]
        self.scale = scale
        self.device = device
        sides = [min(hr.shape[:2]) for _, hr in self.pairs]
        self.shown = min([STRIP, *sides]) // scale  # LR pixels

    def scores(self, generator: Generator) -> dict[str, float]:
        """Return mean PSNR, SSIM and MSE; nothing when there are no validation images."""
        if not self.pairs:
            return {}
        found = [
            score(self._upscale(generator, lr), hr, border=self.scale, channel="y")
            for lr, hr in self.pairs
        ]
        return {
            "val/psnr": float(np.mean([min(one.psnr, EXACT) for one in found])),
            "val/ssim": float(np.mean([one.ssim for one in found])),
            "val/mse": float(np.mean([one.mse for one in found])),
        }

    def strip(self, generator: Generator) -> bytes | None:
        """Return a PNG: nearest | bicubic | this generator | HR, of the middle of each image.

        None where Pillow is not installed: a training needs no pictures.
        """
        try:
            from superres.images import Picture, encode
        except ImportError:
            return None
        if not self.pairs:
            return None
        rows = [self._row(generator, lr, hr) for lr, hr in self.pairs]
        return encode(Picture(np.ascontiguousarray(np.concatenate(rows))))

    def _row(self, generator: Generator, lr: Pixels, hr: Pixels) -> Pixels:
        top, left = (lr.shape[0] - self.shown) // 2, (lr.shape[1] - self.shown) // 2
        lr_part = lr[top : top + self.shown, left : left + self.shown]
        hr_part = hr[top * self.scale :, left * self.scale :]
        hr_part = hr_part[: self.shown * self.scale, : self.shown * self.scale]
        shown = [
            self._upscale(Interpolation(scale=self.scale, kernel=kernel), lr_part)
            for kernel in ("nearest", "bicubic")
        ]
        return np.concatenate([*shown, self._upscale(generator, lr_part), hr_part], axis=1)

    def _upscale(self, generator: Generator, lr: Pixels) -> Pixels:
        training = generator.training
        generator.eval()
        with torch.inference_mode():
            image = torch.from_numpy(np.array(lr)).to(self.device).permute(2, 0, 1)[None]
            sr = generator.to(self.device)(image.float().div(255))
        generator.train(training)
        pixels = sr[0].clamp(0, 1).mul(255).add(0.5).floor().to(torch.uint8)
        return np.asarray(pixels.permute(1, 2, 0).cpu().numpy())
