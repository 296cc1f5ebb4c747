"""The steps a chain is built of: their options, what is accepted, and what each one draws.

A number may be given as a pair `[low, high]`: then it is drawn evenly for every picture (once for
all frames of a clip).
"""

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, Field

from superres.config.schema import Frozen
from superres.data.degradations import kernels
from superres.data.degradations.operations import (
    Drawing,
    Filter,
    Gaussian,
    Jpeg,
    Operation,
    Poisson,
    Resize,
    Subsample,
    Video,
)
from superres.data.degradations.second_order import second_order
from superres.data.degrade import Border

Kernel = Literal["bicubic", "bilinear", "box", "lanczos2", "lanczos3", "opencv_cubic"]
Pair = tuple[float, float]
Probability = Annotated[float, Field(ge=0, le=1)]
Side = Annotated[int, Field(ge=1, le=8192)]


def _between(low: float, high: float) -> AfterValidator:
    def check(value: float | Pair) -> float | Pair:
        ends = value if isinstance(value, tuple) else (value, value)
        if not low <= ends[0] <= ends[1] <= high:
            raise ValueError(f"must lie in {low:g}..{high:g}, a pair as [low, high]")
        return value

    return AfterValidator(check)


class ResizeFrame(Frozen):
    """Resize the whole frame before anything else: this becomes HR (R1: 128 by 128)."""

    name: Literal["resize_frame"] = "resize_frame"
    height: Side = 128
    width: Side = 128
    kernel: Kernel = "opencv_cubic"

    def draw(self, drawing: Drawing) -> tuple[Operation, ...]:
        """Nothing is left to do: HR has been resized already."""
        return ()


class Downsample(Frozen):
    """Resize to the LR size; "bicubic" is MATLAB's, "opencv_cubic" has no antialiasing."""

    name: Literal["downsample"] = "downsample"
    kernel: Kernel = "bicubic"
    border: Border = "replicate"

    def draw(self, drawing: Drawing) -> tuple[Operation, ...]:
        """Resize, whatever the size is by now."""
        return (Resize(*drawing.lr_size, self.kernel, self.border),)


class SubsampleStep(Frozen):
    """Keep every scale-th pixel: the "first" of each block, or the one at its "centre"."""

    name: Literal["subsample"] = "subsample"
    phase: Literal["first", "centre"] = "first"

    def draw(self, drawing: Drawing) -> tuple[Operation, ...]:
        """The centre of an even block is the pixel above and left of its middle."""
        first = (drawing.scale - 1) // 2 if self.phase == "centre" else 0
        return (Subsample(drawing.scale, first),)


class ResizeBy(Frozen):
    """Resize by a factor of HR's size; a `downsample` has to follow."""

    name: Literal["resize"] = "resize"
    factor: Annotated[float | Pair, _between(0.05, 4)]
    kernel: Kernel = "bicubic"

    def draw(self, drawing: Drawing) -> tuple[Operation, ...]:
        """At least one pixel stays."""
        factor = drawing.amount(self.factor)
        height, width = (max(1, round(n * factor)) for n in (drawing.height, drawing.width))
        return (Resize(height, width, self.kernel),)


class Blur(Frozen):
    """Gaussian blur, `sigma` in pixels at this place of the chain."""

    name: Literal["blur"] = "blur"
    sigma: Annotated[float | Pair, _between(0.1, 20)]

    def draw(self, drawing: Drawing) -> tuple[Operation, ...]:
        """4 sigma to each side."""
        return (Filter(kernels.gaussian(drawing.amount(self.sigma))),)


class Sinc(Frozen):
    """Ideal low-pass that rings, as sharpening and codecs do; `cutoff` in radians per pixel."""

    name: Literal["sinc"] = "sinc"
    cutoff: Annotated[float | Pair, _between(0.3, 3.14159)] = (1.0472, 3.14159)
    side: Annotated[int, Field(ge=3, le=41)] = 21

    def draw(self, drawing: Drawing) -> tuple[Operation, ...]:
        """An even side becomes the next odd one."""
        return (Filter(kernels.sinc(drawing.amount(self.cutoff), self.side | 1)),)


class Noise(Frozen):
    """Gaussian noise, `sigma` in grey levels; `grey`: how probably all channels get the same."""

    name: Literal["noise"] = "noise"
    sigma: Annotated[float | Pair, _between(0, 255)]
    grey: Probability = 0.0

    def draw(self, drawing: Drawing) -> tuple[Operation, ...]:
        """The noise itself is drawn when it is added."""
        return (Gaussian(drawing.amount(self.sigma), drawing.happens(self.grey)),)


class ShotNoise(Frozen):
    """Poisson noise of a sensor that counts one photon per grey level, times `scale`."""

    name: Literal["poisson"] = "poisson"
    scale: Annotated[float | Pair, _between(0, 10)] = 1.0
    grey: Probability = 0.0

    def draw(self, drawing: Drawing) -> tuple[Operation, ...]:
        """The noise itself is drawn when it is added."""
        return (Poisson(drawing.amount(self.scale), drawing.happens(self.grey)),)


class JpegStep(Frozen):
    """JPEG and back, 4:2:0."""

    name: Literal["jpeg"] = "jpeg"
    quality: Annotated[float | Pair, _between(1, 100)]

    def draw(self, drawing: Drawing) -> tuple[Operation, ...]:
        """A whole number."""
        return (Jpeg(round(drawing.amount(self.quality))),)


class VideoStep(Frozen):
    """H.264 and back over the whole clip; a single picture is a clip of one frame."""

    name: Literal["video"] = "video"
    crf: Annotated[float | Pair, _between(0, 51)]
    preset: Literal["ultrafast", "veryfast", "medium", "slow"] = "medium"

    def draw(self, drawing: Drawing) -> tuple[Operation, ...]:
        """A whole number."""
        return (Video(round(drawing.amount(self.crf)), self.preset),)


class SecondOrder(Frozen):
    """Blur, resize, noise, JPEG, twice, and a sinc filter last (Real-ESRGAN, Wang et al. 2021)."""

    name: Literal["second_order"] = "second_order"

    def draw(self, drawing: Drawing) -> tuple[Operation, ...]:
        """With the published ranges."""
        return second_order(drawing)


Step = (
    ResizeFrame | Downsample | SubsampleStep | ResizeBy | Blur | Sinc | Noise | ShotNoise
    | JpegStep | VideoStep | SecondOrder
)  # fmt: skip
_CLASSES: Final[tuple[type[Step], ...]] = (
    ResizeFrame, Downsample, SubsampleStep, ResizeBy, Blur, Sinc, Noise, ShotNoise,
    JpegStep, VideoStep, SecondOrder,
)  # fmt: skip
STEPS: Final[Mapping[str, type[Step]]] = {
    str(step.model_fields["name"].default): step for step in _CLASSES
}
# Steps that bring a picture to the LR size: a chain has exactly one.
TO_LR: Final = (Downsample, SubsampleStep, SecondOrder)


def options_of(step: Step) -> dict[str, Any]:
    """Return every option in the order of its class, the name left out."""
    return {key: getattr(step, key) for key in type(step).model_fields if key != "name"}
