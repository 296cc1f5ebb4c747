"""Every network by name: `build("srresnet", scale=4, blocks=16)`."""

import inspect
from typing import Any, TypeVar

from torch import nn

from superres.errors import ModelError
from superres.models.clip_discriminator import ClipDiscriminator
from superres.models.community import Community
from superres.models.compact import Compact
from superres.models.discriminators import (
    PatchDiscriminator,
    SRGANDiscriminator,
    UNetDiscriminator,
)
from superres.models.edsr import EDSR
from superres.models.espcn import ESPCN
from superres.models.fast import Fast
from superres.models.fourier import Fourier
from superres.models.fsrcnn import FSRCNN
from superres.models.info import Generator, ModelInfo, parameter_count
from superres.models.interpolation import Bicubic, Bilinear, Lanczos, Nearest, Spline
from superres.models.recurrent import Recurrent
from superres.models.refinement_unet import RefinementUNet
from superres.models.rrdb import RRDB
from superres.models.span import SPAN
from superres.models.srcnn import SRCNN
from superres.models.srresnet import SRResNet
from superres.models.srunet import SRUNet
from superres.models.steady import Steady
from superres.models.video import VideoGenerator
from superres.models.video_srgan import VideoSRGAN
from superres.models.volume import Volume

__all__ = [
    "BASELINES",
    "DISCRIMINATORS",
    "MODELS",
    "VIDEO_MODELS",
    "Generator",
    "ModelInfo",
    "VideoGenerator",
    "build",
    "build_discriminator",
    "parameter_count",
]

BASELINES: dict[str, type[Generator]] = {
    "nearest": Nearest,
    "bilinear": Bilinear,
    "bicubic": Bicubic,
    "spline": Spline,
    "lanczos": Lanczos,
}
MODELS: dict[str, type[Generator]] = {
    **BASELINES,
    "compact": Compact,
    "edsr": EDSR,
    "espcn": ESPCN,
    "fast": Fast,
    "fourier": Fourier,
    "fsrcnn": FSRCNN,
    "refinement_unet": RefinementUNet,
    "rrdb": RRDB,
    "span": SPAN,
    "srcnn": SRCNN,
    "srresnet": SRResNet,
    "srunet": SRUNet,
}
VIDEO_MODELS: dict[str, type[VideoGenerator]] = {
    "recurrent": Recurrent,
    "steady": Steady,
    "video_srgan": VideoSRGAN,
    "volume": Volume,
}
DISCRIMINATORS: dict[str, type[nn.Module]] = {
    "clip": ClipDiscriminator,
    "patch": PatchDiscriminator,
    "srgan": SRGANDiscriminator,
    "unet": UNetDiscriminator,
}


def build(name: str, **options: Any) -> Generator:
    """Make the generator called `name`; ModelError names what is accepted."""
    # Community: only its own weights can complete it.
    known = {**MODELS, **VIDEO_MODELS, "community": Community}
    return _construct("model", known, name, options)


def build_discriminator(name: str, **options: Any) -> nn.Module:
    """Make the discriminator called `name`; ModelError names what is accepted."""
    return _construct("discriminator", DISCRIMINATORS, name, options)


Network = TypeVar("Network", bound=nn.Module)


def _construct(
    role: str, known: dict[str, type[Network]], name: str, options: dict[str, Any]
) -> Network:
    if name not in known:
        raise ModelError(f"{role} '{name}' is not known; accepted: {', '.join(sorted(known))}")
    accepted = list(inspect.signature(known[name]).parameters)
    unknown = sorted(set(options) - set(accepted))
    if unknown:
        raise ModelError(
            f"{role} '{name}': unknown option {', '.join(unknown)}; accepted: {', '.join(accepted)}"
        )
    scale = options.get("scale", 1)
    if not isinstance(scale, int) or scale < 1:
        raise ModelError(f"{role} '{name}': scale {scale!r}; accepted: whole numbers from 1")
    try:
        return known[name](**options)
    except (TypeError, ValueError, IndexError, ArithmeticError, RuntimeError) as error:
        raise ModelError(f"{role} '{name}' with {options}: {error}") from None
