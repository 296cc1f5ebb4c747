"""A degradation: steps in a row, from a list of plain mappings or from its own description."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from superres.config.schema import parse
from superres.data.degradations.operations import Drawing, Operation, Video
from superres.data.degradations.pixels import Pixels, carry_out, resized_frame, to_bytes
from superres.data.degradations.steps import (
    STEPS,
    TO_LR,
    Downsample,
    ResizeBy,
    ResizeFrame,
    Step,
    options_of,
)
from superres.data.degrade import mod_crop
from superres.errors import ConfigError

PRESETS: Final[Mapping[str, str]] = {
    "bicubic": "downsample",  # BI of the papers: MATLAB's imresize
    "r1": "resize_frame; downsample kernel=opencv_cubic",
    "bd": "blur sigma=1.6; subsample",  # BD of the video papers
    "real-world": "second_order",
}

WHOLE_FRAMES: Final = ("resize_frame", "video")


@dataclass(frozen=True)
class Degradation:
    """A checked chain of steps; equal chains are equal, and describe themselves alike."""

    steps: tuple[Step, ...]

    @classmethod
    def parse(cls, content: str | Sequence[Mapping[str, Any]]) -> "Degradation":
        """Read a list of steps, a name of PRESETS, or what `describe` returned.

        Raises ConfigError for an unknown step, key or value, or a chain that does not end at the
        LR size, saying what is accepted.
        """
        if isinstance(content, str):
            content = _read(PRESETS.get(content, content))
        return cls(_checked(tuple(_step(number, entry) for number, entry in enumerate(content))))

    def describe(self) -> str:
        """Return every step with every option: `blur sigma=1.6; subsample phase=first`."""
        return "; ".join(
            " ".join([step.name, *(f"{key}={_text(v)}" for key, v in options_of(step).items())])
            for step in self.steps
        )

    @property
    def is_random(self) -> bool:
        """Whether another seed gives other pixels."""
        drawn = any(isinstance(v, tuple) for step in self.steps for v in options_of(step).values())
        return drawn or any(s.name in ("noise", "poisson", "second_order") for s in self.steps)

    @property
    def needs_clip(self) -> bool:
        """Whether a frame depends on its neighbours, so that `apply_clip` is what is meant."""
        return any(step.name == "video" for step in self.steps)

    def require_crops(self) -> None:
        """Raise ConfigError for a step that needs whole frames, so not the crops of a training."""
        for step in self.steps:
            if step.name in WHOLE_FRAMES:
                raise ConfigError(
                    f"degradation step {step.name!r} needs whole frames and cannot run on crops "
                    "during training; make the pairs with it instead"
                )

    def hr(self, picture: Pixels, scale: int) -> Pixels:
        """Return the HR side of the pair: resized by `resize_frame`, else mod-cropped.

        Doing it twice changes nothing. Raises ConfigError when the picture is too small.
        """
        first = self.steps[0]
        if isinstance(first, ResizeFrame):
            size = (first.height, first.width)
            if size[0] % scale or size[1] % scale:
                raise ConfigError(
                    f"resize_frame: {size[1]}x{size[0]} is no multiple of the scale {scale}"
                )
            picture = resized_frame(picture, size, first.kernel)
        cropped = mod_crop(picture, scale)
        if 0 in cropped.shape:
            raise ConfigError(
                f"a picture of {picture.shape[1]}x{picture.shape[0]} cannot be shrunk by {scale}: "
                f"both sides need at least {scale} pixels"
            )
        return np.ascontiguousarray(cropped)

    def apply(self, hr: Pixels, scale: int, seed: int) -> Pixels:
        """Make the LR, uint8 (H // scale, W // scale, 3), of `hr` uint8 (H, W, 3).

        The same seed gives the same bytes; a chain that is not random ignores it. Between the
        steps levels are not rounded, unless a step gives bytes; at the end half up.

        Raises ConfigError as `hr`.
        """
        return next(self.apply_clip([hr], scale, seed))

    def apply_clip(self, hrs: Iterable[Pixels], scale: int, seed: int) -> Iterator[Pixels]:
        """Yield the LR of every frame of a clip, all of one size, a few frames behind.

        Parameters are drawn once for the clip; noise is drawn anew for each frame; the `video`
        step sees the frames as one film.
        """
        frames = (self.hr(one, scale) for one in hrs)
        first = next(frames, None)
        if first is None:
            return
        stream: Iterator[NDArray[Any]] = _chained(first, frames)
        for place, operation in enumerate(self.draw(first.shape[:2], scale, seed)):
            if isinstance(operation, Video):
                stream = _filmed(stream, operation)
            else:
                stream = _each(stream, operation, (seed, 1 + place))
        yield from map(to_bytes, stream)

    def draw(self, size: tuple[int, ...], scale: int, seed: int) -> tuple[Operation, ...]:
        """Return what is to be done to a picture of `size`: nothing is random now but noise."""
        drawing = Drawing(size[0], size[1], scale, np.random.default_rng([seed, 0]))
        return tuple(operation for step in self.steps for operation in step.draw(drawing))


def picture_seed(seed: int, identity: str) -> int:
    """Return the seed of one picture or clip: from the run's seed and its name alone.

    So it does not matter which worker takes it, when, or what else is there.
    """
    digest = hashlib.sha256(f"{seed} {identity}".encode()).digest()
    return int.from_bytes(digest[:7], "big")


def _chained(first: NDArray[Any], rest: Iterable[NDArray[Any]]) -> Iterator[NDArray[Any]]:
    yield first
    yield from rest


def _each(
    stream: Iterable[NDArray[Any]], operation: Operation, key: tuple[int, int]
) -> Iterator[NDArray[Any]]:
    for number, pixels in enumerate(stream):
        yield carry_out(operation, pixels, np.random.default_rng([*key, number]))


def _filmed(stream: Iterable[NDArray[Any]], operation: Video) -> Iterator[NDArray[Any]]:
    from superres import video  # PyAV is loaded only for chains that compress

    yield from video.recompressed(map(to_bytes, stream), operation.crf, operation.preset)


def _step(number: int, entry: Mapping[str, Any]) -> Step:
    content = dict(entry) if isinstance(entry, Mapping) else {"name": entry}
    kind = STEPS.get(str(content.get("name")))
    if kind is None:
        known = ", ".join(sorted(STEPS))
        found = content.get("name", "no name")
        raise ConfigError(f"degradation step {number + 1}: {found!r} is unknown; accepted: {known}")
    return parse(kind, content, f"degradation step {number + 1} ({content['name']})")


def _checked(steps: tuple[Step, ...]) -> tuple[Step, ...]:
    shown = ", ".join(step.name for step in steps) or "no step"
    to_lr = [place for place, step in enumerate(steps) if isinstance(step, TO_LR)]
    if len(to_lr) != 1:
        raise ConfigError(
            f"degradation [{shown}]: exactly one of downsample, subsample, second_order has to "
            f"bring the picture to the LR size, found {len(to_lr)}"
        )
    resizes = [place for place, step in enumerate(steps) if isinstance(step, ResizeBy)]
    if resizes and (max(resizes) > to_lr[0] or not isinstance(steps[to_lr[0]], Downsample)):
        raise ConfigError(f"degradation [{shown}]: after resize a downsample has to follow")
    if any(isinstance(step, ResizeFrame) for step in steps[1:]):
        raise ConfigError(f"degradation [{shown}]: resize_frame makes HR and has to be the first")
    return steps


def _read(text: str) -> list[dict[str, Any]]:
    steps = []
    for part in text.split(";"):
        name, *options = part.split() if part.strip() else [""]
        pairs = [option.partition("=") for option in options]
        steps.append({"name": name, **{key: _value(value) for key, _, value in pairs}})
    return steps


def _value(text: str) -> Any:
    low, dots, high = text.partition("..")
    try:
        return [float(low), float(high)] if dots else float(text)
    except ValueError:
        return text


def _text(value: Any) -> str:
    if isinstance(value, tuple):
        return "..".join(map(_text, value))
    return repr(value).removesuffix(".0") if isinstance(value, float) else str(value)


DEFAULT: Final = Degradation.parse("bicubic")
