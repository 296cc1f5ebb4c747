"""What benchmarks/training.py compares with: plain networks, updates and data loaders."""

import argparse
import time
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import nn

from superres.losses import FeatureNetwork
from superres.losses.feature_network import layer_index
from superres.models import build, build_discriminator

SCALE, PATCH, WORKERS = 4, 96, 2
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
UNIT = 50 if DEVICE == "cuda" else 1  # steps in a turn; a GPU is waited for at its end only
FUSED = True if DEVICE == "cuda" else None
BLOCK = 2  # turns of a DataLoader at once: its workers are started anew each time
MODELS = {
    "compact": {"name": "compact", "scale": SCALE, "channels": 32, "layers": 5},
    "srresnet": {"name": "srresnet", "scale": SCALE, "blocks": 16},
    "srgan": {"name": "srresnet", "scale": SCALE, "blocks": 16},
}
Pair = tuple[torch.Tensor, torch.Tensor]


class Plain:
    """The networks and the update of a case as one would write them for it alone."""

    def __init__(self, case: str, asked: argparse.Namespace, features: FeatureNetwork) -> None:
        self.generator = (
            build(**model(case, asked)).to(DEVICE).to(memory_format=torch.channels_last)
        )
        self.adam = torch.optim.Adam(self.generator.parameters(), 1e-4, fused=FUSED)
        self.critic: nn.Module | None = None
        if case == "srgan":
            self.critic = build_discriminator("srgan").to(DEVICE)
            self.critic.to(memory_format=torch.channels_last)
            self.critic_adam = torch.optim.Adam(self.critic.parameters(), 1e-4, fused=FUSED)
        self.features, self.precision = features, asked.precision

    def lowered(self) -> AbstractContextManager[object]:
        """Return autocast, where asked for."""
        if self.precision == "fp32":
            return nullcontext()
        return torch.autocast(DEVICE, torch.bfloat16)

    def step(self, lr: torch.Tensor, hr: torch.Tensor) -> None:
        """Make one update."""
        mse, critic = nn.functional.mse_loss, self.critic
        told = nn.functional.binary_cross_entropy_with_logits
        if critic is not None:
            critic.requires_grad_(True)
            with self.lowered():
                with torch.no_grad():
                    made = self.generator(lr).float()
                real, fake = critic(hr).float(), critic(made).float()
            loss = told(real, torch.ones_like(real)) + told(fake, torch.zeros_like(fake))
            self.critic_adam.zero_grad(set_to_none=True)
            torch.autograd.backward(loss)
            self.critic_adam.step()
            critic.requires_grad_(False)
        with self.lowered():
            sr = self.generator(lr).float()
        loss = mse(sr, hr)
        if critic is not None:
            layer = layer_index("vgg19", "54")
            with self.lowered():
                ours = self.features(sr, layer).float()
                with torch.no_grad():
                    theirs = self.features(hr, layer).float()
                fake = critic(sr).float()
            loss = loss + 0.006 * mse(ours, theirs) + 1e-3 * told(fake, torch.ones_like(fake))
        self.adam.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        self.adam.step()


class Files(torch.utils.data.Dataset[Pair]):
    """The usual data set: crop and flip, from PNG files or from decoded arrays."""

    def __init__(self, folder: Path, decoded: bool, length: int) -> None:
        self.names = sorted(folder.glob("*.hr.png"))
        self.decoded = [self.read(name) for name in self.names] if decoded else []
        self.length = length

    def __len__(self) -> int:
        return self.length

    def read(self, name: Path) -> tuple[np.ndarray, np.ndarray]:
        """Open the LR and the HR file."""
        lr = name.with_name(name.name.replace(".hr.", ".lr."))
        return np.asarray(Image.open(lr)), np.asarray(Image.open(name))

    def __getitem__(self, index: int) -> Pair:
        random = np.random.default_rng()
        place = int(random.integers(len(self.names)))
        lr, hr = self.decoded[place] if self.decoded else self.read(self.names[place])
        patch = PATCH // SCALE
        top, left = (int(random.integers(side - patch + 1)) for side in lr.shape[:2])
        crops = (
            lr[top : top + patch, left : left + patch],
            hr[top * SCALE : top * SCALE + PATCH, left * SCALE : left * SCALE + PATCH],
        )
        flip = bool(random.integers(2))
        turned = [np.ascontiguousarray(crop[:, ::-1] if flip else crop) for crop in crops]
        made = [torch.from_numpy(crop).permute(2, 0, 1).float() / 255 for crop in turned]
        return made[0], made[1]


def model(case: str, asked: argparse.Namespace) -> dict[str, object]:
    """Return the generator's options."""
    blocks = {} if case == "compact" else {"blocks": asked.blocks}
    return MODELS[case] | blocks


def finished() -> float:
    """Return the time when the device has done what it was given."""
    if DEVICE == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()


def over_loader(plain: Plain, data: Files, batch: int) -> list[float]:
    """Return seconds per step of a block, its first unit left out: the workers start in it."""
    loader: torch.utils.data.DataLoader[Pair] = torch.utils.data.DataLoader(
        data, batch_size=batch, num_workers=WORKERS, pin_memory=DEVICE == "cuda"
    )
    spent, begun = [], finished()
    for count, (lr, hr) in enumerate(loader, start=1):
        plain.step(lr.to(DEVICE, non_blocking=True), hr.to(DEVICE, non_blocking=True))
        if count % UNIT == 0:
            spent.append((finished() - begun) / UNIT)
            begun = finished()
    return spent[1:]
