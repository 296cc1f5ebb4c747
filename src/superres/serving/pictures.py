"""One request's work, in a thread: bytes of a picture in, bytes of a larger one out."""

import copy
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from superres import images
from superres.config import ServingParams
from superres.errors import InputError
from superres.images import Limits, Picture
from superres.inference.pictures import text_of
from superres.inference.sizing import Wanted, passes
from superres.serving import measures
from superres.serving.forms import Wish
from superres.serving.served import Served

if TYPE_CHECKING:
    from superres.video import VideoLimits

Question = Callable[[], bool]

LONGEST_SIDE = {
    "JPEG": 65535,
    "GIF": 65535,
    "WEBP": 16383,
    "AVIF": 65536,
}  # of a picture of that format


@dataclass(frozen=True)
class Encoded:
    """A picture ready to be sent."""

    content: bytes
    media_type: str
    headers: dict[str, str]
    width: int
    height: int


@dataclass(frozen=True)
class _Limits(Limits):
    """Limits on the header of a picture, the size of its result among them."""

    scale: int = 1
    output_pixels: int = 0
    own_pixels: int = 0

    @classmethod
    def of(cls, params: ServingParams, scale: int) -> "_Limits":
        least = min(params.max_pixels, params.max_output_pixels // scale**2)
        return cls(params.max_bytes, least, scale, params.max_output_pixels, params.max_pixels)

    def too_many_pixels(self, width: int, height: int) -> InputError:
        """Say which of the two limits it is."""
        if width * height > self.own_pixels:
            return Limits(self.max_bytes, self.own_pixels).too_many_pixels(width, height)
        return _too_large(width * height * self.scale**2, f"x{self.scale}", self.output_pixels)


def upscale_still(
    data: bytes, upscaler: Served, wish: Wish, params: ServingParams, cancelled: Question
) -> Encoded:
    """Decode within the limits, upscale to the size wished for, encode as wished or as it came.

    Raises InputError as `images.decode`, and for an output format or size that is not accepted.
    """
    start = time.perf_counter()
    target = None if wish.format is None else output_format(wish.format)
    upscaler = sized(upscaler, wish.wanted)
    scale = upscaler.info.scale
    picture = images.decode(data, _Limits.of(params, scale))
    if target is None:
        known = picture.format in images.FORMATS.values()
        target = str(picture.format) if known else "PNG"
    height, width = upscaler.size(picture.height, picture.width)
    _check_size(picture, (height, width), scale, params)
    check_side(height, width, target)
    sr = upscaler.image(picture, cancelled=counted(cancelled, upscaler))
    content = images.encode(sr, target, text=text_of(upscaler))
    pixels = picture.width * picture.height
    measures.made(upscaler.which, "picture", pixels, height * width)
    headers = lineage_headers(upscaler, time.perf_counter() - start)
    return Encoded(content, f"image/{target.lower()}", headers, width, height)


def sized(upscaler: Served, wanted: Wanted) -> Served:
    """Return the upscaler for another size; both share the network."""
    if wanted == Wanted():
        return upscaler
    other = copy.copy(upscaler)
    other.wanted = wanted
    return other


def _check_size(
    picture: Picture, wanted: tuple[int, int], scale: int, params: ServingParams
) -> None:
    """Raise InputError 413 for a result, or a step on the way to it, that is too large."""
    height, width = wanted
    pixels = picture.height * picture.width
    times = passes(max(height / picture.height, width / picture.width), scale)
    for found in (height * width, pixels * scale ** (2 * times)):
        if found > params.max_output_pixels:
            raise _too_large(found, f"{width}x{height}", params.max_output_pixels)


def check_side(height: int, width: int, target: str) -> None:
    """Raise InputError for a result that is longer than its format can say."""
    if max(height, width) > LONGEST_SIDE.get(target, height + width):
        message = f"the result has {width}x{height} pixels, which {target} cannot hold"
        raise InputError(message, code="too_wide")


def about_pixels(data: bytes) -> int:
    """Return about how many pixels a file has, from its bytes: PNG packs little, others much."""
    return len(data) // 2 if data.startswith(b"\x89PNG") else 4 * len(data)


def counted(cancelled: Question, upscaler: Served) -> Question:
    """Return `cancelled`, which is asked before each tile, with the tiles counted."""

    def question() -> bool:
        measures.tile(upscaler.which)
        return cancelled()

    return question


def check_output(pixels: int, scale: int, params: ServingParams) -> None:
    """Raise InputError 413 when the result of `pixels` LR pixels would be too large."""
    if pixels * scale**2 > params.max_output_pixels:
        raise _too_large(pixels * scale**2, f"x{scale}", params.max_output_pixels)


def _too_large(found: int, how: str, limit: int) -> InputError:
    message = f"the result would need {found} pixels ({how}), at most {limit} are accepted"
    return InputError(message, code="too_many_output_pixels", status=413)


def check_video(path: Path, scale: int, params: ServingParams) -> int | None:
    """Return the number of frames of an accepted video, if it says; InputError otherwise."""
    from superres import video

    info = video.probe(path, video_limits(params))
    check_output(info.width * info.height, scale, params)
    return info.frames


def video_limits(params: ServingParams) -> "VideoLimits":
    """Return the limits of a video; reading holds files to them that do not say their length."""
    from superres.video import VideoLimits

    return VideoLimits(
        max_bytes=params.max_video_bytes,
        max_pixels=params.max_pixels,
        max_frames=params.max_frames,
        max_seconds=params.max_seconds,
    )


def lineage_headers(upscaler: Served, seconds: float | None = None) -> dict[str, str]:
    """Return X-Superres-Model, -Version, -Network and what is known of run, code and data."""
    facts = {**upscaler.lineage, **upscaler.which._asdict(), "scale": str(upscaler.info.scale)}
    return told(facts if seconds is None else {**facts, "seconds": f"{seconds:.3f}"})


def told(facts: Mapping[str, str]) -> dict[str, str]:
    """Return facts as headers X-Superres-..., which hold ASCII alone."""
    return {
        f"X-Superres-{key.replace('_', '-').title()}": value.encode("ascii", "replace").decode()
        for key, value in facts.items()
    }


def output_format(name: str, formats: Mapping[str, str] = images.FORMATS) -> str:
    """Return Pillow's name of a format; InputError 415 for one that cannot be written."""
    found = formats.get("." + name.lower().removeprefix("image/"))
    if found is None:
        known = ", ".join(suffix.removeprefix(".") for suffix in formats)
        message = f"format '{name[:40]}' cannot be written; accepted: {known}"
        raise InputError(message, code="unsupported_format", status=415)
    return found
