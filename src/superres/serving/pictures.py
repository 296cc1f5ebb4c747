"""One request's work, in a thread: bytes of a picture in, bytes of a larger one out."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from superres import images
from superres.config import ServingParams
from superres.errors import InputError
from superres.images import Limits

if TYPE_CHECKING:
    from superres.inference.upscaler import Upscaler
    from superres.video import VideoLimits

Question = Callable[[], bool]


@dataclass(frozen=True)
class Encoded:
    """A picture ready to be sent."""

    content: bytes
    media_type: str
    headers: dict[str, str]


def upscale_bytes(
    data: bytes,
    upscaler: "Upscaler",
    format_name: str | None,
    params: ServingParams,
    cancelled: Question,
) -> Encoded:
    """Decode within the limits, upscale, encode as `format_name` or as it came.

    Raises InputError as `images.decode`, and for an output format or size that is not accepted.
    """
    from superres.inference.library import text_of

    target = None if format_name is None else _output_format(format_name)
    limits = Limits(max_bytes=params.max_bytes, max_pixels=params.max_pixels)
    picture = images.decode(data, limits)
    check_output(picture.width * picture.height, upscaler.info.scale, params)
    if target is None:
        target = picture.format if picture.format in images.FORMATS.values() else "PNG"
    sr = upscaler.image(picture, cancelled=cancelled)
    content = images.encode(sr, str(target), text=text_of(upscaler))
    return Encoded(content, f"image/{str(target).lower()}", lineage_headers(upscaler))


def check_output(pixels: int, scale: int, params: ServingParams) -> None:
    """Raise InputError 413 when the result of `pixels` LR pixels would be too large."""
    found = pixels * scale**2
    if found > params.max_output_pixels:
        raise InputError(
            f"the result would have {found} pixels (x{scale}), "
            f"at most {params.max_output_pixels} are accepted",
            code="too_many_output_pixels",
            status=413,
        )


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


def lineage_headers(upscaler: "Upscaler") -> dict[str, str]:
    """Return X-Superres-Model, -Version and what is known of run, code and data."""
    facts = {**upscaler.lineage, "scale": str(upscaler.info.scale)}
    return {
        f"X-Superres-{key.replace('_', '-').title()}": value.encode("ascii", "replace").decode()
        for key, value in facts.items()
    }


def _output_format(name: str) -> str:
    found = images.FORMATS.get("." + name.lower().removeprefix("image/"))
    if found is None:
        known = ", ".join(suffix.removeprefix(".") for suffix in images.FORMATS)
        message = f"format '{name}' cannot be written; accepted: {known}"
        raise InputError(message, code="unsupported_format", status=415)
    return found
