"""Scores of a video generator on clips of the validation split while it trains."""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from superres.data.clip_sampler import ClipSampler
from superres.data.manifest import read_manifest
from superres.metrics import score
from superres.metrics.temporal import flicker
from superres.models.interpolation import Interpolation
from superres.training.diagnostics import Shown
from superres.training.validation import EXACT, STRIP

Pixels = NDArray[np.uint8]
SIDE = 128  # HR pixels of a clip, at most
SEED = 0


class ClipValidation:
    """Clips of the split "val", always the same, in luma with `scale` pixels shaved.

    They are drawn as the sampler draws, so that stills count as clips along a camera path.
    """

    def __init__(self, pack: Path, scale: int, clips: int, frames: int, device: str) -> None:
        rows = [row for row in read_manifest(pack) if row.split == "val"]
        self.scale, self.device = scale, device
        self.clips: list[tuple[torch.Tensor, list[Pixels]]] = []
        if not rows:
            return
        side = min([SIDE, *(min(row.height, row.width) for row in rows)]) // scale * scale
        sampler = ClipSampler(pack, "val", frames=frames, hr_patch=side, seed=SEED)
        batch = sampler.batch(clips)
        self.clips = [(lr, _pixels(hr)) for lr, hr in zip(batch.lr, batch.hr, strict=True)]

    def scores(self, generator: nn.Module) -> dict[str, float]:
        """Return mean PSNR, SSIM, MSE and flicker over frames; nothing without clips."""
        if not self.clips:
            return {}
        made = [(self._upscale(generator, lr), hr) for lr, hr in self.clips]
        pairs = [pair for srs, hrs in made for pair in zip(srs, hrs, strict=True)]
        found = [score(sr, hr, border=self.scale, channel="y") for sr, hr in pairs]
        steps = [
            flicker((sr[k], sr[k + 1]), (hr[k], hr[k + 1]))
            for sr, hr in made
            for k in range(len(hr) - 1)
        ]
        return {
            "val/psnr": float(np.mean([min(one.psnr, EXACT) for one in found])),
            "val/ssim": float(np.mean([one.ssim for one in found])),
            "val/mse": float(np.mean([one.mse for one in found])),
            "val/flicker": float(np.mean(steps)),
        }

    def shown(self, generator: nn.Module) -> list[Shown]:
        """Return the middle of the last frame of each clip, enlarged in four ways."""
        return [self._middle(generator, lr, hr[-1]) for lr, hr in self.clips]

    def _middle(self, generator: nn.Module, lr: torch.Tensor, hr: Pixels) -> Shown:
        side = min(STRIP, *hr.shape[:2]) // self.scale * self.scale
        top, left = ((length - side) // 2 for length in hr.shape[:2])
        frame = lr[None, -1:]
        made = [
            _pixels(Interpolation(scale=self.scale, kernel=kernel)(frame[0]))[0]
            for kernel in ("nearest", "bicubic")
        ]
        made += [self._upscale(generator, lr)[-1], hr]
        cut = [np.ascontiguousarray(one[top : top + side, left : left + side]) for one in made]
        return Shown(*cut)

    def _upscale(self, generator: nn.Module, lr: torch.Tensor) -> list[Pixels]:
        training = generator.training
        generator.eval()
        with torch.inference_mode():
            sr = generator.to(self.device)(lr[None].to(self.device))[0]
        generator.train(training)
        return _pixels(sr)


def _pixels(frames: torch.Tensor) -> list[Pixels]:
    """Return `(T, 3, H, W)` in [0, 1] as frames of whole levels."""
    levels = frames.clamp(0, 1).mul(255).add(0.5).floor().to(torch.uint8)
    return [np.ascontiguousarray(one) for one in levels.permute(0, 2, 3, 1).cpu().numpy()]
