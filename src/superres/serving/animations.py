"""A picture that moves: every frame upscaled, so that none is lost in silence."""

import time
from collections.abc import Iterator

from superres import images
from superres.config import ServingParams
from superres.errors import InputError
from superres.images import Limits, Picture
from superres.images.animation import ANIMATED, encode_animation, extent, frames, timing
from superres.images.decoding import format_of, in_words
from superres.inference.pictures import text_of
from superres.inference.sizing import passes
from superres.serving import measures
from superres.serving.forms import Wish
from superres.serving.pictures import (
    Encoded,
    Question,
    check_side,
    counted,
    lineage_headers,
    output_format,
    sized,
    upscale_still,
)
from superres.serving.served import Served

CHECKED = 1 << 32  # pixels of a frame, which are looked at before
FORMATS = {**images.FORMATS, **ANIMATED}  # of what may be asked for, moving or not


def upscale_bytes(
    data: bytes, upscaler: Served, wish: Wish, params: ServingParams, cancelled: Question
) -> Encoded:
    """Upscale a picture, still or moving, within the limits, to the size and format wished for.

    Raises InputError as `images.decode`, and for an output format or size that is not accepted.
    """
    count, *size = extent(data)
    if count == 0 or len(data) > params.max_bytes:
        return upscale_still(data, upscaler, wish, params, cancelled)
    start = time.perf_counter()
    target = _target(data, wish, count)
    upscaler = sized(upscaler, wish.wanted)
    width, height = size
    _check(count, (height, width), upscaler, params)
    tall, wide = upscaler.size(height, width)
    check_side(tall, wide, target)
    content = _upscaled(data, target, upscaler, counted(cancelled, upscaler))
    measures.made(upscaler.which, "picture", count * height * width, count * tall * wide)
    headers = lineage_headers(upscaler, time.perf_counter() - start)
    return Encoded(content, f"image/{target.lower()}", headers, wide, tall)


def _target(data: bytes, wish: Wish, count: int) -> str:
    """Return the format of the result: as the animation came, or another that can move."""
    if wish.format is None:
        return str(format_of(data))
    target = output_format(wish.format, FORMATS)
    if target not in ANIMATED.values():
        message = f"the picture has {count} frames, of which {target} holds one"
        raise InputError(message, code="animated")
    return target


def _check(count: int, size: tuple[int, int], upscaler: Served, params: ServingParams) -> None:
    """Raise InputError 413 for frames too large, too many, or too many pixels in all of them."""
    height, width = size
    if height * width > params.max_pixels:
        raise Limits(params.max_bytes, params.max_pixels).too_many_pixels(width, height)
    if count > params.max_frames:
        message = f"the animation has {count} frames, at most {params.max_frames} are accepted"
        raise InputError(message, code="too_many_frames", status=413)
    tall, wide = upscaler.size(height, width)
    scale = upscaler.info.scale
    steps = scale ** passes(max(tall / height, wide / width), scale)
    for found in (tall * wide, height * width * steps**2, height * width):
        if count * found > params.max_output_pixels:
            message = (
                f"{count} frames of {wide}x{tall} need {count * found} pixels together, at most "
                f"{params.max_output_pixels} are accepted"
            )
            raise InputError(message, code="animation_too_large", status=413)


def _upscaled(data: bytes, target: str, upscaler: Served, cancelled: Question) -> bytes:
    def upscaled() -> Iterator[Picture]:
        for frame in frames(data, Limits(max_pixels=CHECKED)):
            yield upscaler.image(frame, cancelled=cancelled)

    software = text_of(upscaler)
    told = "; ".join([software.pop("Software"), *(f"{k}={v}" for k, v in software.items())])
    try:
        times = timing(data)
    except Exception as error:  # Pillow raises nearly anything for a damaged file
        message = f"the animation is damaged or truncated: {in_words(error)}"
        raise InputError(message, code="corrupt_image") from error
    return encode_animation(target, upscaled(), times, software=told)
