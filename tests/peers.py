"""Networks of others with their public weights: what our definitions and our figures must meet."""

from collections.abc import Iterator
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional as F

from superres.checkpoint import Model
from superres.models import Generator, ModelInfo, build
from superres.models.interpolation import Interpolation
from superres.models.luma import luma_of, with_luma

Weights = dict[str, torch.Tensor]


def srgan(folder: Path) -> Model:
    """Return a public SRGAN generator of five blocks in our SRResNet.

    Where the paper has batch norm at the end of the body it has PReLU, so that one layer is
    exchanged; all others are ours as they are.
    """
    network = build("srresnet", blocks=5, output="tanh")
    network.body[-1] = nn.PReLU()
    network.load_state_dict(dict(_renamed(_read(folder / "leftthomas_SRGAN_x4.pth"))))
    return Model(network.eval(), network.info, {"version": "srgan"})


def imdn(folder: Path) -> Model:
    """Return the public IMDN x4 (Hui et al., 2019)."""
    network = IMDN()
    weights = _read(folder / "IMDN_x4.pth")
    network.load_state_dict({name.removeprefix("module."): one for name, one in weights.items()})
    return Model(network.eval(), network.info, {"version": "imdn"})


def vdsr(folder: Path) -> Model:
    """Return the public VDSR (Kim et al., 2016), one set of weights for all scales, at x4."""
    network = VDSR()
    weights = _read(folder / "VDSR_state_dict.pth")
    order = ["input", *(f"residual_layer.{index}.conv" for index in range(18)), "output"]
    places = [place for place, one in enumerate(network.body) if isinstance(one, nn.Conv2d)]
    named = zip(places, order, strict=True)
    network.body.load_state_dict({f"{at}.weight": weights[f"{name}.weight"] for at, name in named})
    return Model(network.eval(), network.info, {"version": "vdsr"})


def _read(file: Path) -> Weights:
    weights: Weights = torch.load(file, map_location="cpu", weights_only=True)
    return weights


def _renamed(weights: Weights) -> Iterator[tuple[str, torch.Tensor]]:
    """Their blocks 2 to 6 are our residual blocks; 1, 7 and 8 head, body's end, up and tail."""
    ends = {"block1": "head", "block7.0": "body.5", "block7.1": "body.6", "block8.2": "tail"}
    ends |= {"block8.0.conv": "up.0", "block8.0.prelu": "up.2"}
    ends |= {"block8.1.conv": "up.3", "block8.1.prelu": "up.5"}
    inside = {"conv1": 0, "bn1": 1, "prelu": 2, "conv2": 3, "bn2": 4}
    for name, value in weights.items():
        block, _, rest = name.partition(".")
        part, _, leaf = rest.partition(".")
        if part in inside:
            # Their norms count no batches; ours do, for nothing that a result depends on.
            yield f"body.{int(block[5:]) - 2}.body.{inside[part]}.{leaf}", value
            if leaf == "running_var":
                batches = f"body.{int(block[5:]) - 2}.body.{inside[part]}.num_batches_tracked"
                yield batches, torch.tensor(0)
            continue
        start = next(one for one in ends if name.startswith(f"{one}."))
        yield ends[start] + name.removeprefix(start), value


class _Contrast(nn.Module):
    """Weighs channels by the mean and the deviation of the whole picture."""

    def __init__(self) -> None:
        super().__init__()
        squeeze, widen = nn.Conv2d(64, 4, 1), nn.Conv2d(4, 64, 1)
        self.conv_du = nn.Sequential(squeeze, nn.ReLU(), widen, nn.Sigmoid())

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        mean = features.mean(dim=(2, 3), keepdim=True)
        deviation = (features - mean).square().mean(dim=(2, 3), keepdim=True).sqrt()
        weighed: torch.Tensor = features * self.conv_du(mean + deviation)
        return weighed


class _Distillation(nn.Module):
    """Keeps 16 channels of each convolution and refines the other 48."""

    def __init__(self) -> None:
        super().__init__()
        self.c1 = nn.Conv2d(64, 64, 3, padding=1)
        self.c2 = nn.Conv2d(48, 64, 3, padding=1)
        self.c3 = nn.Conv2d(48, 64, 3, padding=1)
        self.c4 = nn.Conv2d(48, 16, 3, padding=1)
        self.c5 = nn.Conv2d(64, 64, 1)
        self.cca = _Contrast()

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        kept, rest = [], features
        for step in (self.c1, self.c2, self.c3):
            part, rest = F.leaky_relu(step(rest), 0.05).split([16, 48], dim=1)
            kept.append(part)
        fused: torch.Tensor = self.c5(self.cca(torch.cat([*kept, self.c4(rest)], dim=1)))
        return fused + features


class IMDN(Generator):
    """Six distillation blocks; sees the whole picture, so it is for one tile."""

    def __init__(self) -> None:
        super().__init__()
        self.fea_conv = nn.Conv2d(3, 64, 3, padding=1)
        for index in range(1, 7):
            self.add_module(f"IMDB{index}", _Distillation())
        self.c = nn.Sequential(nn.Conv2d(384, 64, 1), nn.LeakyReLU(0.05))
        self.LR_conv = nn.Conv2d(64, 64, 3, padding=1)
        self.upsampler = nn.Sequential(nn.Conv2d(64, 48, 3, padding=1), nn.PixelShuffle(4))
        self.info = ModelInfo("imdn", scale=4)

    def forward(self, lr: torch.Tensor) -> torch.Tensor:
        shallow = features = self.fea_conv(lr)
        made = []
        for index in range(1, 7):
            features = self.get_submodule(f"IMDB{index}")(features)
            made.append(features)
        sr: torch.Tensor = self.upsampler(self.LR_conv(self.c(torch.cat(made, dim=1))) + shallow)
        return sr


class VDSR(Generator):
    """Twenty convolutions that correct the luma of the bicubic image."""

    def __init__(self) -> None:
        super().__init__()
        self.upscale = Interpolation(scale=4)
        steps: list[nn.Module] = []
        for inside in [1] + [64] * 18:
            steps += [nn.Conv2d(inside, 64, 3, padding=1, bias=False), nn.ReLU()]
        self.body = nn.Sequential(*steps, nn.Conv2d(64, 1, 3, padding=1, bias=False))
        self.info = ModelInfo("vdsr", scale=4)

    def forward(self, lr: torch.Tensor) -> torch.Tensor:
        upscaled: torch.Tensor = self.upscale(lr)
        luma = luma_of(upscaled)
        return with_luma(upscaled, luma + self.body(luma + 16 / 255))
