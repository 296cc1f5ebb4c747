"""Scores of a generator on the validation split while it trains, and squares to look at."""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from superres.data.manifest import load_pair, read_manifest
from superres.metrics import score
from superres.models.interpolation import Interpolation
from superres.training.diagnostics import Shown

Pixels = NDArray[np.uint8]
STRIP = 96  # HR pixels of the shown square, at most
EXACT = 100.0  # dB that an exact picture counts as: one black frame must not hide the others


class Validation:
    """The first images of the split "val", whole, in luma with `scale` pixels shaved.

    `lpips` adds that distance, of whole RGB images: `losses.lpips.load_lpips()`.
    """

    def __init__(
        self, pack: Path, scale: int, images: int, device: str, lpips: nn.Module | None = None
    ) -> None:
        rows = [row for row in read_manifest(pack) if row.split == "val"][:images]
        self.pairs = [load_pair(pack, row) for row in rows]
        self.scale = scale
        self.device = device
        self.lpips = None if lpips is None else lpips.to(device)
        sides = [min(hr.shape[:2]) for _, hr in self.pairs]
        self.side = min([STRIP, *sides]) // scale  # LR pixels of the shown square

    def scores(self, generator: nn.Module) -> dict[str, float]:
        """Return mean PSNR, SSIM and MSE; nothing when there are no validation images."""
        if not self.pairs:
            return {}
        made = [(self._upscale(generator, lr), hr) for lr, hr in self.pairs]
        found = [score(sr, hr, border=self.scale, channel="y") for sr, hr in made]
        told = {
            "val/psnr": float(np.mean([min(one.psnr, EXACT) for one in found])),
            "val/ssim": float(np.mean([one.ssim for one in found])),
            "val/mse": float(np.mean([one.mse for one in found])),
        }
        if self.lpips is not None:
            told["val/lpips"] = float(np.mean([self._lpips(sr, hr) for sr, hr in made]))
        return told

    def shown(self, generator: nn.Module) -> list[Shown]:
        """Return the middle of each image, enlarged in four ways."""
        return [self._middle(generator, lr, hr) for lr, hr in self.pairs]

    def _middle(self, generator: nn.Module, lr: Pixels, hr: Pixels) -> Shown:
        top, left = (lr.shape[0] - self.side) // 2, (lr.shape[1] - self.side) // 2
        lr_part = lr[top : top + self.side, left : left + self.side]
        hr_part = hr[top * self.scale :, left * self.scale :]
        hr_part = hr_part[: self.side * self.scale, : self.side * self.scale]
        nearest, bicubic = (
            self._upscale(Interpolation(scale=self.scale, kernel=kernel), lr_part)
            for kernel in ("nearest", "bicubic")
        )
        return Shown(nearest, bicubic, self._upscale(generator, lr_part), hr_part)

    def _lpips(self, sr: Pixels, hr: Pixels) -> float:
        if self.lpips is None:
            raise AssertionError("asked for without its network")
        with torch.inference_mode():
            return float(self.lpips(self._tensor(sr), self._tensor(hr)))

    def _tensor(self, pixels: Pixels) -> torch.Tensor:
        image = torch.from_numpy(np.array(pixels)).to(self.device).permute(2, 0, 1)[None]
        return image.float().div(255)

    def _upscale(self, generator: nn.Module, lr: Pixels) -> Pixels:
        training = generator.training
        generator.eval()
        with torch.inference_mode():
            sr = generator.to(self.device)(self._tensor(lr))
        generator.train(training)
        pixels = sr[0].clamp(0, 1).mul(255).add(0.5).floor().to(torch.uint8)
        return np.asarray(pixels.permute(1, 2, 0).cpu().numpy())
